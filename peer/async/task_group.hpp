#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>
#include <exception>
#include <functional>
#include <list>
#include <string>
#include <string_view>

namespace peer::async {

/// Tasks that somebody waits for. One executor; not thread-safe; empty when destroyed.
class TaskGroup {
 public:
  using OnError = std::function<void(std::string_view name, std::exception_ptr)>;
  TaskGroup(asio::any_io_executor executor, OnError on_error);
  TaskGroup(const TaskGroup&) = delete;
  ~TaskGroup();

  /// Starts a task; after cancel() a new task is dropped.
  void spawn(std::string name, asio::awaitable<void> task);
  /// Asks every task to end (terminal cancellation).
  void cancel();
  asio::awaitable<void> join();
  bool empty() const { return children_.empty(); }
  const asio::any_io_executor& executor() const { return executor_; }

 private:
  struct Child {
    std::string name;
    asio::cancellation_signal stop;
  };
  asio::any_io_executor executor_;
  asio::steady_timer idle_;
  OnError on_error_;
  std::list<Child> children_;
  bool closing_ = false;
};

}  // namespace peer::async
