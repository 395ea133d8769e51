#include <ctime>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/requests.hpp"
#include "trust/names.hpp"

/// A name that is no contact's, but that somebody on the local network calls itself.
namespace peer::node {

using base::Exit;
using discovery::NearbyPeer;

namespace {

/// Strangers that call themselves so, as it is or as a contact's name would be made of it.
std::vector<NearbyPeer> called_so(Node& node, const std::string& name) {
  std::vector<NearbyPeer> found;
  const auto wanted = trust::folded(name);
  for (const auto& nearby : node.services.nearby.all()) {
    const bool same = trust::folded(nearby.name) == wanted ||
                      trust::folded(trust::name_from(nearby.name)) == wanted;
    if (same && !node.contacts.find(nearby.id)) found.push_back(nearby);
  }
  return found;
}

std::string shown(const NearbyPeer& nearby) {
  constexpr std::size_t kNameColumns = 40;
  return "‘" + base::escaped(nearby.name, kNameColumns) + "’ " + nearby.id.short_text() + " at " +
         nearby.addresses.front().text();
}

}  // namespace

asio::awaitable<NearbyPeer> find_nearby(Node& node, Request& request, std::string name,
                                        NearbyFor what) {
  co_await hear_nearby(node);
  const auto found = called_so(node, name);
  if (found.empty() && what == NearbyFor::adding)
    throw Failure(Exit::unknown, "add " + base::quoted(name) +
                                     ": nobody nearby calls themselves so: give an address, or the "
                                     "ID with --id (peer id, there, shows it)");
  if (found.empty()) no_such_contact(node, name);
  if (found.size() > 1) {
    std::string text = base::quoted(name) + " is not your contact, and several nearby call " +
                       "themselves so; name one by its ID:";
    for (const auto& nearby : found) text += "\n  " + shown(nearby);
    throw Failure(Exit::unknown, text);
  }
  auto nearby = found.front();
  nlohmann::json question;
  question["name"] = json_text(name);
  question["calls_itself"] = json_text(nearby.name);
  question["id"] = nearby.id.text();
  question["short"] = nearby.id.short_text();
  question["address"] = nearby.addresses.front().text();
  question["adding"] = what == NearbyFor::adding;
  const auto answer = co_await request.ask("nearby", std::move(question));
  if (answer != true)
    throw Failure(Exit::unknown,
                  base::quoted(name) + " is not your contact. Nearby: " + shown(nearby) +
                      ". Name it by its ID, or: peer add NAME " + nearby.addresses.front().text());
  co_return nearby;
}

asio::awaitable<protocol::PeerId> name_nearby(Node& node, Request& request, std::string name) {
  const auto nearby = co_await find_nearby(node, request, std::move(name), NearbyFor::naming);
  const auto id = nearby.id;
  if (node.contacts.find(id)) co_return id;
  storage::ContactRow row;
  row.id = id;
  row.name = node.contacts.free_name(nearby.name, id);
  row.calls_itself = nearby.name;
  row.added = std::time(nullptr);
  const auto address = nearby.addresses.front().text();
  co_await node.contacts.save(std::move(row));
  nlohmann::json made;
  made["peer"] = peer_json(node, id);
  made["address"] = address;
  made["looks_like"] = look_alikes(node, node.contacts.called(id), id);
  request.event("contact", std::move(made));
  co_return id;
}

}  // namespace peer::node
