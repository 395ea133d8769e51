#include "storage/digest.hpp"
