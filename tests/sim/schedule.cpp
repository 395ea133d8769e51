#include "schedule.hpp"

#include <algorithm>

#include "judge.hpp"

namespace peer::sim {

namespace {

constexpr std::size_t kMostOffers = 6;
constexpr std::size_t kMostGets = 3;
constexpr std::size_t kMostLinks = 3;
constexpr std::size_t kAllBytes = 1'000'000;
constexpr std::chrono::hours kLong{1000};

RequestId request_id(std::uint64_t number) {
  RequestId id;
  id.bytes[0] = static_cast<std::byte>(number);
  id.bytes[1] = std::byte{0x40};
  return id;
}

}  // namespace

const char* to_string(Mixed what) {
  constexpr const char* kNames[kMixed] = {
      "cut",        "half-open", "one way cut",  "crossed",     "clean restart", "killed",
      "power loss", "rows lost", "journal lost", "expiry",      "wall jump",     "silence",
      "paused",     "no_space",  "gone",         "zeros",       "check",         "offer again",
      "get",        "list",      "cancel",       "later round", "never wants"};
  return kNames[static_cast<std::size_t>(what)];
}

Schedule::Schedule(std::uint64_t seed, bool traced) : dice_(seed), world_(traced) {
  crashes_ = dice_.one_in(2);
  saving_ = std::array<std::size_t, 3>{2, 16, 400}[dice_.below(3)];
  unrest_ = std::array<std::size_t, 3>{2, 6, 12}[dice_.below(3)];
  set_up(0);
  set_up(1);
}

void Schedule::set_up(std::size_t side) {
  Party& party = world_.party(side);
  for (const char* feature : {"xxh3", "zeros"})
    if (!dice_.one_in(4)) party.features.emplace_back(feature);
  if (dice_.one_in(3)) party.limits.open_wants = 1 + dice_.below(4);
  if (dice_.one_in(3)) party.limits.open_want_bytes = kPieceBytes * (1 + dice_.below(3));
  if (dice_.one_in(4)) party.limits.block_bytes = 5 + dice_.below(20);
  if (dice_.one_in(4)) party.limits.open_offers = 1 + dice_.below(3);
}

std::string Schedule::play() {
  for (auto first = dice_.below(3); first-- > 0;) offer(dice_.below(2));
  const std::size_t steps = 30 + dice_.below(170);
  for (std::size_t i = 0; i < steps; ++i) step();
  return settle();
}

void Schedule::step() {
  const std::size_t side = dice_.below(2);
  if (dice_.one_in(40)) world_.run(1 + dice_.below(4000), 1 + dice_.below(500), side);
  const std::size_t links = world_.links();
  const std::size_t what = dice_.below(100);
  if (dice_.one_in(saving_)) world_.party(side).disk.write(1 + dice_.below(3));
  if (links == 0 || what < 2) {
    if (links < kMostLinks) world_.dial(side);
  } else if (what < 48) {
    const std::size_t most = dice_.one_in(3) ? 60 : 2000;
    world_.deliver(dice_.below(links), side, 1 + dice_.below(most));
  } else if (what < 62) {
    world_.serve(side);
  } else if (what < 76) {
    world_.decide(side);
  } else if (what < 100 - unrest_) {
    happens(side);
  } else {
    disturb(side);
  }
  if (world_.two_at_once()) mark(Mixed::crossed);
}

/// What users and programs do.
void Schedule::happens(std::size_t side) {
  Party& party = world_.party(side);
  switch (dice_.below(offers_ == 0 ? 1 : 12)) {
    case 0:
    case 1:
    case 2:
      return offer(side);
    case 3: {
      const OfferId id = some_id();
      const bool expires = party.ledger.find_given(id) && dice_.one_in(3);
      if (world_.cancel(side, id, expires ? "expired" : "cancelled")) mark(Mixed::cancel);
      return;
    }
    case 4:
      mark(Mixed::offer_again);
      return world_.offer_again(side, some_id());
    case 5:
      return get(side);
    case 6:
      return answer_gets(side, !dice_.one_in(4));
    case 7:
      mark(Mixed::list);
      return world_.list(side, request_id(100 + ++requests_));
    case 8:
      party.disk.sync();
      return;
    default:
      return trouble(side);
  }
}

void Schedule::trouble(std::size_t side) {
  Party& party = world_.party(side);
  const OfferId id = some_id();
  switch (dice_.below(4)) {
    case 0:
      mark(Mixed::paused);
      party.paused.insert(id);
      return;
    case 1:
      party.paused.clear();
      for (auto& [number, record] : party.records) record.no_space = false;
      return;
    case 2:
      mark(Mixed::no_space);
      return world_.no_space(side, id);
    default:
      // A file is what it was offered as, or it is not; for good.
      if (party.ledger.find_given(id) &&
          party.changed.emplace(id, dice_.below(kFiles.size())).second)
        mark(Mixed::gone);
  }
}

void Schedule::offer(std::size_t side) {
  if (offers_ >= kMostOffers) return;
  const auto plan = static_cast<Plan>(dice_.below(kPlans));
  world_.party(1 - side).plans[offer_id(++offers_)] = plan;
  if (plan == Plan::half_then_rest || plan == Plan::half_rest_early || plan == Plan::widen)
    mark(Mixed::later_round);
  if (plan == Plan::never_want) mark(Mixed::never_want);
  std::chrono::seconds keep = kLong;
  if (dice_.one_in(5)) {
    keep = std::chrono::seconds(1 + dice_.below(60));
    mark(Mixed::expiry);
  }
  world_.give(side, offers_, keep);
}

void Schedule::get(std::size_t side) {
  if (requests_ >= kMostGets) return;
  mark(Mixed::get);
  world_.ask(side, request_id(++requests_));
}

void Schedule::answer_gets(std::size_t side, bool well) {
  const auto asked = world_.party(side).gets_asked;
  for (const RequestId& request : asked) {
    if (!well) {
      world_.answer_get(side, request, 0);
      continue;
    }
    // The same request has one offer at most; a number that is not used is nothing.
    world_.party(1 - side).plans[offer_id(offers_ + 1)] = Plan::all;
    world_.answer_get(side, request, offers_ + 1);
    if (world_.party(side).records.contains(offer_id(offers_ + 1)))
      ++offers_;
    else
      world_.party(1 - side).plans.erase(offer_id(offers_ + 1));
  }
}

void Schedule::disturb(std::size_t side) {
  const std::size_t links = world_.links();
  switch (dice_.below(crashes_ ? 10 : 8)) {
    case 0:
      mark(Mixed::cut);
      return world_.cut(dice_.below(links));
    case 1:
      mark(Mixed::half_open);
      return world_.cut_at(dice_.below(links), side);
    case 2:
      mark(Mixed::mute);
      return world_.mute(dice_.below(links), side);
    case 3:
    case 8:
    case 9:
      return restart(side);
    case 4:
      return world_.pass_time(std::chrono::milliseconds(dice_.below(20'000)));
    case 5:
      mark(Mixed::silence);
      for (int i = 0; i < 4; ++i) world_.pass_time(std::chrono::seconds(16));
      return;
    case 6:
      if (!dice_.one_in(3)) return;
      mark(Mixed::wall_jump);
      world_.party(side).wall += std::chrono::hours(dice_.below(2000)) - std::chrono::hours(1000);
      return;
    default:
      if (links < kMostLinks) world_.dial(side);
  }
}

void Schedule::restart(std::size_t side) {
  Party& party = world_.party(side);
  if (!crashes_ || dice_.one_in(3)) {
    mark(Mixed::clean_restart);
    return world_.restart(side, World::Ending::leaves);
  }
  // Some of what waits is written while it dies.
  party.disk.write(dice_.below(party.disk.unsaved() + 1));
  if (party.disk.unsaved() > 0) mark(Mixed::lost_rows);
  if (dice_.one_in(2)) {
    mark(Mixed::killed);
    return world_.restart(side, World::Ending::killed);
  }
  mark(Mixed::power_loss);
  const bool ask_again = dice_.one_in(2);
  if (ask_again) mark(Mixed::check);
  if (!party.disk.folders.empty()) mark(Mixed::lost_journal);
  world_.restart(side, World::Ending::power, ask_again);
}

// ---- the end

/// Time passes and everything moves until nothing does; false if it never stops.
bool Schedule::calm(std::size_t looks) {
  const std::size_t first = dice_.below(2);
  for (std::size_t i = 0; i < looks; ++i) {
    if (!world_.run(kAllBytes, 500, first)) return false;
    for (const std::size_t side : {first, 1 - first}) {
      answer_gets(side, true);
      Party& party = world_.party(side);
      party.disk.write_all();
      if (party.current == 0 && world_.links() < kMostLinks &&
          (party.has_business() || world_.links() == 0))
        world_.dial(side);
    }
    world_.pass_time(std::chrono::seconds(5));
  }
  return world_.run(kAllBytes, 500, first);
}

std::string Schedule::settle() {
  world_.trace().line(world_.now(), "nothing is disturbed any more");
  for (const std::size_t side : {0u, 1u}) {
    world_.party(side).paused.clear();
    for (auto& [number, record] : world_.party(side).records) record.no_space = false;
  }
  for (std::size_t side = 0; side < 2; ++side) {
    for (std::size_t i = 0; i < world_.links(); ++i)
      for (const auto& end : world_.link(i).ends)
        if (end.talk && end.talk->both_have("zeros")) mark(Mixed::zeros);
  }
  if (dice_.one_in(2)) {
    // What is half-open or one-way is found out by time alone.
    const bool silent = has(Mixed::half_open) || has(Mixed::mute) || has(Mixed::power_loss);
    if (!calm(silent ? 18 : 4)) return "it never got quiet";
    if (world_.links() > 1) return std::to_string(world_.links()) + " sessions are left";
    world_.trace().line(world_.now(), "a fresh session");
  }
  world_.cut_all();
  if (!calm(4)) return "it never got quiet in a fresh session";
  std::string wrong = disagreement(world_);
  if (!wrong.empty()) return wrong;
  give_up();
  if (!calm(3)) return "it never got quiet after the cancels";
  give_up();  // what was held back until others had ended
  world_.cut_all();
  if (!calm(2)) return "it never got quiet in the last session";
  return difference_at_the_end(world_);
}

void Schedule::give_up() {
  world_.trace().line(world_.now(), "the users give up what is open");
  for (std::uint64_t i = 1; i <= offers_; ++i) {
    const std::size_t first = dice_.below(2);
    if (!world_.cancel(first, offer_id(i), "cancelled") || dice_.one_in(4))
      world_.cancel(1 - first, offer_id(i), "cancelled");
  }
}

}  // namespace peer::sim
