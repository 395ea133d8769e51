#include "protocol/ledger.hpp"
