#include "storage/browse.hpp"
