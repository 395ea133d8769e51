#pragma once

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <optional>
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
  auto here = asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable);
  if constexpr (std::is_void_v<R>) {
    auto task = [](F f) -> asio::awaitable<void> {
      f();
      co_return;
    };
    co_await asio::co_spawn(pool, task(std::move(work)), std::move(here));
  } else {
    // What co_spawn carries must have a default value; a Result has none.
    auto task = [](F f) -> asio::awaitable<std::optional<R>> { co_return std::optional<R>(f()); };
    auto value = co_await asio::co_spawn(pool, task(std::move(work)), std::move(here));
    co_return std::move(*value);
  }
}

}  // namespace peer::async
