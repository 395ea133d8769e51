#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/address.hpp>
#include <functional>

namespace peer::net {

/// Calls `changed` when links or addresses of this machine have changed, a moment after the last of
/// several changes, and when it has been asleep; until cancelled. Linux tells by rtnetlink(7) and
/// CLOCK_BOOTTIME; where that is not to be had, nobody is told, and a dead connection is found by
/// its silence.
asio::awaitable<void> watch_network(std::function<void()> changed);

/// Whether this machine has the address (now).
bool is_own_address(const asio::ip::address& address);

}  // namespace peer::net
