#pragma once

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/experimental/deferred.hpp>
#include <asio/experimental/parallel_group.hpp>
#include <asio/steady_timer.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "protocol/result.hpp"

namespace peer::async {

/// Runs `op` for at most `limit`; afterwards it has ended either way. Errc timed_out (std::errc) if
/// it had to be stopped. `op` yields a Result; exceptions pass through.
template <class T>
asio::awaitable<Result<T>> with_timeout(asio::awaitable<Result<T>> op,
                                        std::chrono::steady_clock::duration limit) {
  namespace xp = asio::experimental;
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, limit);
  // Result has no default value, and a parallel group needs one.
  auto wrap = [](asio::awaitable<Result<T>> inner) -> asio::awaitable<std::optional<Result<T>>> {
    std::optional<Result<T>> out;
    out.emplace(co_await std::move(inner));
    co_return out;
  };
  auto [order, failure, value, timer_error] =
      co_await xp::make_parallel_group(asio::co_spawn(executor, wrap(std::move(op)), xp::deferred),
                                       timer.async_wait(xp::deferred))
          .async_wait(xp::wait_for_one(), asio::use_awaitable);
  if (order[0] == 1 && (failure || !value || !*value))
    co_return Result<T>(Error(std::make_error_code(std::errc::timed_out)));
  if (failure) std::rethrow_exception(failure);
  co_return std::move(*value);
}

}  // namespace peer::async
