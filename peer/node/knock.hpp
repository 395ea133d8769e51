#pragma once

#include <asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/tls.hpp"
#include "protocol/peer_id.hpp"
#include "trust/names.hpp"

namespace peer::node {

/// Who is at an address: a TCP connection and a TLS handshake, in which nothing is said.
struct Knocked {
  enum class Answer : std::uint8_t {
    identity,     ///< `met`
    refused,      ///< the machine is there, and nobody listens
    no_answer,    ///< within kKnockTime, or the last network on the way says so
    unreachable,  ///< the network says that there is no way
    no_host,      ///< its name means no address
    no_peer,      ///< something listens, and it is no peer
    failed,       ///< anything else
  };
  Answer answer = Answer::failed;
  std::optional<protocol::PeerId> met;
  std::string why;                  ///< what the system, or TLS, says; not of `identity`
  std::string local;                ///< the address of this machine that was used
  std::chrono::nanoseconds took{};  ///< until the handshake was over
};
asio::awaitable<Knocked> knock(const net::TlsContext& tls, trust::Address address);
/// At each of them, some at a time; in their order.
asio::awaitable<std::vector<Knocked>> knock_all(const net::TlsContext& tls,
                                                std::vector<trust::Address> addresses);

std::string_view to_string(Knocked::Answer answer);

}  // namespace peer::node
