#include "protocol/ranges.hpp"
