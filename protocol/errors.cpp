#include "protocol/errors.hpp"
