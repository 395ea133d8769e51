#include "storage/folder.hpp"
