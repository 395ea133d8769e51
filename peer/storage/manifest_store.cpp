#include "storage/manifest_store.hpp"
