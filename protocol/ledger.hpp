#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>

#include "protocol/message.hpp"

namespace peer::protocol {

using Time = std::chrono::steady_clock::time_point;

/// An offer of ours that has not ended. Says `offer` in every session until then; `cancel` instead
/// once cancelled. State open: nobody has answered, or every round accepted so far is done.
struct GivenOffer {
  enum class State : std::uint8_t { open, accepted, cancelling };
  Offer offer;  ///< its `expires` is worked out from expires_at whenever it is said
  Time expires_at{};
  State state = State::open;
  std::uint64_t round = 0;       ///< of the latest `accept`; a `done` of a round closes that round
  std::uint64_t done_round = 0;  ///< of the latest `done`
  std::optional<Accept> accept;  ///< the latest
  std::optional<Cancel> cancel;
  std::uint64_t order = 0;  ///< those with a lower one are said first
};

/// An offer to us that has not ended. What is said again in every session depends on the state.
struct TakenOffer {
  enum class State : std::uint8_t {
    open,      ///< nothing to say: nobody has decided, or a round ended and the rest stays on offer
    accepted,  ///< says `accept`
    finishing,   ///< says `done`
    rejecting,   ///< says `reject`
    cancelling,  ///< says `cancel`
  };
  Offer offer;
  Time expires_at{};
  State state = State::open;
  std::uint64_t round = 0;       ///< of our latest accept
  std::optional<Accept> accept;  ///< the latest
  /// Ours, until `closed` came for it. One with complete:false may still be unanswered when the
  /// rest is accepted or cancelled; it is then said first.
  std::optional<Done> done;
  std::optional<Reject> reject;
  std::optional<Cancel> cancel;
};

enum class Direction : std::uint8_t { given, taken };

/// What one pair of peers has agreed on about offers, as this side knows it. Outlives sessions;
/// whoever owns it saves what changes. Local decisions come in here; a Conversation says them, now
/// or in a later session (PROTOCOL.md "Agreement").
class Ledger {
 public:
  struct Ended {
    Direction direction = Direction::given;
    Outcome outcome = Outcome::done;
  };

  // Local decisions. A wrong state (accepting what was rejected) is Errc::bad_state, an id that is
  // not open Errc::unknown_offer.

  /// An id this pair has never used, state open.
  void give(GivenOffer offer);
  /// Fills in its round; open, accepted (a new choice) or finishing with complete:false ->
  /// accepted. Errc::bad_offer if it names another manifest than the offer.
  Result<void> accept(Accept accept);
  /// How much the taker has of what it accepted: the accept says so when it is repeated.
  void holds(const OfferId& id, std::uint64_t bytes);
  /// Fills in its round; accepted -> finishing.
  Result<void> finish(Done done);
  /// Open, and no round yet -> rejecting.
  Result<void> reject(Reject reject);
  /// Given: open or accepted -> cancelling. Taken: open, accepted, or finishing with complete:false
  /// -> cancelling.
  Result<void> cancel(Cancel cancel);
  /// Ended without a word to say: expired here, or settled by the peer. An id that is not open is
  /// left as it is.
  void end(const OfferId& id, Outcome outcome);

  // Restoring what was saved, before any session. A state whose message is missing could neither be
  // said nor left: it counts as the one before.
  void restore(GivenOffer offer);
  void restore(TakenOffer offer);
  void restore_ended(const OfferId& id, Ended ended);
  void forget_ended(const OfferId& id);

  // Requests of ours without an answer; said in every session until then.
  void ask(Get get);
  void answered(const RequestId& request);

  const std::map<OfferId, GivenOffer>& given() const { return given_; }
  const std::map<OfferId, TakenOffer>& taken() const { return taken_; }
  const std::map<RequestId, Get>& gets() const { return gets_; }
  const GivenOffer* find_given(const OfferId& id) const;
  const TakenOffer* find_taken(const OfferId& id) const;
  std::optional<Ended> find_ended(const OfferId& id) const;
  /// Whether this pair has used the id, either way, and it is not forgotten.
  bool knows(const OfferId& id) const;
  /// Nothing was ever agreed or asked, or all of it is forgotten.
  bool empty() const { return given_.empty() && taken_.empty() && gets_.empty() && ended_.empty(); }

 private:
  friend class Conversation;  // what the peer says changes these too
  std::map<OfferId, GivenOffer> given_;
  std::map<OfferId, TakenOffer> taken_;
  std::map<RequestId, Get> gets_;
  std::unordered_map<OfferId, Ended, RandomIdHash> ended_;
};

/// How a `cancel` ends an offer: `expired` if that is its reason, else `cancelled`.
Outcome outcome_of(const Cancel& cancel);

}  // namespace peer::protocol
