#include <algorithm>
#include <ctime>
#include <set>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/known_addresses.hpp"
#include "node/requests.hpp"
#include "trust/names.hpp"

namespace peer::node {

using base::Exit;

namespace {

/// Of a contact, or a stranger that is nearby or was heard of in this run of the program: the one
/// whose ID begins so, as lists show it.
std::optional<protocol::PeerId> by_short_id(Node& node, const std::string& word) {
  std::string wanted = word;
  std::ranges::transform(wanted, wanted.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  std::set<protocol::PeerId> found;
  for (const auto& [id, row] : node.contacts.all())
    if (id.short_text() == wanted) found.insert(id);
  for (const auto& [id, pair] : node.sessions.pairs())
    if (id.short_text() == wanted) found.insert(id);
  for (const auto& nearby : node.services.nearby.all())
    if (nearby.id.short_text() == wanted) found.insert(nearby.id);
  if (found.size() > 1)
    throw Failure(Exit::usage, "several IDs begin with " + wanted + ": give the whole one");
  return found.empty() ? std::nullopt : std::optional(*found.begin());
}

trust::PeerWord parse_word(Node& node, const std::string& word) {
  if (!node.contacts.find_name(word)) {
    if (const auto id = by_short_id(node, word)) return *id;
  }
  auto parsed = trust::parse_peer_word(word, protocol::kDefaultPort);
  if (!parsed) {
    const auto& error = parsed.error();
    const bool bad_id = error.code == std::errc::invalid_argument;  // its context says all
    throw Failure(Exit::usage, bad_id ? error.context : error.text());
  }
  return std::move(*parsed);
}

void refuse_blocked(Node& node, const protocol::PeerId& id) {
  if (node.contacts.is_blocked(id)) {
    throw Failure(Exit::failed, node.contacts.called(id) + " is blocked: peer unblock " +
                                    node.contacts.called(id) + " first");
  }
}

std::string both_ids(const protocol::PeerId& expected, const protocol::PeerId& met) {
  return "  expected " + expected.text() + "\n  met      " + met.text() + "\n";
}

/// That is neither blocked nor this peer itself.
void check_other(Node& node, const protocol::PeerId& id) {
  if (id == node.services.identity->id())
    throw Failure(Exit::usage, "that is the ID of this peer itself");
  refuse_blocked(node, id);
}

asio::awaitable<std::shared_ptr<Session>> reach_known(Node& node, protocol::PeerId id) {
  check_other(node, id);
  auto& pair = node.sessions.pair(id);
  if (pair.session && !pair.session->over()) co_return pair.session;
  auto reached = co_await node.sessions.reach(pair);
  if (reached.session) co_return reached.session;
  if (reached.met) wrong_identity(node.contacts.called(id), reached.where, id, *reached.met);
  throw Failure(Exit::unreachable, reached.text);
}

/// An address the user gave: whoever was met there before must be there again.
asio::awaitable<std::shared_ptr<Session>> reach_address(Node& node, Request& request,
                                                        trust::Address address, bool yes) {
  const auto where = address.text();
  const auto known = node.contacts.at_address(where);
  std::optional<protocol::PeerId> expected;
  if (known.size() == 1) expected = known.front()->id;
  if (expected) {
    refuse_blocked(node, *expected);
    const auto& pair = node.sessions.pair(*expected);
    if (pair.session && !pair.session->over() && pair.session->dialled_at() == where)
      co_return pair.session;
  }
  auto reached = co_await node.sessions.connect(address, expected);
  if (reached.met) wrong_identity(node.contacts.called(*expected), where, *expected, *reached.met);
  if (reached.itself) throw Failure(Exit::usage, base::escaped(where) + " is this peer itself");
  if (!reached.session)
    throw Failure(Exit::unreachable, dial_text(where, where, Error(reached.code, reached.text)));
  const auto id = reached.session->pair().id;
  refuse_blocked(node, id);
  if (node.contacts.is_contact(id)) {
    const auto& pair = reached.session->pair();
    node.contacts.seen(id, pair.calls_itself, where, pair.heard_at);
    co_return reached.session;
  }
  const auto name = reached.session->pair().calls_itself;
  const bool compared = co_await confirm_identity(request, id, where, name, yes);
  storage::ContactRow row;
  row.id = id;
  row.verified = compared;
  row.name = node.contacts.free_name(name, id);
  row.calls_itself = name;
  row.added = std::time(nullptr);
  row.last_seen = row.added;
  if (reached.session->dialled())
    learn(row.addresses, reached.session->remote(), Learned::met, true, row.added);
  learn(row.addresses, where, Learned::given, true, row.added);
  co_await node.contacts.save(std::move(row));
  nlohmann::json made;
  made["peer"] = peer_json(node, id);
  made["address"] = where;
  made["looks_like"] = look_alikes(node, node.contacts.called(id), id);
  request.event("contact", std::move(made));
  co_return reached.session;
}

/// As known_peer(), or who is nearby under that name.
asio::awaitable<protocol::PeerId> known_or_nearby(Node& node, Request& request, std::string word) {
  const auto parsed = parse_word(node, word);
  const auto* name = std::get_if<trust::ContactName>(&parsed);
  if (name && !node.contacts.find_name(name->name)) {
    auto wanted = name->name;
    co_return co_await name_nearby(node, request, std::move(wanted));
  }
  co_return known_peer(node, word);
}

}  // namespace

void no_such_contact(Node& node, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& [id, row] : node.contacts.all()) {
    if (!row.name.empty()) names.push_back(row.name);
  }
  const auto near = base::nearest(name, names);
  std::string text = "no contact is called " + base::quoted(name);
  if (!near.empty()) text += " (did you mean " + base::quoted(near) + "?)";
  throw Failure(Exit::unknown, text + ": peer peers lists them, peer add NAME ADDRESS makes one");
}

void wrong_identity(const std::string& who, const std::string& where,
                    const protocol::PeerId& expected, const protocol::PeerId& met) {
  throw Failure(Exit::identity,
                "STOP: " + base::escaped(where) + " answers with another identity than " + who +
                    "'s. Nothing was sent.\n" + both_ids(expected, met) +
                    "Either it was set up anew, or somebody else answers there. Ask " + who +
                    " for the ID that 'peer id' shows; if it has really changed: peer forget " +
                    who + ", then peer add " + who + " " + base::escaped(where));
}

void wrong_given_id(const std::string& name, const std::string& where,
                    const protocol::PeerId& given, const protocol::PeerId& met) {
  throw Failure(Exit::identity,
                "STOP: " + base::escaped(where) + " answers with another identity than --id. " +
                    "Nothing was sent, and " + base::quoted(name) + " was not added.\n" +
                    both_ids(given, met) +
                    "Compare both with what 'peer id' prints on that machine: either the ID is "
                    "not that machine's, or somebody else answers at this address.");
}

asio::awaitable<bool> confirm_identity(Request& request, protocol::PeerId id, std::string address,
                                       std::string name, bool yes) {
  if (yes) co_return false;
  nlohmann::json question;
  question["id"] = id.text();
  question["address"] = address;
  question["name"] = json_text(name);
  const auto answer = co_await request.ask("identity", std::move(question));
  if (answer == "compared") co_return true;
  if (answer == "unverified") co_return false;
  throw Failure(Exit::identity, "the identity met at " + address +
                                    " was not confirmed: nothing was sent (" + id.text() + ")");
}

protocol::PeerId known_peer(Node& node, const std::string& word) {
  const auto parsed = parse_word(node, word);
  if (const auto* name = std::get_if<trust::ContactName>(&parsed)) {
    const auto* row = node.contacts.find_name(name->name);
    if (!row) no_such_contact(node, name->name);
    return row->id;
  }
  if (const auto* id = std::get_if<protocol::PeerId>(&parsed)) return *id;
  const auto where = std::get<trust::Address>(parsed).text();
  const auto found = node.contacts.at_address(where);
  if (found.size() == 1) return found.front()->id;
  throw Failure(Exit::unknown,
                (found.empty() ? "no contact was met at " : "several contacts were met at ") +
                    base::escaped(where) + ": name the contact or its ID (peer peers)");
}

asio::awaitable<std::shared_ptr<Session>> reach_peer(Node& node, Request& request, std::string word,
                                                     bool yes) {
  auto parsed = parse_word(node, word);
  if (auto* address = std::get_if<trust::Address>(&parsed)) {
    const auto where = *address;
    co_return co_await reach_address(node, request, where, yes);
  }
  const auto id = co_await known_or_nearby(node, request, word);
  co_return co_await reach_known(node, id);
}

asio::awaitable<std::vector<protocol::PeerId>> find_recipients(Node& node, Request& request,
                                                               std::vector<std::string> words,
                                                               bool yes) {
  std::vector<protocol::PeerId> ids;
  std::vector<trust::Address> addresses;
  for (const auto& word : words) {  // what is mistyped is told before anybody is dialled
    auto parsed = parse_word(node, word);
    if (auto* address = std::get_if<trust::Address>(&parsed)) {
      addresses.push_back(std::move(*address));
      continue;
    }
    const auto id = co_await known_or_nearby(node, request, word);
    ids.push_back(id);
    check_other(node, ids.back());
  }
  for (const auto& id : ids) {
    auto& pair = node.sessions.pair(id);
    if (!pair.session || pair.session->over()) node.sessions.try_now(pair);
  }
  for (const auto& address : addresses) {
    const auto where = address;
    auto session = co_await reach_address(node, request, where, yes);
    ids.push_back(session->pair().id);
  }
  std::vector<protocol::PeerId> once;
  for (const auto& id : ids)
    if (std::ranges::find(once, id) == once.end()) once.push_back(id);
  co_return once;
}

asio::awaitable<std::string> await_session(Node& node, Request& request, protocol::PeerId id) {
  auto& pair = node.sessions.pair(id);
  const auto give_up = std::chrono::steady_clock::now() + kReachTime;
  const auto connected = [&] { return pair.session && !pair.session->over(); };
  while (!connected() && pair.dialling && !pair.unreached && !request.stopped() &&
         std::chrono::steady_clock::now() < give_up)
    co_await node.services.changed.wait_for(kProgressEvery);
  if (connected()) co_return std::string();
  if (!pair.unreached) co_return node.contacts.called(id) + ": no answer yet";
  if (const auto& met = pair.unreached->met)
    wrong_identity(node.contacts.called(id), pair.unreached->where, id, *met);
  co_return pair.unreached->text;
}

}  // namespace peer::node
