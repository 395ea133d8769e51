#include <algorithm>
#include <utility>

#include "protocol/errors.hpp"
#include "protocol/frame.hpp"
#include "world.hpp"

/// What the two programs and their users do.
namespace peer::sim {

void World::restart(std::size_t side, Ending how, bool ask_again) {
  constexpr const char* kHow[] = {" leaves", " is killed", " loses its power"};
  Party& party = parties_[side];
  trace_.line(now_, name_of(side) + std::string(kHow[static_cast<std::size_t>(how)]) + ", " +
                        std::to_string(party.disk.unsaved()) + " rows unsaved");
  if (how == Ending::leaves) party.disk.write_all();
  for (auto& link : links_) {
    auto& here = link->ends[side];
    if (!here.talk) continue;
    if (how == Ending::leaves) {
      here.talk->leave(Errc::leaving);
      const auto out = here.talk->take_output();
      said(*link, side, out);
      here.sent += out;
    }
    here.talk.reset();
    here.coming.reset();
    here.bytes.clear();
    here.checks.clear();
    here.closes = how != Ending::power;
    if (how == Ending::power) here.sent.clear();
  }
  std::erase_if(duels_, [&](const Duel& duel) { return duel.side == side; });
  // What it wanted and had not written is wanted again.
  for (const auto& [id, record] : party.records) party.may_come_again[id] += kStreamBytes;
  party.instance.bytes[0] = static_cast<std::byte>(++instances_);
  party.instance.bytes[1] = static_cast<std::byte>(instances_ >> 8);
  party.restart(how == Ending::power, ask_again, now_);
  remove_dead();
}

bool World::serve(std::size_t side) {
  bool some = false;
  for (auto& link : links_) {
    auto& here = link->ends[side];
    if (!here.talk) continue;
    if (!here.checks.empty()) {
      const Check check = here.checks.front();
      here.checks.pop_front();
      const auto it = parties_[side].changed.find(check.id);
      const bool same = it == parties_[side].changed.end() ||
                        kFiles[it->second].end <= check.offset ||
                        check.offset + check.length <= kFiles[it->second].begin;
      here.talk->check_answer(check.id, Range{check.offset, check.offset + check.length}, same);
      take(*link, side);
      some = true;
      if (!here.talk) continue;
    }
    take(*link, side);
    std::string out;
    if (!here.talk || !parties_[side].serve(*here.talk, out)) continue;
    some = true;
    said(*link, side, out);
    here.sent += out;
    take(*link, side);
  }
  return some;
}

bool World::decide(std::size_t side) {
  Party& party = parties_[side];
  const bool some = party.decide();
  if (some) sync(side);
  if (auto* talk = current(side)) {
    party.want(*talk, party.current, now_);
    take(*find(party.current), side);
  }
  return some;
}

void World::sync(std::size_t side) {
  auto* talk = current(side);
  if (!talk) return;
  talk->sync(now_);
  take(*find(parties_[side].current), side);
}

bool World::cancel(std::size_t side, const OfferId& id, const char* reason) {
  if (!parties_[side].cancel(id, reason)) return false;
  trace_.line(now_, std::string(name_of(side)) + " cancels #" + std::to_string(number_of(id)));
  sync(side);
  return true;
}

void World::give(std::size_t side, std::uint64_t number, std::chrono::seconds keep,
                 std::optional<RequestId> get) {
  trace_.line(now_, std::string(name_of(side)) + " offers #" + std::to_string(number));
  parties_[side].give(number, now_, keep, get);
  sync(side);
}

void World::offer_again(std::size_t side, const OfferId& id) {
  const auto* given = parties_[side].ledger.find_given(id);
  auto* talk = current(side);
  // One that is held back is not said.
  if (!parties_[1 - side].ledger.find_taken(id)) return;
  if (!given || given->state == GivenOffer::State::cancelling || !talk || !talk->theirs()) return;
  take(*find(parties_[side].current), side);
  auto* here = alive(parties_[side].current, side);
  if (!here) return;
  Offer offer = given->offer;
  offer.expires = static_cast<std::uint64_t>(
      std::max<std::int64_t>((given->expires_at - now_) / std::chrono::seconds(1), 1));
  const auto out = frame(offer);
  said(*find(parties_[side].current), side, out);
  here->sent += out;
}

void World::ask(std::size_t side, const RequestId& request) {
  Get get;
  get.request = request;
  get.paths.push_back(*RelativePath::parse("share/file"));
  parties_[side].ledger.ask(get);
  sync(side);
}

void World::list(std::size_t side, const RequestId& request) {
  auto* talk = current(side);
  if (!talk || !talk->theirs()) return;
  List list;
  list.request = request;
  talk->list(list);
  take(*find(parties_[side].current), side);
}

void World::answer_get(std::size_t side, const RequestId& request, std::uint64_t number) {
  Party& party = parties_[side];
  party.gets_asked.erase(request);
  if (number > 0 && party.gets_answered.insert(request).second)
    return give(side, number, std::chrono::hours(1000), request);
  auto* talk = current(side);
  if (!talk || !talk->theirs()) return;
  Trouble refusal;
  refusal.code = wire_code(number > 0 ? Errc::unknown_offer : Errc::not_shared);
  refusal.request = request;
  refusal.about = "get";
  talk->trouble(refusal);
  take(*find(party.current), side);
}

void World::no_space(std::size_t side, const OfferId& id) {
  Party& party = parties_[side];
  const auto it = party.records.find(id);
  auto* talk = current(side);
  if (it == party.records.end() || !it->second.taking || !talk || !talk->theirs()) return;
  it->second.no_space = true;
  Trouble full;
  full.code = wire_code(Errc::no_space);
  full.id = id;
  full.missing = 7;
  talk->trouble(full);
  take(*find(party.current), side);
}

bool World::quiet() const {
  return std::ranges::all_of(links_, [](const auto& link) {
    return std::ranges::all_of(link->ends, [](const Link::End& here) {
      return (here.sent.empty() || here.mute) && (!here.closes || here.mute) &&
             (!here.talk || (here.talk->served().empty() && here.checks.empty()));
    });
  });
}

bool World::run(std::size_t limit, std::size_t chunk, std::size_t first) {
  const std::size_t stop = delivered_ + limit;
  std::size_t idle = 0;
  while (delivered_ < stop) {
    const bool was_quiet = quiet();
    for (const std::size_t side : {first, 1 - first}) {
      // A connection may vanish by what is delivered on one before it.
      for (std::size_t i = links_.size(); i-- > 0;)
        if (i < links_.size()) deliver(i, side, std::min(chunk, stop - delivered_));
      if (delivered_ >= stop) return quiet();
      serve(side);
      if (decide(side) || !was_quiet) idle = 0;
    }
    if (quiet() && ++idle > 3) return true;
  }
  return quiet();
}

}  // namespace peer::sim
