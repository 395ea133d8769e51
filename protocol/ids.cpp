#include "protocol/ids.hpp"
