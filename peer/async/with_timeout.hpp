#pragma once

#include <asio/awaitable.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/deferred.hpp>
#include <asio/experimental/parallel_group.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>

#include "async/sleep.hpp"
#include "protocol/result.hpp"

namespace peer::async {

namespace detail {

/// Result has no default value, and a parallel group needs one.
template <class T>
asio::awaitable<std::optional<Result<T>>> boxed(asio::awaitable<Result<T>> op) {
  auto result = co_await std::move(op);
  co_return std::optional<Result<T>>(std::move(result));
}

}  // namespace detail

/// Runs `op` until `alarm` rings, or is set to another time meanwhile; afterwards it has ended
/// either way. std::errc::timed_out if it had to be stopped; a value that it yields although it was
/// asked to stop is kept. Cancelling the caller's task cancels `op`, whose own ending (error or
/// exception) is then the result. Exceptions pass through. `alarm` outlives it.
template <class T>
asio::awaitable<Result<T>> with_alarm(asio::awaitable<Result<T>> op, asio::steady_timer& alarm) {
  namespace xp = asio::experimental;
  auto executor = co_await asio::this_coro::executor;
  auto task = asio::co_spawn(executor, detail::boxed<T>(std::move(op)), xp::deferred);
  auto ring = alarm.async_wait(xp::deferred);
  auto both = xp::make_parallel_group(std::move(task), std::move(ring));
  auto [order, failure, value, alarm_error] =
      co_await both.async_wait(xp::wait_for_one(), asio::use_awaitable);
  const auto state = co_await asio::this_coro::cancellation_state;
  const bool cancelled = state.cancelled() != asio::cancellation_type::none;
  const bool rang = order[0] == 1 && (!alarm_error || !cancelled);
  if (rang && (failure || !value || !*value))
    co_return Result<T>(Error(std::make_error_code(std::errc::timed_out)));
  if (failure) std::rethrow_exception(failure);
  co_return std::move(*value);
}

/// The same for at most `limit`.
template <class T>
asio::awaitable<Result<T>> with_timeout(asio::awaitable<Result<T>> op,
                                        std::chrono::steady_clock::duration limit) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer alarm(executor, limit);
  auto result = co_await with_alarm(std::move(op), alarm);
  co_return std::move(result);
}

}  // namespace peer::async
