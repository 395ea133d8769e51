#include "protocol/stream_index.hpp"
