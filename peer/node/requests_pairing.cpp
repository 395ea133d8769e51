#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>
#include <variant>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/joining.hpp"
#include "node/requests.hpp"

/// Two people become verified contacts of each other: one invites, the other joins.
namespace peer::node {

using base::Exit;
using Json = nlohmann::json;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

constexpr char kNewCode[] = "; for a new code: peer invite";

std::string who_came(const Visitor& who) {
  return "whoever came from " + base::escaped(who.address) + " (" + who.id.short_text() + ")";
}

[[noreturn]] void invite_over(const Invite& invite, seconds how_long) {
  switch (invite.end) {
    case Invite::End::refused:
      throw Failure(Exit::identity,
                    "pairing failed: " + who_came(invite.last) +
                        " did not have the code. The invite is over and nothing was stored. If "
                        "that was the one you invited, the code was mistyped" +
                        kNewCode);
    case Invite::End::cut:
      throw Failure(Exit::failed,
                    who_came(invite.last) +
                        " had the code, but the connection broke before the last word: it may hold "
                        "this peer as a contact now. Here nothing was stored, and the invite is "
                        "over" +
                        kNewCode);
    default:
      throw Failure(Exit::timed_out, "nobody joined within " + base::duration_text(how_long) +
                                         ": the invite is over" + kNewCode);
  }
}

seconds invite_time(const Json& arguments) {
  const seconds how_long(number_of(arguments, "for", seconds(kInviteTime).count()));
  if (how_long < seconds(1) || how_long > kMaxInviteTime)
    throw Failure(Exit::usage, "an invite is open for 1 second to " +
                                   base::duration_text(kMaxInviteTime) + ", not for " +
                                   base::duration_text(how_long));
  return how_long;
}

/// --as; a name of another contact is never taken over, and whose it is to be is not known yet.
std::string wished_name(Node& node, const Json& arguments) {
  auto name = bytes_of(arguments, "as");
  if (name.empty()) return name;
  try {
    check_name(node, name, nullptr);
  } catch (const Failure& failure) {
    if (!node.contacts.find_name(name)) throw;
    throw Failure(failure.exit(), failure.text() +
                                      "; or if that is the one you pair with, leave --as out: it "
                                      "keeps its name");
  }
  return name;
}

Json invited_json(Node& node, const Invite& invite, seconds how_long) {
  Json json;
  json["code"] = invite.code.text();
  json["slot"] = invite.code.slot;
  json["until"] = std::time(nullptr) + how_long.count();
  json["reachable"] = node.reachable_at();
  json["announced"] = node.saying().here.has_value();
  return json;
}

void tell_left(Request& request, const Invite& invite, std::size_t& told) {
  for (; told < invite.left.size(); ++told) {
    Json gone;
    gone["address"] = invite.left[told].address;
    gone["short"] = invite.left[told].id.short_text();
    gone["last"] = told + 1 == kLeaversTold;
    request.event("left", std::move(gone));
  }
}

/// Until it is over, or its holder stops.
asio::awaitable<void> hold_open(Node& node, Request& request, std::shared_ptr<Invite> invite) {
  using End = Invite::End;
  std::size_t told = 0;
  while (invite->end == End::keeping || (invite->end == End::open && !request.stopped())) {
    tell_left(request, *invite, told);
    const auto rest = invite->until - steady_clock::now();
    if (rest <= seconds(0) && invite->inside == 0) co_return;
    // Who is in the door when its time ends may finish, and is heard of.
    co_await node.services.changed.wait_for(std::max<steady_clock::duration>(rest, seconds(1)));
  }
}

/// What the new contact is to be called. It has a name already, if nobody answers.
asio::awaitable<void> ask_name(Node& node, Request& request, protocol::PeerId id) {
  std::string wrong;
  for (;;) {
    auto row = *node.contacts.find(id);
    Json question;
    question["peer"] = peer_json(node, id);
    question["suggestion"] = json_text(row.name);
    if (!wrong.empty()) question["wrong"] = json_text(wrong);
    const auto answer = co_await request.ask("name", std::move(question));
    if (!answer.is_string() || answer == row.name || !node.contacts.is_contact(id)) co_return;
    const auto name = answer.get<std::string>();
    try {
      check_name(node, name, &id);
      wrong.clear();
    } catch (const Failure& failure) {
      wrong = failure.text();
    }
    if (!wrong.empty()) continue;
    row = *node.contacts.find(id);
    row.name = name;
    co_await node.contacts.save(std::move(row));
    co_return;
  }
}

/// Tells who is a contact now, and has a new one named.
asio::awaitable<Json> tell_paired(Node& node, Request& request, protocol::PeerId id,
                                  std::string address, bool was_contact,
                                  std::optional<bool> sure = std::nullopt) {
  Json paired;
  paired["peer"] = peer_json(node, id);
  paired["address"] = address;
  paired["known"] = was_contact;
  if (sure) paired["sure"] = *sure;
  const auto wish = bytes_of(request.arguments(), "as");
  if (was_contact && !wish.empty() && wish != node.contacts.called(id)) paired["wish"] = wish;
  request.event("paired", paired);
  if (!was_contact && wish.empty()) co_await ask_name(node, request, id);
  paired["peer"] = peer_json(node, id);
  if (!was_contact) paired["looks_like"] = look_alikes(node, node.contacts.called(id), id);
  co_return paired;
}

trust::PairingCode code_of(const Json& arguments) {
  auto parsed = trust::parse_pairing_code(bytes_of(arguments, "code"));
  if (const auto* fault = std::get_if<trust::CodeFault>(&parsed))
    throw Failure(Exit::usage, fault->text);
  return std::get<trust::PairingCode>(std::move(parsed));
}

/// The one who shows that slot; of several the one the user means, or nobody: the code is tried
/// with no more than one.
asio::awaitable<discovery::NearbyPeer> choose_inviter(Node& node, Request& request, unsigned slot) {
  const auto found = co_await await_slot(node, request, slot);
  if (found.size() == 1) co_return found.front();
  Json question;
  question["slot"] = slot;
  question["peers"] = Json::array();
  for (const auto& nearby : found) {
    auto peer = peer_json(node, nearby.id);
    peer["calls_itself"] = json_text(nearby.name);
    peer["address"] = nearby.addresses.front().text();
    question["peers"].push_back(std::move(peer));
  }
  const auto answer = co_await request.ask("which", std::move(question));
  for (const auto& nearby : found)
    if (answer == nearby.id.text()) co_return nearby;
  throw Failure(Exit::unknown, "several nearby show an invite with slot " + std::to_string(slot) +
                                   ", and none was chosen: the code was not used");
}

asio::awaitable<Inviter> find_inviter(Node& node, Request& request, unsigned slot) {
  const auto at = bytes_of(request.arguments(), "address");
  if (at.empty()) {
    auto nearby = co_await choose_inviter(node, request, slot);
    auto found = co_await dial_inviter(node, std::move(nearby));
    co_return found;
  }
  auto address = trust::parse_address(at, protocol::kDefaultPort);
  if (!address) throw Failure(Exit::usage, "--at: " + address.error().text());
  auto where = std::move(*address);
  auto found = co_await dial_inviter(node, std::move(where));
  co_return found;
}

}  // namespace

asio::awaitable<Json> do_invite(Node& node, Request& request) {
  const auto how_long = invite_time(request.arguments());
  auto name = wished_name(node, request.arguments());
  if (node.door.is_open())
    throw Failure(Exit::failed,
                  "an invite is open here already, and there is one at a time: the 'peer invite' "
                  "that made it ends it with Ctrl-C");
  if (!node.listening())
    throw Failure(Exit::failed,
                  "this peer does not listen, so nobody could come: is TCP port " +
                      std::to_string(node.services.settings.port) +
                      " taken by another program? With another port: peer invite --port PORT");
  const auto invite = node.door.open(how_long, std::move(name));
  const std::shared_ptr<void> over(nullptr, [&](void*) { node.door.close(invite); });
  request.event("invited", invited_json(node, *invite, how_long));
  co_await hold_open(node, request, invite);
  node.door.close(invite);
  if (request.stopped() && invite->end == Invite::End::closed)
    throw Failure(Exit::failed, std::string("the invite was stopped: its code does nothing any "
                                            "more") +
                                    kNewCode);
  if (invite->end != Invite::End::paired) invite_over(*invite, how_long);
  auto paired = co_await tell_paired(node, request, invite->last.id, invite->last.address,
                                     invite->last.was_contact);
  co_return paired;
}

asio::awaitable<Json> do_join(Node& node, Request& request) {
  auto code = code_of(request.arguments());
  auto name = wished_name(node, request.arguments());
  auto inviter = co_await find_inviter(node, request, code.slot);
  if (request.stopped()) throw Failure(Exit::interrupted, "stopped: the code was not used");
  Json asking;
  asking["peer"] = peer_json(node, inviter.stream->peer_id());
  asking["address"] = inviter.address;
  request.event("joining", std::move(asking));
  const auto joined = co_await join(node, std::move(inviter), std::move(code), std::move(name));
  auto paired = co_await tell_paired(node, request, joined.id, joined.address, joined.was_contact,
                                     joined.sure);
  co_return paired;
}

}  // namespace peer::node
