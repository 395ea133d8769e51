#include "protocol/peer_id.hpp"
