#include "protocol/manifest.hpp"
