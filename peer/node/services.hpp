#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "async/event.hpp"
#include "async/run_on.hpp"
#include "base/block_pool.hpp"
#include "base/home.hpp"
#include "base/log.hpp"
#include "base/rate_limit.hpp"
#include "base/settings.hpp"
#include "discovery/nearby.hpp"
#include "net/tls.hpp"
#include "node/limits.hpp"
#include "protocol/limits.hpp"
#include "storage/database.hpp"
#include "storage/intake.hpp"
#include "trust/identity.hpp"

namespace peer::node {

/// What every part of the node uses. Made once, outlives them all. The control thread owns it; the
/// pools, the block pools and the space book may be used from any thread, the database from
/// `database_thread` only.
struct Services {
  Services(asio::io_context& context, base::Home where)
      : io(context), home(std::move(where)), changed(context.get_executor()) {}

  asio::io_context& io;
  base::Home home;
  base::Settings settings;
  std::shared_ptr<const trust::Identity> identity;
  std::unique_ptr<net::TlsContext> tls;
  protocol::Instance instance;
  std::unique_ptr<storage::Database> database;
  base::BlockPool sending{protocol::kSessionBlockBytes, kSessionBlocks};
  base::BlockPool receiving{protocol::kSessionBlockBytes, kSessionBlocks};
  std::uint64_t takings = 0;     ///< transfers being taken; they share `receiving`
  base::RateLimit giving_limit;  ///< of all transfers together, as `settings` says
  base::RateLimit taking_limit;
  storage::SpaceBook space;
  discovery::Nearby nearby;                  ///< who was heard on the local network
  std::optional<std::uint32_t> invite_slot;  ///< of the invite that is open here; it is announced
  async::Event changed;                 ///< some offer's state, or a session, is not what it was
  std::atomic<std::size_t> unsaved{0};  ///< calls of save_later() under way
  asio::thread_pool disk{kDiskThreads};
  asio::thread_pool database_thread{1};

  /// Writes to the database without waiting; in order; a failure is logged.
  template <class Work>
  void save_later(std::string what, Work work) {
    ++unsaved;
    asio::post(database_thread, [this, what = std::move(what), work = std::move(work)] {
      try {
        if (auto done = work(*database); !done)
          base::log(base::Level::error, "database", what + ": " + done.error().text());
      } catch (const std::bad_alloc& error) {
        base::log(base::Level::error, "database", error.what());
      }
      --unsaved;
    });
  }

  /// What save_later() was given before is in the database: a crash of the program does not undo
  /// it.
  asio::awaitable<void> saved() {
    if (unsaved == 0) co_return;
    auto nothing = [] { return true; };
    co_await async::run_on(database_thread, std::move(nothing));
  }
};

}  // namespace peer::node
