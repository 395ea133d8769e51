#include "protocol/conversation.hpp"
