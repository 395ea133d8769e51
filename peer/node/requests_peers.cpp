#include <ctime>
#include <map>
#include <optional>
#include <set>

#include "async/sleep.hpp"
#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/known_addresses.hpp"
#include "node/requests.hpp"
#include "trust/look_alike.hpp"
#include "trust/names.hpp"

/// Who is known, and who is nearby.
namespace peer::node {

using Json = nlohmann::json;
using std::chrono::steady_clock;

namespace {

/// In which a node that has just been started hears who is nearby.
constexpr std::chrono::milliseconds kFirstAnswers{1200};

std::time_t unix_time(discovery::Time when) {
  return std::time(nullptr) -
         std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - when).count();
}

void add_nearby(Json& json, const discovery::NearbyPeer& nearby) {
  json["nearby"] = Json::array();
  for (const auto& address : nearby.addresses) json["nearby"].push_back(address.text());
  json["nearby_since"] = unix_time(nearby.since);
  if (nearby.slot) json["slot"] = *nearby.slot;
}

/// In which a list that changes is shown again at the earliest.
constexpr std::chrono::milliseconds kWatchEvery{500};
constexpr std::size_t kPageBytes = std::size_t{192} << 10;

bool same_host(const std::string& one, const std::string& other) {
  const auto a = trust::parse_address(one, protocol::kDefaultPort);
  const auto b = trust::parse_address(other, protocol::kDefaultPort);
  return a && b && a->host == b->host;
}

/// How it stands with somebody: whether there is a session, since when, and why not.
void add_reachable(Node& node, Json& json, const protocol::PeerId& id) {
  const auto& pairs = node.sessions.pairs();
  const auto found = pairs.find(id);
  const auto* pair = found == pairs.end() ? nullptr : found->second.get();
  const bool online = pair && pair->session;
  const bool nearby = node.services.nearby.find(id) != nullptr;
  json["online"] = online;
  // What a stranger announces, anybody may have said.
  json["reachable"] =
      online || (nearby && node.contacts.is_contact(id) && !(pair && pair->unreached));
  if (online) {
    json["online_since"] = std::chrono::system_clock::to_time_t(pair->session->since());
    const auto& session = *pair->session;
    json["route"] = session.remote();
    if (!session.dialled() && same_host(pair->heard_at, session.remote()))
      json["listens_at"] = pair->heard_at;
  } else if (pair && pair->unreached) {
    json["unreached"] = json_text(pair->unreached->text);
  }
}

Json address_texts(const storage::ContactRow& row) {
  auto texts = Json::array();
  for (const auto& address : dialling_order({}, row.addresses)) texts.push_back(address.text());
  return texts;
}

Json known_peer_json(Node& node, const storage::ContactRow& row) {
  auto json = peer_json(node, row.id);
  json["note"] = row.note;
  json["addresses"] = address_texts(row);
  json["last_seen"] = row.last_seen;
  json["added"] = row.added;
  add_reachable(node, json, row.id);
  if (const auto* nearby = node.services.nearby.find(row.id)) add_nearby(json, *nearby);
  return json;
}

Json stranger_json(Node& node, const discovery::NearbyPeer& nearby) {
  auto json = peer_json(node, nearby.id);
  json["calls_itself"] = json_text(nearby.name);
  json["addresses"] = Json::array();
  json["last_seen"] = unix_time(nearby.heard);
  add_reachable(node, json, nearby.id);
  add_nearby(json, nearby);
  return json;
}

/// Everybody who is known or nearby, by their IDs; rows are made one at a time.
class PeerList {
 public:
  explicit PeerList(Node& node) : node_(node) {
    for (const auto& [id, row] : node.contacts.all()) ids_.insert(id);
    for (const auto& nearby : node.services.nearby.all()) {
      if (!ids_.insert(nearby.id).second || !names_.empty()) continue;
      for (const auto& [id, row] : node.contacts.all())
        if (!row.name.empty()) names_.emplace(trust::skeleton(row.name), row.name);
    }
  }

  /// Fills `page` with those behind `after`; the last of them if there are more.
  std::optional<protocol::PeerId> page(const std::optional<protocol::PeerId>& after, Json& page) {
    page = Json::array();
    std::size_t bytes = 0;
    std::optional<protocol::PeerId> last;
    auto it = ids_.begin();
    if (after) it = ids_.upper_bound(*after);
    for (; it != ids_.end(); ++it) {
      if (bytes > kPageBytes) return last;
      auto json = row(*it);
      if (json.is_null()) continue;
      bytes += json.dump().size();
      page.push_back(std::move(json));
      last = *it;
    }
    return std::nullopt;
  }

 private:
  Json row(const protocol::PeerId& id) {
    if (const auto* known = node_.contacts.find(id)) return known_peer_json(node_, *known);
    const auto* nearby = node_.services.nearby.find(id);
    if (!nearby) return {};
    auto json = stranger_json(node_, *nearby);
    const auto like = names_.find(trust::skeleton(trust::name_from(nearby->name)));
    if (like != names_.end()) json["looks_like"] = like->second;
    return json;
  }

  Node& node_;
  std::set<protocol::PeerId> ids_;
  std::map<std::string, std::string> names_;  ///< of contacts, by their skeletons
};

std::optional<protocol::PeerId> cursor_of(const Json& arguments) {
  const auto text = bytes_of(arguments, "after");
  if (text.empty()) return std::nullopt;
  auto id = protocol::PeerId::parse(text);
  if (!id)
    throw Failure(base::Exit::usage,
                  "list the peers after " + base::quoted(text) + ": " + id.error().context);
  return *id;
}

/// All that is known of one.
Json details_json(Node& node, const protocol::PeerId& id) {
  const auto* row = node.contacts.find(id);
  const auto* nearby = node.services.nearby.find(id);
  Json json;
  if (row) {
    json = known_peer_json(node, *row);
  } else if (nearby) {
    json = stranger_json(node, *nearby);
  } else {
    json = peer_json(node, id);
    add_reachable(node, json, id);
  }
  json["known"] = Json::array();
  const auto& others = node.sessions.pair(id).others_at;
  for (const auto& address :
       row ? dialling_order({}, row->addresses) : std::vector<trust::Address>()) {
    const auto text = address.text();
    const auto* known = find_address(row->addresses, text);
    if (!known) continue;
    Json one;
    one["address"] = text;
    one["learned"] = storage::learned_word(known->learned);
    one["first_seen"] = known->first_seen;
    one["last_seen"] = known->last_seen;
    one["last_answered"] = known->last_answered;
    if (const auto other = others.find(text); other != others.end())
      one["answered_by"] = other->second.text();
    json["known"].push_back(std::move(one));
  }
  return json;
}

asio::awaitable<void> watch_peers(Node& node, Request& request) {
  // What only says how long ago something was is no news.
  const auto news_of = [](Json peers) {
    for (auto& peer : peers)
      for (const auto* key : {"last_seen", "nearby_since"}) peer.erase(key);
    return peers;
  };
  std::vector<Json> shown;
  while (!request.stopped()) {
    PeerList list(node);
    std::vector<Json> pages;
    std::vector<Json> news;
    std::optional<protocol::PeerId> after;
    do {
      after = list.page(after, pages.emplace_back());
      news.push_back(news_of(pages.back()));
    } while (after);
    if (news != shown) {
      shown = std::move(news);
      for (auto& page : pages) {
        const bool more = &page != &pages.back();
        Json fields;
        fields["peers"] = std::move(page);
        fields["more"] = more;
        request.event("peers", std::move(fields));
        co_await request.room();
      }
    }
    co_await node.services.changed.wait();
    co_await async::sleep(kWatchEvery);
  }
}

}  // namespace

asio::awaitable<void> hear_nearby(Node& node) {
  node.discovery.ask();
  const auto until = node.started_at() + kFirstAnswers;
  while (node.saying().asks && node.discovery.links() > 0 && steady_clock::now() < until)
    co_await node.services.changed.wait_for(until - steady_clock::now());
}

asio::awaitable<Json> do_peers(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  const auto after = cursor_of(arguments);
  if (!after) co_await hear_nearby(node);
  Json result = Json::object();
  if (flag_of(arguments, "watch")) {
    co_await watch_peers(node, request);
    co_return result;
  }
  if (const auto word = bytes_of(arguments, "peer"); !word.empty()) {
    result["peer"] = details_json(node, known_peer(node, word));
    co_return result;
  }
  Json page;
  const auto next = PeerList(node).page(after, page);
  result["peers"] = std::move(page);
  if (next) result["next"] = next->text();
  co_return result;
}

}  // namespace peer::node
