#pragma once

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <new>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include "protocol/result.hpp"

namespace peer::async {

namespace detail {

/// How work on another thread ended; moved, never copied, so that an exception dies on the thread
/// that asked for the work.
template <class R>
struct WorkOutcome {
  std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value;
  std::exception_ptr failure;
};

template <class R>
inline constexpr bool kIsResult = false;
template <class T>
inline constexpr bool kIsResult<Result<T>> = true;

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
  } catch (const std::bad_alloc&) {
    // Trouble of the machine like any other, where the caller is ready for errors.
    if constexpr (kIsResult<R>)
      outcome.value.emplace(Error(std::make_error_code(std::errc::not_enough_memory)));
    else
      outcome.failure = std::current_exception();
  } catch (...) {
    outcome.failure = std::current_exception();
  }
  co_return std::move(outcome);
}

}  // namespace detail

/// Runs blocking `work` on the pool and comes back to the caller's executor with its result or its
/// exception; no memory is an error where the result is a Result. Work in progress cannot be
/// interrupted (the empty cancellation slot: a cancellation emitted into the pool's thread would be
/// a race). Name `work` before the co_await: g++ 12 miscompiles temporaries there.
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
