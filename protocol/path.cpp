#include "protocol/path.hpp"
