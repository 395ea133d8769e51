#include <ctime>
#include <utility>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/known_addresses.hpp"
#include "node/requests.hpp"
#include "trust/names.hpp"

namespace peer::node {

using base::Exit;
using Json = nlohmann::json;

namespace {

/// Ends what goes on with a peer that was blocked or forgotten.
void part_from(Node& node, const protocol::PeerId& id) {
  node.exchange.cancel_all_with(id);
  if (const auto session = node.sessions.pair(id).session)
    session->leave(protocol::Errc::not_accepted);
}

}  // namespace

storage::ContactRow contact_of(Node& node, Request& request) {
  const auto word = bytes_of(request.arguments(), "peer");
  const auto id = known_peer(node, word);
  const auto* row = node.contacts.find(id);
  if (!row || row->name.empty())
    throw Failure(Exit::unknown, base::quoted(word) + " is no contact: peer peers lists them");
  return *row;
}

asio::awaitable<Json> do_rename(Node& node, Request& request) {
  auto row = contact_of(node, request);
  const auto name = bytes_of(request.arguments(), "name");
  check_name(node, name, &row.id);
  row.name = name;
  const auto id = row.id;
  auto alike = look_alikes(node, name, id);
  co_await node.contacts.save(std::move(row));
  co_await rename_in_rules(node, id, name);
  auto result = contact_json(node, id);
  result["looks_like"] = std::move(alike);
  co_return result;
}

asio::awaitable<Json> do_note(Node& node, Request& request) {
  auto row = contact_of(node, request);
  const auto note = bytes_of(request.arguments(), "note");
  if (const auto wrong = note_error(note); !wrong.empty())
    throw Failure(Exit::usage, "note " + row.name + ": " + wrong);
  auto before = std::exchange(row.note, note);
  const auto id = row.id;
  co_await node.contacts.save(std::move(row));
  auto result = contact_json(node, id);
  result["before"] = std::move(before);
  co_return result;
}

asio::awaitable<Json> do_forget(Node& node, Request& request) {
  const auto word = bytes_of(request.arguments(), "peer");
  const auto id = known_peer(node, word);
  if (!node.contacts.find(id))
    throw Failure(Exit::unknown, base::quoted(word) + " is no contact: peer peers lists them");
  auto result = contact_json(node, id);
  part_from(node, id);
  co_await node.contacts.remove(id);
  co_await drop_rules(node, id, DropRules::all);
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
  co_await drop_rules(node, id, DropRules::that_accept);
  co_return contact_json(node, id);
}

asio::awaitable<Json> do_unblock(Node& node, Request& request) {
  const auto word = bytes_of(request.arguments(), "peer");
  const auto id = known_peer(node, word);
  const auto* known = node.contacts.find(id);
  if (!known || !known->blocked)
    throw Failure(Exit::unknown, base::quoted(word) + " is not blocked");
  auto row = *known;
  row.blocked = false;
  auto result = contact_json(node, id);
  if (row.name.empty()) {
    co_await node.contacts.remove(id);  // a stranger again
  } else {
    co_await node.contacts.save(std::move(row));
  }
  result["peer"]["blocked"] = false;
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
    result["addresses"] = node.reachable_at();
    co_return result;
  }
  const auto id = known_peer(node, word);
  result["id"] = id.text();
  result["short"] = id.short_text();
  const auto* row = node.contacts.find(id);
  result["name"] = row ? json_text(row->name) : std::string();
  result["verified"] = node.contacts.is_verified(id);
  result["addresses"] = Json::array();
  if (row)
    for (const auto& address : dialling_order({}, row->addresses))
      result["addresses"].push_back(address.text());
  co_return result;
}

}  // namespace peer::node
