#include "net/dial.hpp"
