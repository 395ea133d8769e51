#include "net/listener.hpp"
