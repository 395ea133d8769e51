#include "base/settings.hpp"
