#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/address.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "protocol/result.hpp"

namespace peer::net {

/// Name lookups that may be under way in the whole process; each holds a thread until the system's
/// resolver gives up, also when nobody waits for it any more.
inline constexpr int kMaxLookups = 64;
/// Addresses taken of one name; more are ignored.
inline constexpr std::size_t kMaxAddresses = 16;

/// An address as people write it: "192.168.1.7", "2001:db8::1", "[::1]", "fe80::1%eth0"; none if it
/// is not one.
std::optional<asio::ip::address> literal_address(const std::string& text);

/// The addresses of `host`, in the order of the system (RFC 6724), without repeats. A literal
/// address never reaches the resolver. Looks up on a thread of its own, abandoned and not waited
/// for when `limit` passes (std::errc::timed_out) or the task is cancelled (throws).
asio::awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string host,
                                                                std::chrono::milliseconds limit);

}  // namespace peer::net
