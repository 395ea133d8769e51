#include "world.hpp"

#include <algorithm>
#include <span>

#include "protocol/errors.hpp"

namespace peer::sim {
namespace {

ManifestDigest digest_of(const OfferId& id) {
  ManifestDigest digest;
  std::copy(id.bytes.begin(), id.bytes.end(), digest.bytes.begin());
  return digest;
}

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

OfferId offer_id(std::uint64_t number) {
  OfferId id;
  for (std::size_t i = 0; i < 8; ++i) id.bytes[i] = static_cast<std::byte>(number >> (8 * i));
  return id;
}

// ---- a party

void Party::give(std::uint64_t number, Time now) {
  GivenOffer given;
  given.offer.id = offer_id(number);
  given.offer.files = 1;
  given.offer.bytes = kStreamBytes;
  given.offer.manifest_bytes = kManifestBytes;
  given.offer.manifest = digest_of(given.offer.id);
  given.expires_at = now + std::chrono::hours(1000);
  ledger.give(given);
}

void Party::ended(const OfferId& id) {
  const auto how = ledger.find_ended(id);
  if (!how) {
    trouble += "an event says that " + id.text() + " ended, the ledger does not; ";
    return;
  }
  ends[id].push_back(how->outcome);
}

void Party::happened(const Event& event, Conversation& talk) {
  std::visit(
      Overloaded{
          [&](const Offered& e) {
            if (e.repeated) return;
            once.insert("offered " + e.offer.id.text());
            taking[e.offer.id].plan = plans[e.offer.id];
          },
          [&](const Accepted& e) {
            if (!e.repeated)
              once.insert("accepted " + e.accept.id.text() + std::to_string(e.accept.round));
          },
          [&](const Finished& e) {
            if (!e.repeated)
              once.insert("finished " + e.done.id.text() + std::to_string(e.done.round));
            if (e.done.complete) ended(e.done.id);
          },
          [&](const Rejected& e) { ended(e.reject.id); },
          [&](const Cancelled& e) { ended(e.cancel.id); }, [&](const Settled& e) { ended(e.id); },
          [&](const Troubled& e) {
            if (e.trouble.fatal) return;
            const bool about_want = e.trouble.code == "bad_state" && e.trouble.about == "want";
            auto& noted = about_want ? overtaken : trouble;
            noted += e.trouble.code + " " + e.trouble.text + "; ";
          },
          [&](const Over& e) {
            const bool expected = e.error.code == std::errc::connection_reset ||
                                  e.error.code == Errc::replaced || e.error.code == Errc::timed_out;
            if (!expected) trouble += "over: " + e.error.text() + "; ";
          },
          [&](const DataComing& e) {
            if (talk.payload_left() == 0) arrived(e.data);
          },
          [](const auto&) {}},
      event);
}

void Party::arrived(const Data& data) {
  const auto it = taking.find(data.id);
  if (it == taking.end()) return;
  auto& lacking = data.of == Of::manifest ? it->second.manifest_lacking : it->second.lacking;
  lacking.remove(Range{data.offset, data.offset + data.length});
}

void Party::accept(const OfferId& id) {
  Accept accept;
  accept.id = id;
  accept.manifest = digest_of(id);
  if (!ledger.accept(accept)) trouble += "cannot accept; ";
}

bool Party::decide() {
  bool some = false;
  std::vector<OfferId> ids;
  for (const auto& [id, offer] : ledger.taken()) ids.push_back(id);
  for (const OfferId& id : ids) some = decide(id, taking[id]) || some;
  return some;
}

bool Party::decide(const OfferId& id, Taking& mine) {
  const TakenOffer& offer = *ledger.find_taken(id);
  const bool halves = mine.plan == Plan::half_then_rest || mine.plan == Plan::half_rest_early ||
                      mine.plan == Plan::half_then_cancel || mine.plan == Plan::half_only;
  const bool first_half_lacks = mine.lacking.intersects(Range{0, kHalfBytes});
  using State = TakenOffer::State;
  if (offer.state == State::open && offer.round == 0) {
    if (!mine.manifest_lacking.empty() || mine.plan == Plan::ignore) return false;
    if (mine.plan == Plan::reject)
      (void)ledger.reject(Reject{id, "declined", ""});
    else if (mine.plan == Plan::cancel)
      (void)ledger.cancel(Cancel{id, "cancelled", ""});
    else
      accept(id);
    return true;
  }
  if (offer.state == State::accepted) {
    if (mine.plan == Plan::accept_then_cancel && !first_half_lacks)
      return static_cast<bool>(ledger.cancel(Cancel{id, "cancelled", ""}));
    const bool first_round = halves && offer.round == 1;
    if (first_round ? first_half_lacks : !mine.lacking.empty()) return false;
    Done done;
    done.id = id;
    done.files = 1;
    done.complete = !first_round;
    if (!ledger.finish(done)) trouble += "cannot finish; ";
    return true;
  }
  const bool part_done = halves && offer.round == 1;
  if (offer.state == State::finishing && mine.plan == Plan::half_rest_early && part_done) {
    accept(id);
    return true;
  }
  if (offer.state == State::open && part_done && mine.plan != Plan::half_only) {
    if (mine.plan == Plan::half_then_cancel)
      (void)ledger.cancel(Cancel{id, "cancelled", ""});
    else
      accept(id);
    return true;
  }
  return false;
}

void Party::want(Conversation& talk) {
  if (!talk.theirs() || talk.over()) return;
  for (const auto& [id, offer] : ledger.taken()) {
    const Taking& mine = taking[id];
    const bool accepted = offer.state == TakenOffer::State::accepted;
    const bool listing = offer.state == TakenOffer::State::open && offer.round == 0;
    if (!accepted && !listing) continue;
    const Of of = accepted ? Of::stream : Of::manifest;
    if (talk.asked().has_open(id, of)) continue;
    RangeSet lacking = accepted ? mine.lacking : mine.manifest_lacking;
    const bool half = accepted && offer.round == 1 &&
                      (mine.plan == Plan::half_then_rest || mine.plan == Plan::half_rest_early ||
                       mine.plan == Plan::half_then_cancel || mine.plan == Plan::half_only);
    if (half) lacking = lacking.intersection(Range{0, kHalfBytes});
    while (const auto piece = lacking.take_front(kPieceBytes, 1))
      if (talk.asked().room(piece->length()))
        talk.want(Want{id, of, piece->begin, piece->length()});
  }
}

std::string Party::serve(Conversation& talk) {
  const auto want = talk.over() ? std::nullopt : talk.served().next();
  if (!want) return {};
  Data data;
  data.id = want->id;
  data.of = want->of;
  data.offset = want->offset;
  data.length = std::min(want->length, kSimBlockBytes);
  data.digest.emplace();
  std::string out = talk.take_output() + talk.data_header(data);
  out.append(data.length, 'x');
  return out;
}

// ---- the world

World::World() {
  for (auto& party : parties_) party.instance.bytes[0] = static_cast<std::byte>(++instances_);
}

void World::dial(std::size_t side) {
  two_at_once_ = two_at_once_ || !links_.empty();
  auto& link = links_.emplace_back();
  for (std::size_t i = 0; i < 2; ++i) {
    Hello hello;
    hello.agent = "sim";
    hello.instance = parties_[i].instance;
    hello.dial = i == side ? ++parties_[i].dials : 0;
    link.ends[i].talk = std::make_unique<Conversation>(parties_[i].ledger, hello, now_);
  }
  for (std::size_t i = 0; i < 2; ++i) take(links_.size() - 1, i);
}

/// Events and output of one end.
void World::take(std::size_t link, std::size_t side) {
  auto& end = links_[link].ends[side];
  if (!end.talk) return;
  for (const auto& event : end.talk->take_events()) {
    if (const auto* coming = std::get_if<DataComing>(&event)) end.coming = coming->data;
    parties_[side].happened(event, *end.talk);
  }
  end.sent += end.talk->take_output();
}

void World::cut(std::size_t link) {
  for (std::size_t side = 0; side < 2; ++side) cut_at(link, side);
  remove_dead();
}

void World::cut_at(std::size_t link, std::size_t side) {
  auto& end = links_[link].ends[side];
  if (!end.talk) return;
  end.talk->disconnected(Error(std::make_error_code(std::errc::connection_reset)));
  take(link, side);
  end.talk.reset();
  end.sent.clear();
}

void World::cut_all() {
  while (!links_.empty()) cut(links_.size() - 1);
}

void World::remove_dead() {
  std::erase_if(links_, [](const Link& link) { return !link.ends[0].talk && !link.ends[1].talk; });
}

void World::restart(std::size_t side) {
  parties_[side].instance.bytes[0] = static_cast<std::byte>(++instances_);
  parties_[side].instance.bytes[1] = static_cast<std::byte>(instances_ >> 8);
  parties_[side].dials = 0;
  for (auto& link : links_) {
    link.ends[side].talk.reset();
    link.ends[side].sent.clear();
  }
  remove_dead();
}

std::size_t World::deliver(std::size_t link, std::size_t side, std::size_t bytes) {
  auto& from = links_[link].ends[side];
  auto& to = links_[link].ends[1 - side];
  const std::size_t count = std::min(bytes, from.sent.size());
  const std::string moved = from.sent.substr(0, count);
  from.sent.erase(0, count);
  if (!to.talk) return count;
  delivered_ += count;
  auto rest = std::as_bytes(std::span(moved));
  while (!rest.empty()) {
    if (to.talk->payload_left() > 0) {
      const auto part = std::min<std::uint64_t>(to.talk->payload_left(), rest.size());
      to.talk->payload_passed(part, now_);
      rest = rest.subspan(static_cast<std::size_t>(part));
      if (to.talk->payload_left() == 0 && std::exchange(to.coming_wanted, false))
        parties_[1 - side].arrived(to.coming);
      continue;
    }
    rest = rest.subspan(to.talk->received(rest, now_));
    to.coming_wanted = to.talk->payload_left() > 0 && to.talk->payload_wanted();
    take(link, 1 - side);
  }
  if (to.talk->over()) {
    to.talk.reset();
    remove_dead();
  }
  return count;
}

void World::serve(std::size_t side) {
  for (auto& link : links_) {
    auto& end = link.ends[side];
    if (end.talk) end.sent += parties_[side].serve(*end.talk);
  }
}

bool World::decide(std::size_t side) {
  const bool some = parties_[side].decide();
  if (some) sync(side);
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (!links_[i].ends[side].talk) continue;
    parties_[side].want(*links_[i].ends[side].talk);
    take(i, side);
    if (links_[i].ends[side].talk->theirs()) break;  // wants go one way only
  }
  return some;
}

void World::sync(std::size_t side) {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (!links_[i].ends[side].talk) continue;
    links_[i].ends[side].talk->sync(now_);
    take(i, side);
  }
}

void World::cancel(std::size_t side, const OfferId& id, const char* reason) {
  if (parties_[side].ledger.cancel(Cancel{id, reason, ""})) sync(side);
}

void World::close_losers(std::size_t side) {
  const auto key = [&](const Conversation& talk) {
    const bool we_dialled = talk.ours().dial > 0;
    return SessionKey{talk.ours().instance, talk.theirs()->instance, we_dialled,
                      we_dialled ? talk.ours().dial : talk.theirs()->dial};
  };
  std::vector<std::size_t> greeted;
  for (std::size_t i = 0; i < links_.size(); ++i)
    if (links_[i].ends[side].talk && links_[i].ends[side].talk->theirs()) greeted.push_back(i);
  for (std::size_t i = 0; i + 1 < greeted.size(); ++i) {
    const auto keep = which_stays(key(*links_[greeted[i]].ends[side].talk),
                                  key(*links_[greeted[i + 1]].ends[side].talk), side == 0);
    const bool crossed = keep == Keep::the_old_if_it_answers || keep == Keep::the_new_if_it_answers;
    if (crossed && side != 0) continue;
    const bool old_stays = keep == Keep::the_old || keep == Keep::the_old_if_it_answers;
    const std::size_t loser = greeted[old_stays ? i + 1 : i];
    links_[loser].ends[side].talk->leave(Errc::replaced);
    take(loser, side);
    links_[loser].ends[side].talk.reset();  // what it said last is still on the way
    return;
  }
}

void World::pass_time(std::chrono::seconds time) {
  now_ += time;
  for (std::size_t i = 0; i < links_.size(); ++i)
    for (std::size_t side = 0; side < 2; ++side) {
      auto& talk = links_[i].ends[side].talk;
      if (!talk) continue;
      talk->timed_out(now_);
      take(i, side);
      if (talk->over()) talk.reset();
    }
  remove_dead();
}

bool World::quiet() const {
  return std::all_of(links_.begin(), links_.end(), [](const Link& link) {
    return std::all_of(link.ends.begin(), link.ends.end(), [](const Link::End& end) {
      return end.sent.empty() && (!end.talk || end.talk->served().empty());
    });
  });
}

bool World::run(std::size_t limit, std::size_t chunk, std::size_t first) {
  const std::size_t stop = delivered_ + limit;
  std::size_t idle = 0;
  while (delivered_ < stop) {
    const bool was_quiet = quiet();
    for (const std::size_t side : {first, 1 - first}) {
      for (std::size_t i = 0; i < links_.size(); ++i)
        deliver(i, side, std::min(chunk, stop - delivered_));
      if (delivered_ >= stop) return quiet();
      serve(side);
      const bool decided = decide(side);
      if (decided || !was_quiet) idle = 0;
    }
    if (quiet() && ++idle > 3) return true;
  }
  return quiet();
}

std::string World::disagreement() const {
  std::string wrong = parties_[0].trouble + parties_[1].trouble;
  if (!two_at_once_) wrong += parties_[0].overtaken + parties_[1].overtaken;
  for (std::size_t side = 0; side < 2; ++side) {
    const Party& party = parties_[side];
    const Ledger& other = parties_[1 - side].ledger;
    if (!party.ledger.given().empty()) wrong += "something given is still open; ";
    if (!party.ledger.taken().empty()) wrong += "something taken is still open; ";
    for (const auto& [id, outcomes] : party.ends) {
      if (outcomes.size() != 1) wrong += id.text() + " ended more than once; ";
      const auto there = other.find_ended(id);
      if (there && there->outcome != outcomes.front())
        wrong += id.text() + " ended " + std::string(to_string(outcomes.front())) + " here, " +
                 std::string(to_string(there->outcome)) + " there; ";
      const auto how = party.ledger.find_ended(id);
      const auto mine = party.taking.find(id);
      const bool taken = how && how->direction == Direction::taken;
      if (taken && how->outcome == Outcome::done && !mine->second.lacking.empty())
        wrong += id.text() + " is done and lacks bytes; ";
    }
    for (const auto& what : party.once)
      if (party.once.count(what) > 1) wrong += what + " twice; ";
  }
  return wrong;
}

}  // namespace peer::sim
