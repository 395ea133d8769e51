#include <doctest/doctest.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/system_error.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "async/event.hpp"
#include "async/run_on.hpp"
#include "async/sleep.hpp"
#include "async/task_group.hpp"
#include "async/with_timeout.hpp"
#include "async_support.hpp"

using namespace std::chrono_literals;
using peer::Error;
using peer::Result;
namespace async = peer::async;

namespace {

asio::awaitable<Result<std::string>> succeed(std::string value) { co_return value; }

asio::awaitable<Result<std::string>> fail() {
  co_return Error(std::make_error_code(std::errc::connection_refused), "dial");
}

asio::awaitable<Result<void>> fail_void() {
  co_return Error(std::make_error_code(std::errc::connection_refused), "dial");
}

asio::awaitable<Result<std::string>> throw_up() {
  co_await async::sleep(0ms);
  throw std::runtime_error("thrown");
}

/// Waits for ever; `ended` is set however it ends.
asio::awaitable<Result<std::string>> hang(bool& ended) {
  struct AtEnd {
    bool& flag;
    ~AtEnd() { flag = true; }
  } const at_end{ended};
  co_await async::sleep(1h);
  co_return std::string("late");
}

/// Ends with a value although it was asked to stop.
asio::awaitable<Result<std::string>> finish_anyway() {
  co_await asio::this_coro::throw_if_cancelled(false);
  try {
    co_await async::sleep(1h);
  } catch (const asio::system_error&) {
  }
  co_return std::string("finished");
}

asio::awaitable<void> hang_for_ever(bool& ended) {
  auto result = co_await hang(ended);
  static_cast<void>(result);
}

/// How a task ended that was cancelled while it ran.
template <class Task>
std::exception_ptr cancelled_end(Task make_task) {
  asio::io_context io;
  asio::cancellation_signal stop;
  std::exception_ptr end;
  bool ended = false;
  asio::co_spawn(io, make_task(), asio::bind_cancellation_slot(stop.slot(), [&](auto e) {
                   end = e;
                   ended = true;
                 }));
  asio::post(io, [&] { stop.emit(asio::cancellation_type::terminal); });
  io.run_for(10s);
  CHECK(ended);
  return end;
}

bool is_abort(const std::exception_ptr& e) {
  try {
    if (e) std::rethrow_exception(e);
  } catch (const asio::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  }
  return false;
}

}  // namespace

TEST_SUITE("with_timeout") {
  TEST_CASE("a result in time passes, and so does an error, at once") {
    asio::io_context io;
    const auto began = std::chrono::steady_clock::now();
    auto body = []() -> asio::awaitable<void> {
      auto good = co_await async::with_timeout(succeed("value"), 1h);
      CHECK(good);
      CHECK(*good == "value");
      auto bad = co_await async::with_timeout(fail(), 1h);
      CHECK(!bad);
      CHECK(bad.error().code == std::errc::connection_refused);
      CHECK(bad.error().context == "dial");
      auto nothing = co_await async::with_timeout(fail_void(), 1h);
      CHECK(!nothing);
      CHECK(nothing.error().code == std::errc::connection_refused);
    };
    peer::test::run(io, body());
    CHECK(std::chrono::steady_clock::now() - began < 10s);
  }

  TEST_CASE("what hangs is stopped at the limit and has ended by then") {
    asio::io_context io;
    bool ended = false;
    auto body = [&]() -> asio::awaitable<void> {
      auto late = co_await async::with_timeout(hang(ended), 5ms);
      CHECK(ended);
      CHECK(!late);
      CHECK(late.error().code == std::errc::timed_out);
    };
    peer::test::run(io, body());
  }

  TEST_CASE("a limit that is over already still stops it") {
    asio::io_context io;
    bool ended = false;
    auto body = [&]() -> asio::awaitable<void> {
      auto late = co_await async::with_timeout(hang(ended), -1s);
      CHECK(!late);
      CHECK(late.error().code == std::errc::timed_out);
    };
    peer::test::run(io, body());
    CHECK(ended);
  }

  TEST_CASE("a value that comes although the time was over is kept") {
    asio::io_context io;
    auto body = []() -> asio::awaitable<void> {
      auto value = co_await async::with_timeout(finish_anyway(), 1ms);
      CHECK(value);
      if (value) CHECK(*value == "finished");
    };
    peer::test::run(io, body());
  }

  TEST_CASE("an exception passes through") {
    asio::io_context io;
    auto body = []() -> asio::awaitable<void> {
      auto never = co_await async::with_timeout(throw_up(), 1h);
      static_cast<void>(never);
    };
    CHECK_THROWS_WITH(peer::test::run(io, body()), "thrown");
  }

  TEST_CASE("cancelled from outside it is no timeout, and the operation has ended") {
    bool ended = false;
    auto task = [&]() -> asio::awaitable<void> {
      auto result = co_await async::with_timeout(hang(ended), 1h);
      static_cast<void>(result);
    };
    CHECK(is_abort(cancelled_end(task)));
    CHECK(ended);
  }

  TEST_CASE("an alarm that is set to another time meanwhile stops it, and one set before counts") {
    asio::io_context io;
    asio::steady_timer alarm(io, 1h);
    bool ended = false;
    auto body = [&]() -> asio::awaitable<void> {
      auto late = co_await async::with_alarm(hang(ended), alarm);
      CHECK(ended);
      CHECK(!late);
      CHECK(late.error().code == std::errc::timed_out);
      auto again = co_await async::with_alarm(hang(ended), alarm);
      CHECK(!again);
      alarm.expires_after(1h);
      auto good = co_await async::with_alarm(succeed("value"), alarm);
      CHECK(good);
    };
    auto turn_out = [&]() -> asio::awaitable<void> {
      co_await async::sleep(5ms);
      alarm.expires_after(0s);
    };
    asio::co_spawn(io, turn_out(), asio::detached);
    peer::test::run(io, body());
  }
}

TEST_SUITE("event") {
  TEST_CASE("a notification wakes everybody who waits, and is not remembered") {
    asio::io_context io;
    async::Event event(io.get_executor());
    int woken = 0;
    auto waiter = [&]() -> asio::awaitable<void> {
      co_await event.wait();
      ++woken;
    };
    event.notify_all();  // nobody waits
    for (int i = 0; i < 3; ++i) asio::co_spawn(io, waiter(), asio::detached);
    io.poll();
    CHECK(woken == 0);
    event.notify_all();
    CHECK(woken == 0);  // they run later
    io.restart();
    io.run_for(10s);
    CHECK(woken == 3);
  }

  TEST_CASE("a wait with a limit says which came first") {
    asio::io_context io;
    async::Event event(io.get_executor());
    auto body = [&]() -> asio::awaitable<void> {
      const bool in_vain = co_await event.wait_for(1ms);
      CHECK(!in_vain);
      asio::post(io, [&] { event.notify_all(); });
      const bool woken = co_await event.wait_for(std::chrono::steady_clock::duration::max());
      CHECK(woken);
    };
    peer::test::run(io, body());
  }

  TEST_CASE("cancelling the task ends its wait with operation_aborted") {
    std::optional<async::Event> event;
    auto task = [&]() -> asio::awaitable<void> {
      auto executor = co_await asio::this_coro::executor;
      event.emplace(executor);
      co_await event->wait();
    };
    CHECK(is_abort(cancelled_end(task)));
  }

  TEST_CASE("an event that goes ends the waits for it") {
    asio::io_context io;
    auto event = std::make_unique<async::Event>(io.get_executor());
    auto body = [&]() -> asio::awaitable<void> {
      asio::post(io, [&] { event.reset(); });
      co_await event->wait();
    };
    CHECK_THROWS_AS(peer::test::run(io, body()), asio::system_error);
  }

  TEST_CASE("a loop that dies with waiting tasks leaves nothing behind") {
    auto io = std::make_unique<asio::io_context>();
    auto event = std::make_unique<async::Event>(io->get_executor());
    auto waiter = [&]() -> asio::awaitable<void> { co_await event->wait(); };
    asio::co_spawn(*io, waiter(), asio::detached);
    io->poll();
    event.reset();
    io.reset();
  }
}

TEST_SUITE("task group") {
  TEST_CASE("however the body ends, every child has been stopped and has ended") {
    asio::io_context io;
    bool first = false;
    bool second = false;
    std::vector<std::string> failures;
    auto body = [&](async::TaskGroup& group) -> asio::awaitable<void> {
      group.spawn("first", hang_for_ever(first));
      group.spawn("second", hang_for_ever(second));
      co_await async::sleep(0ms);
      throw std::runtime_error("body");
    };
    auto on_error = [&](std::string_view name, std::exception_ptr) { failures.emplace_back(name); };
    CHECK_THROWS_WITH(peer::test::run(io, async::with_tasks(on_error, body)), "body");
    CHECK(first);
    CHECK(second);
    CHECK(failures.empty());  // being stopped is no failure
  }

  TEST_CASE("a cancelled task waits for its children too") {
    bool ended = false;
    auto task = [&]() -> asio::awaitable<void> {
      auto body = [&](async::TaskGroup& group) -> asio::awaitable<void> {
        group.spawn("child", hang_for_ever(ended));
        co_await group.join();
      };
      auto on_error = [](std::string_view, std::exception_ptr) {};
      co_await async::with_tasks(on_error, body);
    };
    CHECK(is_abort(cancelled_end(task)));
    CHECK(ended);
  }

  TEST_CASE("a child's failure is told by name and disturbs nobody") {
    asio::io_context io;
    std::vector<std::string> failures;
    int ran = 0;
    auto failing = []() -> asio::awaitable<void> {
      throw std::runtime_error("x");
      co_return;
    };
    auto working = [&]() -> asio::awaitable<void> {
      co_await async::sleep(1ms);
      ++ran;
    };
    auto body = [&](async::TaskGroup& group) -> asio::awaitable<void> {
      group.spawn("failing", failing());
      group.spawn("working", working());
      co_await group.join();
      CHECK(group.empty());
      group.cancel();
      group.spawn("too late", working());
      CHECK(group.empty());
    };
    auto on_error = [&](std::string_view name, std::exception_ptr) { failures.emplace_back(name); };
    peer::test::run(io, async::with_tasks(on_error, body));
    CHECK(failures == std::vector<std::string>{"failing"});
    CHECK(ran == 1);
  }
}

TEST_SUITE("run_on") {
  TEST_CASE("work runs on the pool, and its result or exception comes back") {
    asio::io_context io;
    asio::thread_pool pool(1);
    const auto here = std::this_thread::get_id();
    auto body = [&]() -> asio::awaitable<void> {
      auto work = [] { return std::this_thread::get_id(); };
      auto there = co_await async::run_on(pool, std::move(work));
      CHECK(there != here);
      CHECK(std::this_thread::get_id() == here);
      auto silent = [] {};
      co_await async::run_on(pool, std::move(silent));
      auto judging = [] { return Result<std::string>(std::string("no default value")); };
      auto judged = co_await async::run_on(pool, std::move(judging));
      CHECK(judged);
      auto failing = []() -> int { throw std::runtime_error("on the pool"); };
      co_await async::run_on(pool, std::move(failing));
    };
    CHECK_THROWS_WITH(peer::test::run(io, body()), "on the pool");
    pool.join();
  }

  TEST_CASE("no memory is an error where errors are expected, else an exception") {
    asio::io_context io;
    asio::thread_pool pool(1);
    auto body = [&]() -> asio::awaitable<void> {
      auto work = []() -> Result<std::string> { throw std::bad_alloc(); };
      auto judged = co_await async::run_on(pool, std::move(work));
      CHECK(!judged);
      CHECK(judged.error().code == std::errc::not_enough_memory);
      auto silent = []() -> Result<void> { throw std::bad_alloc(); };
      auto done = co_await async::run_on(pool, std::move(silent));
      CHECK(!done);
      auto number = []() -> int { throw std::bad_alloc(); };
      co_await async::run_on(pool, std::move(number));
    };
    CHECK_THROWS_AS(peer::test::run(io, body()), std::bad_alloc);
    pool.join();
  }
}
