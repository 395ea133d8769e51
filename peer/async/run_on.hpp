#pragma once

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace peer::async {

namespace detail {

/// How work on another thread ended; moved, never copied, so that an exception dies on the thread
/// that asked for the work.
template <class R>
struct WorkOutcome {
  std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value;
  std::exception_ptr failure;
};

template <class R, class F>
asio::awaitable<WorkOutcome<R>> attempt(F work) {
  WorkOutcome<R> outcome;
  try {
    if constexpr (std::is_void_v<R>) {
      work();
      outcome.value.emplace();
    } else {
      outcome.value.emplace(work());
    }
  } catch (...) {
    outcome.failure = std::current_exception();
  }
  co_return std::move(outcome);
}

}  // namespace detail

/// Runs blocking `work` on the pool and comes back to the caller's executor with its result or its
/// exception. Work in progress cannot be interrupted (the empty cancellation slot: a cancellation
/// emitted into the pool's thread would be a race). Name `work` before the co_await: g++ 12
/// miscompiles temporaries there.
template <class F>
asio::awaitable<std::invoke_result_t<F>> run_on(asio::thread_pool& pool, F work) {
  using R = std::invoke_result_t<F>;
  auto outcome = co_await asio::co_spawn(
      pool, detail::attempt<R, F>(std::move(work)),
      asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
  if (outcome.failure) std::rethrow_exception(std::move(outcome.failure));
  if constexpr (!std::is_void_v<R>) co_return std::move(*outcome.value);
}

}  // namespace peer::async
