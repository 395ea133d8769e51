#include "protocol/message.hpp"
