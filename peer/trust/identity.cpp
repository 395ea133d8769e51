#include "trust/identity.hpp"
