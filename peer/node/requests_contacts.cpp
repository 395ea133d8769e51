#include <ctime>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/requests.hpp"
#include "trust/names.hpp"

namespace peer::node {

using base::Exit;
using Json = nlohmann::json;

namespace {

void check_name(Node& node, const std::string& name, const protocol::PeerId* but) {
  if (const auto wrong = trust::name_error(name); !wrong.empty()) {
    throw Failure(Exit::usage, base::quoted(name) + " cannot name a contact: " + wrong);
  }
  const auto* other = node.contacts.find_name(name);
  if (other && !(but && other->id == *but)) {
    throw Failure(Exit::usage, "a contact is called " + base::quoted(name) + " already (" +
                                   other->id.short_text() +
                                   "): choose another name, or peer forget " + other->name);
  }
}

/// The row of a contact the request's `peer` names.
storage::ContactRow contact_of(Node& node, Request& request) {
  const auto word = bytes_of(request.arguments(), "peer");
  const auto id = known_peer(node, word);
  const auto* row = node.contacts.find(id);
  if (!row || row->name.empty())
    throw Failure(Exit::unknown, base::quoted(word) + " is no contact: peer peers lists them");
  return *row;
}

Json answer(Node& node, const protocol::PeerId& id) {
  Json json;
  json["peer"] = peer_json(node, id);
  return json;
}

/// Ends what goes on with a peer that was blocked or forgotten.
void part_from(Node& node, const protocol::PeerId& id) {
  node.exchange.cancel_all_with(id);
  if (const auto session = node.sessions.pair(id).session)
    session->leave(protocol::Errc::not_accepted);
}

}  // namespace

asio::awaitable<Json> do_peers(Node& node, Request&) {
  Json result;
  result["peers"] = Json::array();
  for (const auto& [id, row] : node.contacts.all()) {
    auto json = peer_json(node, id);
    json["addresses"] = row.addresses;
    const auto& pairs = node.sessions.pairs();
    const auto pair = pairs.find(id);
    json["online"] = pair != pairs.end() && pair->second->session != nullptr;
    json["last_seen"] = row.last_seen;
    json["added"] = row.added;
    result["peers"].push_back(std::move(json));
  }
  co_return result;
}

namespace {

struct AddWords {
  std::string name;
  std::string where;                      ///< an address, or empty
  std::optional<protocol::PeerId> given;  ///< with --id
  std::optional<protocol::PeerId> known;  ///< of the contact that has the name
};

AddWords add_words(Node& node, const Json& arguments) {
  AddWords words;
  words.name = bytes_of(arguments, "name");
  words.where = bytes_of(arguments, "address");
  if (const auto id_text = bytes_of(arguments, "id"); !id_text.empty()) {
    auto parsed = protocol::PeerId::parse(id_text);
    if (!parsed)
      throw Failure(Exit::usage, "--id " + base::quoted(id_text) + ": " + parsed.error().context);
    words.given = *parsed;
  }
  if (const auto* same = node.contacts.find_name(words.name)) words.known = same->id;
  const auto& meant = words.given ? words.given : words.known;
  check_name(node, words.name, meant ? &*meant : nullptr);
  if (words.where.empty() && !words.given)
    throw Failure(Exit::usage,
                  "add " + base::quoted(words.name) +
                      ": give its address, or its ID with --id (peer id, there, shows it)");
  return words;
}

struct Met {
  protocol::PeerId id;
  std::string calls_itself;
  std::string address;
  bool compared = false;
};

/// Dials the address and has the ID met there confirmed, unless it is known to be the right one.
asio::awaitable<Met> meet(Node& node, Request& request, AddWords words) {
  auto address = trust::parse_address(words.where, protocol::kDefaultPort);
  if (!address)
    throw Failure(Exit::usage, "add " + base::quoted(words.name) + ": " + address.error().text());
  const auto target = *address;
  Met met;
  met.address = target.text();
  std::optional<protocol::PeerId> expected = words.given;
  if (!expected) expected = words.known;
  auto reached = co_await node.sessions.connect(target, expected);
  if (reached.met && words.given)
    wrong_given_id(words.name, met.address, *words.given, *reached.met);
  if (reached.met) wrong_identity(words.name, met.address, *words.known, *reached.met);
  if (!reached.session)
    throw Failure(Exit::unreachable,
                  dial_text(words.name, met.address, Error(reached.code, reached.text)));
  met.id = reached.session->pair().id;
  met.calls_itself = reached.session->pair().calls_itself;
  const auto* known = node.contacts.find(met.id);
  if (known && !known->name.empty() && known->name != words.name) {
    throw Failure(Exit::usage, "that peer is your contact " + base::quoted(known->name) +
                                   " already: peer rename " + known->name + " " + words.name);
  }
  if (words.given || node.contacts.is_verified(met.id)) co_return met;
  const bool yes = flag_of(request.arguments(), "yes");
  met.compared = co_await confirm_identity(request, met.id, met.address, met.calls_itself, yes);
  co_return met;
}

}  // namespace

asio::awaitable<Json> do_add(Node& node, Request& request) {
  auto words = add_words(node, request.arguments());
  Met met;
  if (words.given) met.id = *words.given;
  if (!words.where.empty()) met = co_await meet(node, request, words);
  storage::ContactRow row;
  if (const auto* known = node.contacts.find(met.id)) row = *known;
  row.id = met.id;
  row.name = words.name;
  row.verified = row.verified || words.given || met.compared;
  if (row.added == 0) row.added = std::time(nullptr);
  if (!met.address.empty()) {
    std::erase(row.addresses, met.address);
    row.addresses.insert(row.addresses.begin(), met.address);
    row.last_seen = std::time(nullptr);
    row.calls_itself = met.calls_itself;
  }
  co_await node.contacts.save(std::move(row));
  auto result = answer(node, met.id);
  result["met"] = !met.address.empty();
  co_return result;
}

asio::awaitable<Json> do_rename(Node& node, Request& request) {
  auto row = contact_of(node, request);
  const auto name = bytes_of(request.arguments(), "name");
  check_name(node, name, &row.id);
  row.name = name;
  const auto id = row.id;
  co_await node.contacts.save(std::move(row));
  co_return answer(node, id);
}

asio::awaitable<Json> do_forget(Node& node, Request& request) {
  const auto word = bytes_of(request.arguments(), "peer");
  const auto id = known_peer(node, word);
  if (!node.contacts.find(id))
    throw Failure(Exit::unknown, base::quoted(word) + " is no contact: peer peers lists them");
  auto result = answer(node, id);
  part_from(node, id);
  co_await node.contacts.remove(id);
  co_return result;
}

asio::awaitable<Json> do_block(Node& node, Request& request) {
  const auto id = known_peer(node, bytes_of(request.arguments(), "peer"));
  storage::ContactRow row;
  if (const auto* known = node.contacts.find(id)) row = *known;
  row.id = id;
  row.blocked = true;
  row.trusted = false;
  if (row.added == 0) row.added = std::time(nullptr);
  co_await node.contacts.save(std::move(row));
  part_from(node, id);
  co_return answer(node, id);
}

asio::awaitable<Json> do_unblock(Node& node, Request& request) {
  const auto word = bytes_of(request.arguments(), "peer");
  const auto id = known_peer(node, word);
  const auto* known = node.contacts.find(id);
  if (!known || !known->blocked)
    throw Failure(Exit::unknown, base::quoted(word) + " is not blocked");
  auto row = *known;
  row.blocked = false;
  auto result = answer(node, id);
  if (row.name.empty()) {
    co_await node.contacts.remove(id);  // a stranger again
  } else {
    co_await node.contacts.save(std::move(row));
  }
  result["peer"]["blocked"] = false;
  co_return result;
}

asio::awaitable<Json> do_trust(Node& node, Request& request) {
  auto row = contact_of(node, request);
  if (row.blocked)
    throw Failure(Exit::failed, row.name + " is blocked: peer unblock " + row.name + " first");
  if (!row.verified && !flag_of(request.arguments(), "unverified")) {
    throw Failure(
        Exit::identity,
        "it is not verified that " + row.name +
            "'s ID is really theirs: compare it with what 'peer id' shows there and run peer add " +
            row.name + " --id ID, or trust it all the same with --unverified");
  }
  row.trusted = true;
  const auto id = row.id;
  co_await node.contacts.save(std::move(row));
  co_return answer(node, id);
}

asio::awaitable<Json> do_untrust(Node& node, Request& request) {
  auto row = contact_of(node, request);
  const bool was_trusted = row.trusted;
  row.trusted = false;
  const auto id = row.id;
  co_await node.contacts.save(std::move(row));
  auto result = answer(node, id);
  result["was_trusted"] = was_trusted;
  co_return result;
}

asio::awaitable<Json> do_id(Node& node, Request& request) {
  const auto word = bytes_of(request.arguments(), "peer");
  Json result;
  if (word.empty()) {
    const auto& id = node.services.identity->id();
    result["id"] = id.text();
    result["short"] = id.short_text();
    result["name"] = json_text(node.services.settings.name);
    result["verified"] = true;
    co_return result;
  }
  const auto id = known_peer(node, word);
  result["id"] = id.text();
  result["short"] = id.short_text();
  const auto* row = node.contacts.find(id);
  result["name"] = row ? json_text(row->name) : std::string();
  result["verified"] = node.contacts.is_verified(id);
  co_return result;
}

}  // namespace peer::node
