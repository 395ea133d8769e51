#include "storage/scan.hpp"
