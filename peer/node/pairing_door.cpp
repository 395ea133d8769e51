#include "node/pairing_door.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "async/run_on.hpp"
#include "async/sleep.hpp"
#include "node/pairing_contact.hpp"

namespace peer::node {

using std::chrono::steady_clock;
using trust::Pairing;

namespace {

constexpr std::size_t kMaxRefused = 32;  ///< told at a time; others are closed without a word
constexpr int kSlotTries = 32;           ///< to find one that nobody nearby shows

bool is_shown(const discovery::Nearby& nearby, unsigned slot) {
  return std::ranges::any_of(nearby.all(), [slot](const auto& peer) { return peer.slot == slot; });
}

}  // namespace

/// One connection in the door, while it is there.
struct PairingDoor::Guest {
  PairingDoor& door;
  PairingLine& line;
  std::shared_ptr<Invite> invite;
  Visitor who;
  std::string network;
  bool awaited = false;  ///< it has our share or is being told it, and has not answered
  bool out = false;      ///< it was turned out, and goes
  std::list<Guest*>::iterator place;

  Guest(PairingDoor& d, PairingLine& l, std::shared_ptr<Invite> i)
      : door(d), line(l), invite(std::move(i)), network(line.stream().remote_network()) {
    who.id = line.stream().peer_id();
    who.address = line.stream().remote();
    who.was_contact = door.contacts_.is_contact(who.id);
    place = door.guests_.insert(door.guests_.end(), this);
    ++invite->inside;
  }
  ~Guest() {
    door.guests_.erase(place);
    --invite->inside;
    door.services_.changed.notify_all();
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  void await() {
    awaited = true;
    door.guests_.splice(door.guests_.end(), door.guests_, place);
  }
  /// Whatever it waits for ends, now or as soon as it is waited for.
  void turn_out() {
    awaited = false;
    out = true;
    line.give(std::chrono::seconds(0));
  }
};

std::shared_ptr<Invite> PairingDoor::open(std::chrono::seconds how_long, std::string name) {
  invite_ = std::make_shared<Invite>();
  invite_->code = trust::make_pairing_code();
  for (int tries = 1; tries < kSlotTries && is_shown(services_.nearby, invite_->code.slot); ++tries)
    invite_->code = trust::make_pairing_code();
  invite_->name = std::move(name);
  invite_->until = steady_clock::now() + how_long;
  services_.invite_slot = invite_->code.slot;
  slot_changed();
  return invite_;
}

void PairingDoor::close(const std::shared_ptr<Invite>& invite) {
  if (invite->end != Invite::End::open) return;
  invite->end = Invite::End::closed;
  shut(invite, nullptr);
  services_.changed.notify_all();
}

/// Nobody else comes in, and who is inside has come too late, `but` one.
void PairingDoor::shut(const std::shared_ptr<Invite>& invite, const Guest* but) {
  for (Guest* guest : guests_)
    if (guest != but && guest->invite == invite) guest->turn_out();
  if (!stands(invite)) return;
  invite_.reset();
  services_.invite_slot.reset();
  slot_changed();
}

/// It tried the code, and did not have it.
void PairingDoor::refuse(Guest& guest) {
  guest.invite->end = Invite::End::refused;
  guest.invite->last = guest.who;
  shut(guest.invite, &guest);
}

/// For one more visitor from there. Whoever is awaited for the longest time goes for it; who waits
/// for this peer's own reckoning never does, which bounds how much of that is done at once.
bool PairingDoor::make_room(const std::string& network) {
  std::size_t all = 0, from_there = 0;
  for (const Guest* one : guests_) {
    if (one->out) continue;
    ++all;
    if (one->network == network) ++from_there;
  }
  const bool crowded = from_there >= kMaxVisitorsPerAddress;
  if (!crowded && all < kMaxVisitors) return true;
  const auto longest = std::ranges::find_if(guests_, [&](const Guest* one) {
    return one->awaited && (!crowded || one->network == network);
  });
  if (longest == guests_.end()) return false;
  (*longest)->turn_out();
  return true;
}

asio::awaitable<void> PairingDoor::visit(std::unique_ptr<net::TlsStream> stream,
                                         protocol::Pair pair, std::string rest) {
  const auto told_at = steady_clock::now() + protocol::kPairingFailure;
  PairingLine line(services_.io.get_executor(), std::move(stream), std::move(rest));
  const auto invite = invite_;
  const bool good = co_await come_in(line, invite, std::move(pair));
  if (good || refused_ >= kMaxRefused) co_return;
  ++refused_;
  const std::shared_ptr<void> told(nullptr, [this](void*) { --refused_; });
  co_await async::sleep(told_at - steady_clock::now());
  protocol::Trouble trouble;
  trouble.code = protocol::wire_code(protocol::Errc::pairing_failed);
  trouble.text = protocol::make_error_code(protocol::Errc::pairing_failed).message();
  trouble.fatal = true;
  protocol::Message last = std::move(trouble);
  line.give(kPairingLastWord);
  auto said = co_await line.say(std::move(last));
  if (said) line.stream().close();
}

asio::awaitable<bool> PairingDoor::come_in(PairingLine& line, std::shared_ptr<Invite> invite,
                                           protocol::Pair pair) {
  if (!stands(invite) || pair.version != protocol::kPairingVersion) co_return false;
  if (steady_clock::now() >= invite->until) co_return false;
  if (!make_room(line.stream().remote_network())) co_return false;
  Guest guest(*this, line, invite);
  const bool good = co_await prove(guest, std::move(pair));
  co_return good;
}

/// Whether the other side has proven that it knows the code, and all has been said. Who goes away
/// without having tried it has learnt nothing and spoils nothing.
asio::awaitable<bool> PairingDoor::prove(Guest& guest, protocol::Pair pair) {
  const auto invite = guest.invite;
  const auto exporter =
      guest.line.stream().export_key(trust::kPairingExporterLabel, trust::kPairingExporterBytes);
  auto make = [code = invite->code, joiner = guest.who.id, inviter = services_.identity->id(),
               exporter] {
    return std::make_unique<Pairing>(Pairing::Role::inviter, code, joiner, inviter,
                                     std::as_bytes(std::span(exporter)));
  };
  auto pairing = co_await async::run_on(services_.disk, std::move(make));
  if (!stands(invite)) co_return false;
  if (!pairing->take_share(pair.share)) {
    refuse(guest);
    co_return false;
  }
  guest.await();
  protocol::Message share = protocol::Pair{protocol::kPairingVersion, pairing->share()};
  auto said = co_await guest.line.say(std::move(share));
  std::optional<Result<protocol::Message>> heard;
  if (said) {
    auto next = co_await guest.line.hear();
    heard.emplace(std::move(next));
  }
  guest.awaited = false;
  if (!stands(invite)) co_return false;
  const bool answered = heard && *heard;
  const auto* confirm = answered ? std::get_if<protocol::Confirm>(&**heard) : nullptr;
  if (!confirm) {
    if (invite->left.size() < kLeaversTold) invite->left.push_back(guest.who);
    co_return false;
  }
  if (!pairing->check(confirm->mac)) {
    refuse(guest);
    co_return false;
  }
  shut(invite, &guest);
  auto mac = pairing->confirmation();
  co_await finish(guest, std::move(mac));
  co_return true;
}

/// The code was proven, and is used up, however this ends. The other side is a contact here only
/// once it has said that this peer has proven the code to it, and not if the holder closed the
/// door before.
asio::awaitable<void> PairingDoor::finish(Guest& guest, std::string mac) {
  using End = Invite::End;
  const auto invite = guest.invite;
  invite->last = guest.who;
  const std::shared_ptr<void> over(nullptr, [&](void*) {
    if (invite->end == End::open || invite->end == End::keeping) invite->end = End::cut;
  });
  protocol::Confirm ours;
  ours.mac = std::move(mac);
  ours.name = services_.settings.name;
  ours.port = port();
  protocol::Message confirm = std::move(ours);
  auto said = co_await guest.line.say(std::move(confirm));
  if (!said) co_return;
  auto heard = co_await guest.line.hear();
  const auto* paired = heard ? std::get_if<protocol::Paired>(&*heard) : nullptr;
  if (!paired || invite->end != End::open) co_return;
  invite->end = End::keeping;
  Proven proven;
  proven.id = guest.who.id;
  proven.calls_itself = paired->name;
  proven.listens_at = listens_at(guest.who.address, paired->port);
  auto name = invite->name;
  co_await keep_proven(contacts_, std::move(proven), std::move(name));
  invite->end = End::paired;
  guest.line.stream().close();
}

}  // namespace peer::node
