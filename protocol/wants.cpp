#include "protocol/wants.hpp"
