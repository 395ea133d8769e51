#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "protocol/conversation.hpp"

/// Two peers that follow the rules of a node as far as agreement goes, and the wires between them:
/// bytes move, are lost and arrive only when a schedule says so.
namespace peer::sim {

using namespace protocol;

/// What a taker does about an offer once its manifest is there.
enum class Plan : std::uint8_t {
  all,              ///< accepts all, takes it, done
  half_then_rest,   ///< a round, and when that is closed the rest
  half_rest_early,  ///< a round, and the rest accepted before that is closed
  half_then_cancel,
  half_only,  ///< a round; the rest stays on offer
  reject,
  cancel,
  accept_then_cancel,
  ignore,
};
inline constexpr std::size_t kPlans = 9;

inline constexpr std::uint64_t kStreamBytes = 90;
inline constexpr std::uint64_t kHalfBytes = 40;
inline constexpr std::uint64_t kManifestBytes = 20;
inline constexpr std::uint64_t kPieceBytes = 25;  ///< wanted at a time
inline constexpr std::uint64_t kSimBlockBytes = 15;

OfferId offer_id(std::uint64_t number);

/// One side: its ledger, what it has received, and what its events said.
struct Party {
  struct Taking {
    Plan plan = Plan::all;
    RangeSet manifest_lacking{Range{0, kManifestBytes}};
    RangeSet lacking{Range{0, kStreamBytes}};
    bool decided = false;
  };

  Ledger ledger;
  Instance instance;
  std::uint64_t dials = 0;
  std::map<OfferId, Plan> plans;  ///< for offers to come
  std::map<OfferId, Taking> taking;
  std::map<OfferId, std::vector<Outcome>> ends;  ///< one for every event that ended it
  std::multiset<std::string> once;               ///< what may happen once only
  std::string trouble;                           ///< what should not have happened
  /// `error bad_state` about a want: right only if it was overtaken on another connection.
  std::string overtaken;

  void give(std::uint64_t number, Time now);
  void happened(const Event& event, Conversation& talk);
  void arrived(const Data& data);
  /// Takes the decisions whose time has come; true if something was decided.
  bool decide();
  /// Wants what is lacking and not asked yet.
  void want(Conversation& talk);
  /// Answers one want; the bytes to send.
  std::string serve(Conversation& talk);

 private:
  void ended(const OfferId& id);
  bool decide(const OfferId& id, Taking& mine);
  void accept(const OfferId& id);
};

/// One connection. Either end may be gone (null); what the other then says is lost.
struct Link {
  struct End {
    std::unique_ptr<Conversation> talk;
    std::string sent;  ///< on the way to the other end
    Data coming;       ///< whose raw bytes are arriving here
    bool coming_wanted = false;
  };
  std::array<End, 2> ends;
};

class World {
 public:
  World();

  Party& party(std::size_t side) { return parties_[side]; }
  std::vector<Link>& links() { return links_; }
  Time now() const { return now_; }
  std::size_t delivered() const { return delivered_; }  ///< bytes, both ways
  std::size_t messages() const { return messages_; }    ///< said after the `hello`s, both ways

  void dial(std::size_t side);
  /// Both ends notice, what was on the way is lost.
  void cut(std::size_t link);
  /// Only `side` notices.
  void cut_at(std::size_t link, std::size_t side);
  void cut_all();
  /// The process of `side` ends and starts again; it saved its ledger.
  void restart(std::size_t side);
  /// At most `bytes` from `side` to the other one; how many went.
  std::size_t deliver(std::size_t link, std::size_t side, std::size_t bytes);
  void serve(std::size_t side);
  bool decide(std::size_t side);
  void cancel(std::size_t side, const OfferId& id, const char* reason);
  void sync(std::size_t side);
  /// Closes what which_stays() says has lost, as far as `side` may.
  void close_losers(std::size_t side);
  void pass_time(std::chrono::seconds time);

  /// Everything moves until nothing does, at most `limit` bytes; true if it got quiet.
  /// `first` is the side whose bytes go first.
  bool run(std::size_t limit, std::size_t chunk, std::size_t first);
  bool quiet() const;
  /// Both sides agree how everything ended, and it ended once. Empty, or what is wrong.
  std::string disagreement() const;

 private:
  void take(std::size_t link, std::size_t side);
  void remove_dead();

  Time now_{std::chrono::hours(1)};
  std::array<Party, 2> parties_;
  std::vector<Link> links_;
  bool two_at_once_ = false;  ///< there were ever two connections
  std::uint64_t instances_ = 0;
  std::size_t delivered_ = 0;
  std::size_t messages_ = 0;
};

}  // namespace peer::sim
