#include "trust/names.hpp"
