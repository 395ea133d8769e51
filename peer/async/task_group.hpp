#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <exception>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <utility>

namespace peer::async {

/// Tasks that somebody waits for. One executor; not thread-safe; empty when destroyed.
class TaskGroup {
 public:
  /// Hears of every exception that ends a task, but for operation_aborted after cancel().
  using OnError = std::function<void(std::string_view name, std::exception_ptr)>;
  TaskGroup(asio::any_io_executor executor, OnError on_error);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();

  /// Starts a task, which may run up to its first wait inside this call; after cancel() a new task
  /// is dropped.
  void spawn(std::string name, asio::awaitable<void> task);
  /// Asks every task to end (terminal cancellation).
  void cancel();
  /// Until every task has ended. In a cancelled task call it through with_tasks, or reset the
  /// cancellation state first.
  asio::awaitable<void> join();
  bool empty() const { return children_.empty(); }
  const asio::any_io_executor& executor() const { return executor_; }

 private:
  struct Child {
    std::string name;
    asio::cancellation_signal stop;
  };
  void ended(std::list<Child>::iterator child, std::exception_ptr failure);

  asio::any_io_executor executor_;
  asio::steady_timer idle_;
  OnError on_error_;
  std::list<Child> children_;
  bool closing_ = false;
};

/// The way to use a group inside a task: however `body(group)`, a coroutine, ends, every child has
/// been cancelled and has ended too. A body that wants its children's own endings joins the group.
template <class Body>
asio::awaitable<void> with_tasks(TaskGroup::OnError on_error, Body body) {
  auto executor = co_await asio::this_coro::executor;
  TaskGroup group(executor, std::move(on_error));
  std::exception_ptr failure;
  try {
    co_await body(group);
  } catch (...) {
    failure = std::current_exception();
  }
  group.cancel();
  // Otherwise the next co_await would throw in a cancelled task.
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await group.join();
  co_await asio::this_coro::throw_if_cancelled(true);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace peer::async
