#include "node/tasks.hpp"

#include <asio/error.hpp>
#include <asio/system_error.hpp>
#include <string>

#include "base/log.hpp"

namespace peer::node {

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

}  // namespace peer::node
