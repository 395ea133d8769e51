#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "protocol/result.hpp"

namespace peer::net {

/// Connects to a host (IP or name), its addresses raced by RFC 8305 (250 ms apart, families
/// alternating); bounded by `limit`. TCP_NODELAY is set. The error is the most telling one (refused
/// before unreachable before timed out) and names host and address. No proxies, no redirects. Name
/// lookup runs on a thread of its own and is abandoned, not waited for, at the limit. No segment,
/// of either side, is larger than `segment_bytes`, if that is not 0.
asio::awaitable<Result<asio::ip::tcp::socket>> dial(std::string host, std::uint16_t port,
                                                    std::chrono::milliseconds limit,
                                                    int segment_bytes = 0);

}  // namespace peer::net
