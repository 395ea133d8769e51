#include "judge.hpp"

#include <optional>
#include <set>

namespace peer::sim {
namespace {

constexpr std::size_t kAlice = 0;

struct Seen {
  const GivenOffer* given = nullptr;
  const TakenOffer* taken = nullptr;
  std::optional<Outcome> ended;
};

Seen seen_by(const Party& party, const OfferId& id) {
  Seen seen;
  seen.given = party.ledger.find_given(id);
  seen.taken = party.ledger.find_taken(id);
  if (const auto how = party.ledger.find_ended(id)) seen.ended = how->outcome;
  return seen;
}

std::string text(const Seen& seen) {
  constexpr const char* kGiven[] = {"open", "accepted", "cancelling"};
  constexpr const char* kTaken[] = {"open", "accepted", "finishing", "rejecting", "cancelling"};
  if (seen.given)
    return std::string(kGiven[static_cast<std::size_t>(seen.given->state)]) + " r" +
           std::to_string(seen.given->round) + " d" + std::to_string(seen.given->done_round);
  if (seen.taken)
    return std::string(kTaken[static_cast<std::size_t>(seen.taken->state)]) + " r" +
           std::to_string(seen.taken->round);
  return seen.ended ? "ended " + std::string(to_string(*seen.ended)) : "unknown";
}

/// One offer, as its giver and its taker see it.
class Case {
 public:
  Case(const Party& giver, const Party& taker, const OfferId& id)
      : giver_(giver),
        taker_(taker),
        id_(id),
        there_(seen_by(giver, id)),
        here_(seen_by(taker, id)) {}

  std::string judge() const {
    const std::string what = wrong();
    if (what.empty()) return {};
    return "#" + std::to_string(number_of(id_)) + " " + what + " (giver " + text(there_) +
           (giver_.lost.contains(id_) ? ", lost rows" : "") + "; taker " + text(here_) +
           (taker_.lost.contains(id_) ? ", lost rows" : "") + "); ";
  }

 private:
  std::string wrong() const {
    using Given = GivenOffer::State;
    using Taken = TakenOffer::State;
    const bool taker_lost = taker_.lost.contains(id_);
    if (here_.taken && here_.taken->state >= Taken::finishing) return "is not answered";
    if (there_.given && there_.given->state == Given::cancelling) return "is not cancelled";
    if (there_.ended && here_.ended) return ends_differ();
    // A last word that could not be said for 30 days is not said any more.
    const bool unsaid = giver_.own_words.contains(id_);
    if (there_.ended && here_.taken)
      return (taker_lost || unsaid) && here_.taken->state == Taken::open ? "" : "has ended there";
    // By its own clock, without a word.
    const bool expired_here = here_.ended == Outcome::expired;
    if (there_.given && here_.ended) return expired_here ? "" : "has ended here";
    if (!there_.given && !there_.ended && here_.taken)
      return giver_.lost_whole.contains(id_) && here_.taken->state == Taken::open
                 ? ""
                 : "is unknown there";
    if (!there_.given || !here_.taken) return {};
    const bool here_accepted = here_.taken->state == Taken::accepted;
    if (here_accepted && stuck()) return "is accepted and not carried out";
    if (here_accepted == (there_.given->state == Given::accepted)) return {};
    // What was lost is that the latest round was accepted, or that it was done. The taker's next
    // word mends it.
    if (!here_accepted && (taker_lost || giver_.lost.contains(id_))) return {};
    if (here_accepted && taker_lost) return {};  // it is served all the same
    return "has two states";
  }

  std::string ends_differ() const {
    if (*there_.ended == *here_.ended) return {};
    if (giver_.own_words.contains(id_) || taker_.own_words.contains(id_)) return {};
    const auto plan = taker_.plans.find(id_);
    if (plan != taker_.plans.end() && plan->second == Plan::turn_away) return {};
    // What was lost may have been that it had everything, or how it ended.
    const bool alone = *here_.ended == Outcome::failed || *here_.ended == Outcome::expired;
    if (alone && (taker_.lost.contains(id_) || giver_.lost_whole.contains(id_))) return {};
    return "ended in two ways";
  }

  bool stuck() const {
    const auto plan = taker_.plans.find(id_);
    const bool idle = plan != taker_.plans.end() && plan->second == Plan::never_want;
    return !idle && taker_.disk.folders.contains(id_) && giver_.disk.folders.contains(id_);
  }

  const Party& giver_;
  const Party& taker_;
  OfferId id_;
  Seen there_;
  Seen here_;
};

std::set<OfferId> all_ids(const World& world) {
  std::set<OfferId> ids;
  for (const auto& [id, plan] : world.party(0).plans) ids.insert(id);
  for (const auto& [id, plan] : world.party(1).plans) ids.insert(id);
  return ids;
}

std::string of_connections(const World& world) {
  std::string wrong;
  if (world.links() > 1) wrong += std::to_string(world.links()) + " sessions are left; ";
  for (std::size_t i = 0; i < world.links(); ++i)
    for (const auto& end : world.link(i).ends) {
      if (!end.talk) continue;
      if (!end.talk->room_for_check()) wrong += "checks are left; ";
      if (!end.talk->served().empty() || end.talk->payload_left() > 0)
        wrong += "something is still to be served; ";
      if (end.talk->asked().open_count() > 0) wrong += "a want is left open; ";
    }
  return wrong;
}

}  // namespace

std::string disagreement(const World& world) {
  std::string wrong = of_connections(world);
  bool lost = false;
  for (std::size_t side = 0; side < 2; ++side) {
    wrong += world.party(side).trouble;
    lost = lost || !world.party(side).lost.empty();
  }
  if (!world.two_at_once() && !lost) wrong += world.party(0).overtaken + world.party(1).overtaken;
  for (const OfferId& id : all_ids(world)) {
    // The one that has it in its plans is the taker.
    const std::size_t taker = world.party(kAlice).plans.contains(id) ? 0 : 1;
    wrong += Case(world.party(1 - taker), world.party(taker), id).judge();
    const auto sent = world.party(1 - taker).sent.find(id);
    const auto again = world.party(taker).may_come_again.find(id);
    const auto most =
        kStreamBytes + (again == world.party(taker).may_come_again.end() ? 0 : again->second);
    if (sent != world.party(1 - taker).sent.end() && sent->second > most)
      wrong += "#" + std::to_string(number_of(id)) + ": " + std::to_string(sent->second) +
               " bytes were sent, " + std::to_string(most) + " would do; ";
  }
  return wrong;
}

std::string difference_at_the_end(const World& world) {
  std::string wrong = disagreement(world);
  for (std::size_t side = 0; side < 2; ++side) {
    const Party& party = world.party(side);
    if (!party.ledger.given().empty()) wrong += "something given is still open; ";
    if (!party.ledger.taken().empty()) wrong += "something taken is still open; ";
    if (!party.ledger.gets().empty()) wrong += "a get is not answered; ";
    if (!party.records.empty()) wrong += "a record is left; ";
  }
  return wrong;
}

}  // namespace peer::sim
