#include "node/joining.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "async/run_on.hpp"
#include "async/with_timeout.hpp"
#include "base/text.hpp"
#include "net/dial.hpp"
#include "node/failure.hpp"
#include "node/pairing_contact.hpp"
#include "node/pairing_line.hpp"
#include "node/requests.hpp"
#include "trust/pairing.hpp"

namespace peer::node {

using base::Exit;
using discovery::NearbyPeer;
using std::chrono::steady_clock;
using trust::Pairing;

namespace {

constexpr char kNothingStored[] = " Nothing was stored here.";

std::vector<NearbyPeer> showing(Node& node, unsigned slot) {
  std::vector<NearbyPeer> found;
  for (const auto& peer : node.services.nearby.all())
    if (peer.slot == slot && !node.contacts.is_blocked(peer.id)) found.push_back(peer);
  return found;
}

[[noreturn]] void nobody_shows(Node& node, unsigned slot) {
  if (node.services.invite_slot == slot)
    throw Failure(Exit::unknown,
                  "slot " + std::to_string(slot) +
                      " is this peer's own invite: that code is for another machine to type");
  const std::string deaf = node.saying().asks
                               ? ""
                               : " This peer does not ask the local network (its discovery is off, "
                                 "or it is hidden).";
  throw Failure(Exit::unknown, "nobody nearby shows an open invite with slot " +
                                   std::to_string(slot) + "." + deaf +
                                   " Does 'peer invite' still run there? From another network, or "
                                   "if that machine is not announced: peer join --at ADDRESS, with "
                                   "the address that 'peer invite' shows. The code was not used");
}

/// The stream once the handshake is done, or why there is none.
asio::awaitable<Result<std::unique_ptr<net::TlsStream>>> dial_stream(
    Node& node, trust::Address address, std::chrono::milliseconds limit) {
  auto socket = co_await net::dial(address.host, address.port, limit);
  if (!socket) co_return std::move(socket).error();
  auto stream = std::make_unique<net::TlsStream>(std::move(*socket), *node.services.tls,
                                                 net::TlsStream::Side::client);
  auto shaken = co_await async::with_timeout(stream->handshake(), protocol::kHandshakeTime);
  if (!shaken) co_return std::move(shaken).error();
  co_return std::move(stream);
}

/// One try, as seen from this side; each step throws what went wrong.
class Try {
 public:
  Try(Node& node, Inviter inviter)
      : node_(node),
        where_(std::move(inviter.address)),
        id_(inviter.stream->peer_id()),
        line_(node.services.io.get_executor(), std::move(inviter.stream)) {}

  const protocol::PeerId& id() const { return id_; }
  const std::string& where() const { return where_; }

  asio::awaitable<std::unique_ptr<Pairing>> prepare(trust::PairingCode code) {
    const auto exporter =
        line_.stream().export_key(trust::kPairingExporterLabel, trust::kPairingExporterBytes);
    auto make = [code = std::move(code), exporter, inviter = id_,
                 joiner = node_.services.identity->id()] {
      return std::make_unique<Pairing>(Pairing::Role::joiner, code, joiner, inviter,
                                       std::as_bytes(std::span(exporter)));
    };
    auto pairing = co_await async::run_on(node_.services.disk, std::move(make));
    co_return std::move(pairing);
  }

  asio::awaitable<void> say(protocol::Message message) {
    auto said = co_await line_.say(std::move(message));
    if (!said) broke(said.error());
  }

  template <class Wanted>
  asio::awaitable<Wanted> hear() {
    auto heard = co_await line_.hear();
    if (!heard) broke(heard.error());
    auto* wanted = std::get_if<Wanted>(&*heard);
    if (!wanted) refused(*heard);
    co_return std::move(*wanted);
  }

  /// The other side does not know the code.
  asio::awaitable<void> refuse() {
    protocol::Trouble trouble;
    trouble.code = protocol::wire_code(protocol::Errc::pairing_failed);
    trouble.fatal = true;
    protocol::Message last = std::move(trouble);
    line_.give(kPairingLastWord);
    auto said = co_await line_.say(std::move(last));
    if (said) line_.stream().close();
    throw Failure(Exit::identity, "STOP: " + who() +
                                      " does not know the code: somebody else than the one who "
                                      "invited you answers there." +
                                      kNothingStored +
                                      " A new invite is needed: peer invite, there");
  }

  asio::awaitable<bool> ended() {
    line_.give(kPairingLastWord);
    const bool in_order = co_await line_.ends();
    co_return in_order;
  }

 private:
  std::string who() const { return base::escaped(where_) + " (" + id_.short_text() + ")"; }

  [[noreturn]] void broke(const Error& error) const {
    throw Failure(Exit::failed, "pairing with " + who() + ": the connection broke (" +
                                    base::escaped(error.text()) + ")." + kNothingStored +
                                    " Does 'peer invite' still wait there? Then try again; if not, "
                                    "a new invite is needed");
  }

  [[noreturn]] void refused(const protocol::Message& said) const {
    const auto* trouble = std::get_if<protocol::Trouble>(&said);
    const auto code = trouble ? protocol::from_wire_code(trouble->code) : std::nullopt;
    if (code == protocol::Errc::pairing_failed)
      throw Failure(Exit::identity,
                    "pairing with " + who() +
                        " failed: the code did not match, or no invite is open there any more." +
                        kNothingStored + " If one was open, it is over now; a new one is needed: " +
                        "peer invite, there");
    const std::string said_what =
        trouble ? base::quoted(trouble->text.empty() ? trouble->code : trouble->text)
                : "a message that has no place there";
    throw Failure(Exit::failed, "pairing with " + who() + ": it answered with " + said_what + "." +
                                    kNothingStored +
                                    " The program there may be of a version that cannot pair");
  }

  Node& node_;
  std::string where_;
  protocol::PeerId id_;
  PairingLine line_;
};

}  // namespace

asio::awaitable<std::vector<NearbyPeer>> await_slot(Node& node, Request& request, unsigned slot) {
  co_await hear_nearby(node);
  auto until = steady_clock::now() + kSlotTime;
  const bool hears = node.saying().asks && node.discovery.links() > 0;
  bool shown = false;
  while (hears && !request.stopped() && steady_clock::now() < until) {
    if (!shown && !showing(node, slot).empty()) {
      shown = true;
      until = steady_clock::now() + kOthersTime;
    }
    co_await node.services.changed.wait_for(until - steady_clock::now());
  }
  auto found = showing(node, slot);
  if (found.empty()) nobody_shows(node, slot);
  co_return found;
}

asio::awaitable<Inviter> dial_inviter(Node& node, trust::Address address) {
  Inviter inviter;
  inviter.address = address.text();
  auto stream = co_await dial_stream(node, address, kDialTime);
  if (!stream)
    throw Failure(Exit::unreachable, dial_text(inviter.address, inviter.address, stream.error()) +
                                         ". The code was not used");
  const auto id = (*stream)->peer_id();
  if (id == node.services.identity->id())
    throw Failure(Exit::usage,
                  base::escaped(inviter.address) +
                      " is this peer itself: the code is for the other machine to type");
  if (node.contacts.is_blocked(id))
    throw Failure(Exit::failed, "whoever answers at " + base::escaped(inviter.address) +
                                    " is blocked: peer unblock " + node.contacts.called(id) +
                                    " first. The code was not used");
  inviter.stream = std::move(*stream);
  co_return inviter;
}

asio::awaitable<Inviter> dial_inviter(Node& node, NearbyPeer peer) {
  std::optional<Error> first;
  for (const auto& way : peer.addresses) {
    trust::Address address;
    address.host = way.host;
    address.port = way.port;
    auto stream = co_await dial_stream(node, address, kNearbyDialTime);
    if (stream && (*stream)->peer_id() == peer.id) {
      Inviter inviter;
      inviter.stream = std::move(*stream);
      inviter.address = address.text();
      co_return inviter;
    }
    // Anybody can announce anything: only its certificate shows who answers.
    if (first) continue;
    if (stream)
      first.emplace(std::make_error_code(std::errc::permission_denied),
                    "another identity answers there");
    else
      first = stream.error();
  }
  throw Failure(Exit::unreachable,
                dial_text(peer.id.short_text(), peer.addresses.front().text(), *first) +
                    ". The code was not used");
}

asio::awaitable<Joined> join(Node& node, Inviter inviter, trust::PairingCode code,
                             std::string name) {
  Try with(node, std::move(inviter));
  auto pairing = co_await with.prepare(std::move(code));
  protocol::Message share = protocol::Pair{protocol::kPairingVersion, pairing->share()};
  co_await with.say(std::move(share));
  const auto theirs = co_await with.hear<protocol::Pair>();
  if (!pairing->take_share(theirs.share)) co_await with.refuse();
  protocol::Message mac = protocol::Confirm{pairing->confirmation(), "", 0};
  co_await with.say(std::move(mac));
  const auto confirmed = co_await with.hear<protocol::Confirm>();
  if (!pairing->check(confirmed.mac)) co_await with.refuse();
  Joined joined;
  joined.id = with.id();
  joined.address = with.where();
  joined.was_contact = node.contacts.is_contact(joined.id);
  protocol::Message last = protocol::Paired{node.services.settings.name, node.port()};
  co_await with.say(std::move(last));
  Proven proven;
  proven.id = joined.id;
  proven.calls_itself = confirmed.name;
  proven.dialled_at = joined.address;
  proven.listens_at = listens_at(joined.address, confirmed.port);
  co_await keep_proven(node.contacts, std::move(proven), std::move(name));
  joined.sure = co_await with.ended();
  co_return joined;
}

}  // namespace peer::node
