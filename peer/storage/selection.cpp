#include "storage/selection.hpp"
