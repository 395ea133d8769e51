#include "storage/intake.hpp"
