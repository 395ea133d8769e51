#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/ledger.hpp"
#include "protocol/message.hpp"
#include "protocol/peer_id.hpp"

namespace peer::node {

class Session;

/// This peer and one other: what they have agreed on, and the session between them if there is one.
/// Lives as long as the node, but for a stranger's that nothing refers to
/// (Sessions::forget_strangers).
struct Pair {
  explicit Pair(const protocol::PeerId& who) : id(who) {}

  protocol::PeerId id;
  protocol::Ledger ledger;
  std::shared_ptr<Session> session;  ///< greeted and alive; or none
  std::size_t sessions = 0;          ///< objects that refer to this, ended ones too
  std::uint64_t dials = 0;           ///< of this process; numbers sessions we dial
  std::string heard_at;  ///< "host:port" where it said it listens, seen by its session; a hint only
  std::chrono::steady_clock::duration round_trip{};  ///< as last seen; 0: not yet
  std::string calls_itself;                          ///< its latest display name; hostile text
  std::size_t waiting_lanes = 0;                     ///< said `attach`, not yet placed
  bool dialling = false;                             ///< a redial task runs
  bool greeting = false;  ///< a session that we dialled waits for its `hello`
  /// Until then connections that are dialled send small packets only.
  std::chrono::steady_clock::time_point small_segments_until{};
  bool hurry = false;   ///< its pause is over: something has changed, or somebody waits
  bool urgent = false;  ///< somebody waits
  /// Of the latest attempt, when it failed.
  struct Unreached {
    std::string text;                     ///< for people: which address, why, what to do
    std::optional<protocol::PeerId> met;  ///< another identity answered
    std::string where;                    ///< there
    std::chrono::steady_clock::time_point next_try;
  };
  std::optional<Unreached> unreached;
  /// Who else answered at its addresses when they were last dialled.
  std::map<std::string, protocol::PeerId> others_at;
};

}  // namespace peer::node
