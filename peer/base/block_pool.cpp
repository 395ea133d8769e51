#include "base/block_pool.hpp"
