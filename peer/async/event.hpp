#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <list>
#include <memory>

#include "async/sleep.hpp"

namespace peer::async {

/// "Something changed": a condition variable for coroutines of one thread. It remembers nothing: a
/// notification wakes whoever waits at that moment, so a waiter tests its own condition in a loop,
/// with no other co_await between the test and wait(). Not thread-safe. May be destroyed while
/// somebody waits: the wait ends as if cancelled.
class Event {
 public:
  explicit Event(asio::any_io_executor executor);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Wakes every coroutine that waits now. They run later, never inside this call.
  void notify_all();
  /// Until the next notify_all(). Throws asio::system_error (operation_aborted) if the task is
  /// cancelled.
  asio::awaitable<void> wait();
  /// The same for at most `limit`: false if the time passed first.
  asio::awaitable<bool> wait_for(std::chrono::steady_clock::duration limit);

 private:
  struct Waiter;
  struct State {
    asio::any_io_executor executor;
    std::list<Waiter*> waiters;
  };
  static asio::awaitable<bool> wait_until(std::shared_ptr<State> state,
                                          std::chrono::steady_clock::time_point limit);
  static asio::awaitable<void> wait_for_ever(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace peer::async
