#include "net/data_stream.hpp"
