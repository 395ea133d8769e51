#include "net/tls.hpp"
