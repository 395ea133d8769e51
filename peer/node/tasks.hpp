#pragma once

#include <exception>
#include <string_view>

namespace peer::node {

/// For TaskGroup: a task that ended because it was asked to is silent, any other exception is a bug
/// of ours and is logged.
void log_task_error(std::string_view name, std::exception_ptr error);

}  // namespace peer::node
