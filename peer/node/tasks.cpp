#include "node/tasks.hpp"

#include <asio/error.hpp>
#include <asio/system_error.hpp>
#include <chrono>
#include <new>

#include "async/sleep.hpp"
#include "base/log.hpp"

namespace peer::node {

namespace {
constexpr std::chrono::seconds kMemoryPause{1};
}

void log_task_error(std::string_view name, std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const asio::system_error& e) {
    if (e.code() == asio::error::operation_aborted) return;
    base::log(base::Level::error, "task", std::string(name) + ": " + e.what());
  } catch (const std::exception& e) {
    base::log(base::Level::error, "task", std::string(name) + ": " + e.what());
  }
}

asio::awaitable<void> lasting(std::string name, std::function<asio::awaitable<void>()> begin) {
  for (;;) {
    try {
      co_await begin();
      co_return;
    } catch (const std::bad_alloc&) {
      log_task_error(name, std::current_exception());
    }
    co_await async::sleep(kMemoryPause);
  }
}

}  // namespace peer::node
