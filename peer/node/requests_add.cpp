#include <algorithm>
#include <ctime>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/known_addresses.hpp"
#include "node/requests.hpp"
#include "trust/names.hpp"

/// A peer gets a name: by an address, by its ID, by both, by what it calls itself nearby.
namespace peer::node {

using base::Exit;
using Json = nlohmann::json;

namespace {

struct AddWords {
  std::string name;
  std::vector<trust::Address> where;          ///< as the user gave them
  bool link = false;                          ///< of which not every one need lead there from here
  std::optional<protocol::PeerId> given;      ///< with --id, or in the link
  std::optional<protocol::PeerId> known;      ///< of the contact that has the name
  std::optional<protocol::PeerId> announced;  ///< of who is nearby under that name
};

trust::Address address_from(const std::string& name, const std::string& text) {
  auto address = trust::parse_address(text, protocol::kDefaultPort);
  if (!address)
    throw Failure(Exit::usage, "add " + base::quoted(name) + ": " + address.error().text());
  return *std::move(address);
}

AddWords add_words(Node& node, const Json& arguments) {
  AddWords words;
  words.name = bytes_of(arguments, "name");
  if (const auto id_text = bytes_of(arguments, "id"); !id_text.empty()) {
    auto parsed = protocol::PeerId::parse(id_text);
    if (!parsed)
      throw Failure(Exit::usage, "--id " + base::quoted(id_text) + ": " + parsed.error().context);
    words.given = *parsed;
  }
  if (words.given == node.services.identity->id())
    throw Failure(Exit::usage, "add " + base::quoted(words.name) + ": that is this peer itself");
  if (const auto* same = node.contacts.find_name(words.name)) words.known = same->id;
  const auto& meant = words.given ? words.given : words.known;
  check_name(node, words.name, meant ? &*meant : nullptr);
  if (const auto where = bytes_of(arguments, "address"); !where.empty())
    words.where.push_back(address_from(words.name, where));
  for (const auto& where : byte_list_of(arguments, "addresses")) {
    words.where.push_back(address_from(words.name, where));
    words.link = true;
  }
  if (words.where.empty() && !words.given && words.known)
    throw Failure(Exit::usage, base::quoted(words.name) + " is your contact already: peer peers " +
                                   words.name +
                                   " tells about it; give an address, or its ID with --id");
  return words;
}

struct Met {
  protocol::PeerId id;
  bool there = false;
  std::string calls_itself;
  std::string address;    ///< that led to it
  std::string remote;     ///< what that is in numbers
  std::string unreached;  ///< why none did
  bool compared = false;
};

[[noreturn]] void wrong_identity_met(const AddWords& words, const Reached& reached) {
  if (words.given) wrong_given_id(words.name, reached.where, *words.given, *reached.met);
  if (words.known) wrong_identity(words.name, reached.where, *words.known, *reached.met);
  throw Failure(Exit::identity, "STOP: " + reached.where + " was announced to be " +
                                    words.announced->short_text() + "'s, but " +
                                    reached.met->text() + " answers there. " +
                                    base::quoted(words.name) + " was not added.");
}

void refuse_other_name(Node& node, const AddWords& words, const protocol::PeerId& id) {
  const auto* known = node.contacts.find(id);
  if (known && !known->name.empty() && known->name != words.name && words.known != id)
    throw Failure(Exit::usage, "that peer is your contact " + base::quoted(known->name) +
                                   " already: peer rename " + known->name + " " + words.name);
}

asio::awaitable<Reached> dial(Node& node, AddWords words) {
  auto expected = words.given;
  if (!expected) expected = words.announced;
  if (!expected) expected = words.known;
  if (!words.link && !words.announced) {
    auto address = words.where.front();
    co_return co_await node.sessions.connect(std::move(address), expected);
  }
  co_return co_await node.sessions.reach_at(node.sessions.pair(*expected), std::move(words.where));
}

/// Dials and has the ID met there confirmed, unless it is known to be the right one.
asio::awaitable<Met> meet(Node& node, Request& request, AddWords words) {
  auto reached = co_await dial(node, words);
  Met met;
  if (reached.met) wrong_identity_met(words, reached);
  if (!reached.session && words.link) {
    met.id = *words.given;
    met.unreached = reached.text;
    co_return met;
  }
  if (reached.itself)
    throw Failure(Exit::usage, "add " + base::quoted(words.name) + ": " +
                                   base::escaped(words.where.front().text()) +
                                   " is this peer itself");
  if (!reached.session && words.announced) throw Failure(Exit::unreachable, reached.text);
  if (!reached.session)
    throw Failure(Exit::unreachable, dial_text(words.name, words.where.front().text(),
                                               Error(reached.code, reached.text)));
  met.there = true;
  met.id = reached.session->pair().id;
  met.calls_itself = reached.session->pair().calls_itself;
  met.address = words.where.front().text();
  if (words.where.size() > 1) met.address = reached.session->dialled_at();
  if (reached.session->dialled()) met.remote = reached.session->remote();
  refuse_other_name(node, words, met.id);
  if (words.given || node.contacts.is_verified(met.id)) co_return met;
  const bool yes = flag_of(request.arguments(), "yes") && !words.announced;
  met.compared = co_await confirm_identity(request, met.id, met.address, met.calls_itself, yes);
  co_return met;
}

storage::ContactRow contact_row(Node& node, const AddWords& words, const Met& met) {
  storage::ContactRow row;
  if (const auto* known = node.contacts.find(met.id)) row = *known;
  const auto now = std::time(nullptr);
  row.id = met.id;
  row.name = words.name;
  row.verified = row.verified || words.given || met.compared;
  if (row.added == 0) row.added = now;
  for (const auto& address : words.where) {
    const auto text = address.text();
    if (words.announced) continue;
    if (!may_be_given(row.addresses, text))
      throw Failure(Exit::usage, "add " + base::quoted(words.name) + ": it has " +
                                     std::to_string(kMaxGivenAddresses) +
                                     " addresses already: peer forget " + words.name +
                                     ", then add it again with those that count");
    learn(row.addresses, text, Learned::given, text == met.address, now);
  }
  learn(row.addresses, met.remote, words.announced ? Learned::nearby : Learned::met, true, now);
  if (words.announced) learn(row.addresses, met.address, Learned::nearby, true, now);
  if (met.there) {
    row.last_seen = now;
    row.calls_itself = met.calls_itself;
  }
  return row;
}

}  // namespace

asio::awaitable<Json> do_add(Node& node, Request& request) {
  auto words = add_words(node, request.arguments());
  if (words.where.empty() && !words.given) {
    const auto nearby = co_await find_nearby(node, request, words.name, NearbyFor::adding);
    words.announced = nearby.id;
    for (const auto& address : nearby.addresses)
      words.where.push_back(address_from(words.name, address.text()));
  }
  Met met;
  if (words.given) {
    met.id = *words.given;
    refuse_other_name(node, words, met.id);
  }
  if (!words.where.empty()) met = co_await meet(node, request, words);
  auto row = contact_row(node, words, met);
  auto alike = look_alikes(node, words.name, met.id);
  co_await node.contacts.save(std::move(row));
  auto result = contact_json(node, met.id);
  result["met"] = met.there;
  result["looks_like"] = std::move(alike);
  if (!met.unreached.empty()) result["unreached"] = json_text(met.unreached);
  co_return result;
}

}  // namespace peer::node
