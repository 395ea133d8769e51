#include "storage/catalogue.hpp"
