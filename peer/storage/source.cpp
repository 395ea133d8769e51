#include "storage/source.hpp"
