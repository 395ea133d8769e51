#include "async/task_group.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/system_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cassert>

namespace peer::async {

namespace {

bool is_abort(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const asio::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor, OnError on_error)
    : executor_(std::move(executor)),
      idle_(executor_, asio::steady_timer::time_point::max()),
      on_error_(std::move(on_error)) {}

TaskGroup::~TaskGroup() { assert(children_.empty()); }

void TaskGroup::spawn(std::string name, asio::awaitable<void> task) {
  if (closing_) return;
  auto child = children_.emplace(children_.end());
  try {
    child->name = std::move(name);
    auto done = [this, child](std::exception_ptr failure) { ended(child, std::move(failure)); };
    asio::co_spawn(executor_, std::move(task),
                   asio::bind_cancellation_slot(child->stop.slot(), done));
  } catch (...) {  // no memory: it was never begun, and join() waits for nothing
    children_.erase(child);
    throw;
  }
}

void TaskGroup::ended(std::list<Child>::iterator child, std::exception_ptr failure) {
  // The group may be used, even cancelled, by the handler: the child leaves it first.
  std::list<Child> leaving;
  leaving.splice(leaving.end(), children_, child);
  if (failure && !(closing_ && is_abort(failure))) on_error_(child->name, failure);
  if (children_.empty()) idle_.cancel();
}

void TaskGroup::cancel() {
  closing_ = true;
  for (auto it = children_.begin(); it != children_.end();)
    (it++)->stop.emit(asio::cancellation_type::terminal);
}

asio::awaitable<void> TaskGroup::join() {
  asio::error_code ignored;
  while (!children_.empty())
    co_await idle_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace peer::async
