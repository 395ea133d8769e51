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

void PairingDoor::close(const std::shared_ptr<Invite>& invite, Invite::End end) {
  if (!stands(invite)) return;
  invite_->end = end;
  invite_.reset();
  services_.invite_slot.reset();
  slot_changed();
  services_.changed.notify_all();
}

asio::awaitable<void> PairingDoor::visit(std::unique_ptr<net::TlsStream> stream,
                                         protocol::Pair pair, std::string rest) {
  const auto told_at = steady_clock::now() + protocol::kPairingFailure;
  PairingLine line(std::move(stream), std::move(rest));
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
  auto said = co_await line.say(std::move(last), steady_clock::now() + kPairingLastWord);
  if (said) line.stream().close();
}

/// One at a time.
asio::awaitable<bool> PairingDoor::come_in(PairingLine& line, std::shared_ptr<Invite> invite,
                                           protocol::Pair pair) {
  if (!stands(invite) || invite->busy || pair.version != protocol::kPairingVersion) co_return false;
  if (steady_clock::now() >= invite->until) co_return false;
  invite->busy = true;
  const std::shared_ptr<void> out(nullptr, [this, invite](void*) {
    invite->busy = false;
    services_.changed.notify_all();
  });
  invite->id = line.stream().peer_id();
  invite->address = line.stream().remote();
  invite->was_contact = contacts_.is_contact(invite->id);
  const bool good = co_await prove(line, invite, std::move(pair));
  co_return good;
}

/// Whether the other side has proven that it knows the code, and all has been said. Who goes away
/// without having tried it has learnt nothing and spoils nothing.
asio::awaitable<bool> PairingDoor::prove(PairingLine& line, std::shared_ptr<Invite> invite,
                                         protocol::Pair pair) {
  const auto until = steady_clock::now() + protocol::kPairingTime;
  const auto exporter =
      line.stream().export_key(trust::kPairingExporterLabel, trust::kPairingExporterBytes);
  auto make = [code = invite->code, joiner = invite->id, inviter = services_.identity->id(),
               exporter] {
    return std::make_unique<Pairing>(Pairing::Role::inviter, code, joiner, inviter,
                                     std::as_bytes(std::span(exporter)));
  };
  auto pairing = co_await async::run_on(services_.disk, std::move(make));
  if (!stands(invite)) co_return false;
  if (!pairing->take_share(pair.share)) {
    close(invite, Invite::End::refused);
    co_return false;
  }
  protocol::Pair ours;
  ours.share = pairing->share();
  protocol::Message share = std::move(ours);
  auto said = co_await line.say(std::move(share), until);
  std::optional<Result<protocol::Message>> heard;
  if (said) {
    auto next = co_await line.hear(until);
    heard.emplace(std::move(next));
  }
  if (!stands(invite)) co_return false;
  const bool answered = heard && *heard;
  const auto* confirm = answered ? std::get_if<protocol::Confirm>(&**heard) : nullptr;
  if (!confirm) {
    ++invite->left;
    co_return false;
  }
  if (!pairing->check(confirm->mac)) {
    close(invite, Invite::End::refused);
    co_return false;
  }
  auto mac = pairing->confirmation();
  co_await finish(line, invite, std::move(mac), until);
  co_return true;
}

/// The code was proven, and is used up, however this ends. The other side is a contact here only
/// once it has said that this peer has proven the code to it.
asio::awaitable<void> PairingDoor::finish(PairingLine& line, std::shared_ptr<Invite> invite,
                                          std::string mac, steady_clock::time_point until) {
  auto end = Invite::End::cut;
  const std::shared_ptr<void> over(nullptr, [&](void*) { close(invite, end); });
  protocol::Confirm ours;
  ours.mac = std::move(mac);
  ours.name = services_.settings.name;
  ours.port = port();
  protocol::Message confirm = std::move(ours);
  auto said = co_await line.say(std::move(confirm), until);
  if (!said) co_return;
  auto heard = co_await line.hear(until);
  const auto* paired = heard ? std::get_if<protocol::Paired>(&*heard) : nullptr;
  if (!paired) co_return;
  Proven proven;
  proven.id = invite->id;
  proven.calls_itself = paired->name;
  proven.listens_at = listens_at(invite->address, paired->port);
  auto name = invite->name;
  co_await keep_proven(contacts_, std::move(proven), std::move(name));
  end = Invite::End::paired;
  line.stream().close();
}

}  // namespace peer::node
