#pragma once

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

namespace peer::async {

/// Runs blocking `work` on the pool and comes back to the caller's executor with its result. Work
/// in progress cannot be interrupted (the empty cancellation slot: a cancellation emitted into the
/// pool's thread would be a race). Name `work` before the co_await: g++ 12 miscompiles temporaries
/// there.
template <class F>
asio::awaitable<std::invoke_result_t<F>> run_on(asio::thread_pool& pool, F work) {
  using R = std::invoke_result_t<F>;
  auto task = [](F f) -> asio::awaitable<R> { co_return f(); };
  co_return co_await asio::co_spawn(
      pool, task(std::move(work)),
      asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
}

}  // namespace peer::async
