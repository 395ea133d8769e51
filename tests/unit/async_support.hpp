#pragma once

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

// g++ 12 takes Asio's pair of new and delete for coroutine frames for a mismatch.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace peer::test {

/// Runs `task` until it ends, with everything else of `io`; its exception comes out here. Throws if
/// it has not ended after 60 s.
inline void run(asio::io_context& io, asio::awaitable<void> task) {
  bool ended = false;
  std::exception_ptr failure;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr e) {
    ended = true;
    failure = e;
  });
  io.restart();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!ended && io.run_one_until(end) > 0) continue;
  if (failure) std::rethrow_exception(failure);
  if (!ended) throw std::runtime_error("the task did not end");
}

}  // namespace peer::test
