#include "base/home.hpp"
