#include "async/task_group.hpp"
