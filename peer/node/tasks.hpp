#pragma once

#include <asio/awaitable.hpp>
#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace peer::node {

/// For TaskGroup: a task that ended because it was asked to is silent, any other exception is a bug
/// of ours and is logged.
void log_task_error(std::string_view name, std::exception_ptr error);

/// A task that the node cannot be without: begun again, after a pause, if it ends for want of
/// memory.
asio::awaitable<void> lasting(std::string name, std::function<asio::awaitable<void>()> begin);

}  // namespace peer::node
