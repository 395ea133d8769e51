#include "base/certificate.hpp"
