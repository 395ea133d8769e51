#include "world.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "protocol/errors.hpp"
#include "protocol/precedence.hpp"

namespace peer::sim {

namespace {

SessionKey key_of(const Conversation& talk) {
  const bool we_dialled = talk.ours().dial > 0;
  return SessionKey{talk.ours().instance, talk.theirs()->instance, we_dialled,
                    we_dialled ? talk.ours().dial : talk.theirs()->dial};
}

}  // namespace

World::World(bool traced) : trace_(traced) {
  for (auto& party : parties_) party.instance.bytes[0] = static_cast<std::byte>(++instances_);
}

Link* World::find(std::uint64_t number) {
  for (auto& link : links_)
    if (link->number == number) return link.get();
  return nullptr;
}

/// Null once it is gone or over.
Link::End* World::alive(std::uint64_t number, std::size_t side) {
  Link* link = number == 0 ? nullptr : find(number);
  if (!link) return nullptr;
  auto& end = link->ends[side];
  return end.talk && !end.talk->over() ? &end : nullptr;
}

Conversation* World::current(std::size_t side) {
  auto* end = alive(parties_[side].current, side);
  return end ? end->talk.get() : nullptr;
}

void World::said(const Link& link, std::size_t side, std::string_view bytes) {
  if (trace_)
    trace_.messages(now_, std::string(name_of(side)) + " on " + std::to_string(link.number) + ":",
                    bytes);
}

// ---- the network

void World::dial(std::size_t side) {
  two_at_once_ = two_at_once_ || !links_.empty();
  links_.push_back(std::make_unique<Link>());
  Link& link = *links_.back();
  link.number = ++numbers_;
  trace_.line(now_, std::string(name_of(side)) + " dials " + std::to_string(link.number));
  for (std::size_t i = 0; i < 2; ++i) {
    Hello hello;
    hello.agent = "sim";
    hello.instance = parties_[i].instance;
    hello.dial = i == side ? ++parties_[i].dials : 0;
    hello.features = parties_[i].features;
    hello.limits = parties_[i].limits;
    link.ends[i].talk = std::make_unique<Conversation>(parties_[i].ledger, hello, now_);
  }
  for (std::size_t i = 0; i < 2; ++i) take(link, i);
}

/// Events and output of one end.
void World::take(Link& link, std::size_t side) {
  auto& here = link.ends[side];
  if (!here.talk) return;
  Party& party = parties_[side];
  ++here.taking;
  for (bool more = true; more;) {
    auto events = here.talk->take_events();
    more = !events.empty();
    for (const auto& event : events) {
      if (const auto* coming = std::get_if<DataComing>(&event)) {
        if (coming->data.zeros())
          party.arrived(coming->data, {}, *here.talk, party.current == link.number);
        else
          here.coming = coming->data;
      } else if (const auto* checked = std::get_if<Checked>(&event)) {
        here.checks.push_back(checked->check);
      }
      party.happened(event, *here.talk, now_);
      if (std::holds_alternative<Greeted>(event)) greeted(link, side);
    }
  }
  if (!party.turned_away.empty()) {
    const auto ids = std::exchange(party.turned_away, {});
    sync(side);
    for (const OfferId& id : ids) {
      party.ledger.end(id, Outcome::rejected);
      party.ledger.forget_ended(id);
    }
  }
  const auto out = here.talk->take_output();
  said(link, side, out);
  here.sent += out;
  const auto& asked = here.talk->asked();
  if (asked.open_count() > kMaxOpenWants) party.trouble += "too many open wants; ";
  if (--here.taking == 0 && here.talk->over()) end(link, side, true);
}

/// `told`: the other side sees the end behind what was sent.
void World::end(Link& link, std::size_t side, bool told) {
  auto& here = link.ends[side];
  if (!here.talk) return;
  Party& party = parties_[side];
  trace_.line(now_, std::string(name_of(side)) + " has lost " + std::to_string(link.number));
  auto unanswered = here.talk->asked().open();
  if (here.coming)
    unanswered.push_back(
        Want{here.coming->id, here.coming->of, here.coming->offset, here.coming->length});
  here.talk.reset();
  here.coming.reset();
  here.checks.clear();
  here.closes = told;
  if (!told) here.sent.clear();
  if (party.current == link.number) {
    party.current = 0;
    for (auto& other : links_) {
      auto& talk = other->ends[side].talk;
      if (talk && talk->theirs() && !talk->over()) party.current = other->number;
    }
    sync(side);
  }
  party.session_ended(unanswered);
}

void World::cut(std::size_t link) {
  for (std::size_t side = 0; side < 2; ++side) {
    auto& talk = links_[link]->ends[side].talk;
    if (!talk) continue;
    talk->disconnected(Error(std::make_error_code(std::errc::connection_reset)));
    take(*links_[link], side);
  }
  links_[link]->ends[0].sent.clear();
  links_[link]->ends[1].sent.clear();
  remove_dead();
}

void World::cut_at(std::size_t link, std::size_t side) {
  auto& here = links_[link]->ends[side];
  if (!here.talk) return;
  here.talk->disconnected(Error(std::make_error_code(std::errc::connection_reset)));
  take(*links_[link], side);
  here.sent.clear();
  here.closes = false;
  remove_dead();
}

void World::cut_all() {
  while (!links_.empty()) cut(links_.size() - 1);
}

void World::mute(std::size_t link, std::size_t side) {
  trace_.line(now_, std::string("what ") + name_of(side) + " says on " +
                        std::to_string(links_[link]->number) + " is lost from now on");
  links_[link]->ends[side].mute = true;
  links_[link]->ends[side].sent.clear();
}

void World::remove_dead() {
  std::erase_if(links_,
                [](const auto& link) { return !link->ends[0].talk && !link->ends[1].talk; });
}

std::size_t World::deliver(std::size_t at, std::size_t side, std::size_t bytes) {
  Link& link = *links_[at];
  auto& from = link.ends[side];
  auto& to = link.ends[1 - side];
  now_ += std::chrono::milliseconds(1);
  if (from.mute) {
    from.sent.clear();
    return 0;
  }
  const std::size_t count = std::min(bytes, from.sent.size());
  if (to.talk && count > 0) {
    const std::string moved = from.sent.substr(0, count);
    delivered_ += count;
    from.sent.erase(0, count);
    feed(link, 1 - side, std::as_bytes(std::span(moved)));
  } else {
    from.sent.erase(0, count);
  }
  if (to.talk && from.closes && from.sent.empty()) {
    to.talk->disconnected(Error(std::make_error_code(std::errc::connection_reset)));
    take(link, 1 - side);
  }
  judge_duels();
  remove_dead();
  return count;
}

void World::feed(Link& link, std::size_t side, std::span<const std::byte> rest) {
  auto& to = link.ends[side];
  Party& party = parties_[side];
  while (!rest.empty() && to.talk) {
    if (to.talk->payload_left() > 0) {
      const auto part =
          static_cast<std::size_t>(std::min<std::uint64_t>(to.talk->payload_left(), rest.size()));
      if (to.coming) to.bytes.append(reinterpret_cast<const char*>(rest.data()), part);
      to.talk->payload_passed(part, now_);
      rest = rest.subspan(part);
      if (to.talk->payload_left() == 0 && to.coming) {
        const Data data = *std::exchange(to.coming, std::nullopt);
        party.arrived(data, std::exchange(to.bytes, {}), *to.talk, party.current == link.number);
        take(link, side);
      }
      continue;
    }
    rest = rest.subspan(to.talk->received(rest, now_));
    take(link, side);
    if (to.talk && to.talk->payload_left() > 0 && to.talk->payload_wanted() != !!to.coming)
      party.trouble += "raw bytes and what announced them differ; ";
  }
}

void World::pass_time(std::chrono::milliseconds time) {
  now_ += time;
  for (std::size_t i = 0; i < links_.size(); ++i)
    for (std::size_t side = 0; side < 2; ++side) {
      auto& talk = links_[i]->ends[side].talk;
      if (!talk) continue;
      talk->timed_out(now_);
      take(*links_[i], side);
    }
  judge_duels();
  for (std::size_t side = 0; side < 2; ++side)
    if (parties_[side].look_after(now_)) sync(side);
  remove_dead();
}

// ---- which session stays

void World::greeted(Link& link, std::size_t side) {
  Party& party = parties_[side];
  auto* old = alive(party.current, side);
  if (!old || party.current == link.number) {
    party.current = link.number;
    return;
  }
  const auto old_number = party.current;
  switch (which_stays(key_of(*old->talk), key_of(*link.ends[side].talk), side == 0)) {
    case Keep::the_old:
      return keep(side, old_number, link.number, false);
    case Keep::the_new:
      return keep(side, link.number, old_number, false);
    case Keep::the_old_if_it_answers:
      duels_.push_back({side, old_number, link.number, now_});
      old->talk->ping();
      break;
    case Keep::the_new_if_it_answers:
      party.current = link.number;
      duels_.push_back({side, link.number, old_number, now_});
      link.ends[side].talk->ping();
      break;
  }
  if (Link* better = find(duels_.back().better); better != &link) take(*better, side);
}

void World::judge_duels() {
  for (std::size_t i = 0; i < duels_.size();) {
    const Duel duel = duels_[i];
    auto* better = alive(duel.better, duel.side);
    auto* other = alive(duel.other, duel.side);
    const bool answered = better && better->talk->heard() > duel.asked;
    if (better && other && !answered && now_ < duel.asked + kCrossedPing) {
      ++i;
      continue;
    }
    duels_.erase(duels_.begin() + static_cast<std::ptrdiff_t>(i));
    const auto now_used = parties_[duel.side].current;
    const bool third =
        alive(now_used, duel.side) && now_used != duel.better && now_used != duel.other;
    if (third && other)
      greeted(*find(duel.other), duel.side);
    else if (answered)
      keep(duel.side, duel.better, duel.other, true);
    else
      keep(duel.side, duel.other, duel.better, true);
  }
}

/// Of crossed ones only the lower ID closes the loser.
void World::keep(std::size_t side, std::uint64_t stays, std::uint64_t goes, bool crossed) {
  if (auto* winner = alive(stays, side)) {
    parties_[side].current = stays;
    winner->talk->sync(now_);
    take(*find(stays), side);
  }
  auto* loser = alive(goes, side);
  if (!loser || (crossed && side != 0)) return;
  loser->talk->leave(Errc::replaced);
  take(*find(goes), side);
}

}  // namespace peer::sim
