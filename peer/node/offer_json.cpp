#include <algorithm>
#include <ctime>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/requests.hpp"
#include "node/speed.hpp"
#include "node/taking.hpp"

namespace peer::node {

using Json = nlohmann::json;

namespace {

/// with_paths() puts a NUL between the two, which no path holds.
std::pair<std::string, std::string> split_failure(const std::string& text) {
  const auto nul = text.find('\0');
  if (nul == std::string::npos) return {{}, text};
  return {text.substr(0, nul), text.substr(nul + 1)};
}

bool is_over(const OfferRecord& offer) {
  return offer.ended() || !(offer.is(state::preparing) || offer.is(state::pending) ||
                            offer.is(state::active) || offer.is(state::partial));
}

/// Why there is no session, and in how many seconds the next try is.
void add_unreached(Json& json, Node& node, const protocol::PeerId& id) {
  const auto& pairs = node.sessions.pairs();
  const auto pair = pairs.find(id);
  if (pair == pairs.end() || !pair->second->unreached) return;
  const auto& unreached = *pair->second->unreached;
  json["unreached"] = json_text(unreached.text);
  const auto left = std::chrono::ceil<std::chrono::seconds>(unreached.next_try -
                                                            std::chrono::steady_clock::now());
  if (pair->second->dialling) json["next_try"] = std::max<std::int64_t>(left.count(), 0);
}

/// What the taker wants of this offer, as far as it has said.
std::uint64_t chosen_by_taker(Node& node, const storage::OfferRow& row) {
  const auto& pairs = node.sessions.pairs();
  const auto pair = pairs.find(row.peer);
  const auto* given = pair == pairs.end() ? nullptr : pair->second->ledger.find_given(row.id);
  return given && given->accept ? given->accept->bytes : row.offer.bytes;
}

Json paths_json(const std::vector<std::string>& paths) { return json_byte_list(paths); }

}  // namespace

Json peer_json(Node& node, const protocol::PeerId& id) {
  Json json;
  const auto* row = node.contacts.find(id);
  json["id"] = id.text();
  json["short"] = id.short_text();
  json["name"] = row ? json_text(row->name) : std::string();
  const auto& pairs = node.sessions.pairs();
  const auto pair = pairs.find(id);
  std::string calls_itself = row ? row->calls_itself : std::string();
  if (pair != pairs.end() && !pair->second->calls_itself.empty())
    calls_itself = pair->second->calls_itself;
  json["calls_itself"] = json_text(calls_itself);
  json["contact"] = node.contacts.is_contact(id);
  json["verified"] = node.contacts.is_verified(id);
  json["trusted"] = node.contacts.is_trusted(id);
  json["blocked"] = node.contacts.is_blocked(id);
  return json;
}

bool is_away(Node& node, const OfferRecord& offer) {
  if (is_over(offer)) return false;
  const auto& pairs = node.sessions.pairs();
  const auto pair = pairs.find(offer.row.peer);
  if (pair != pairs.end() && pair->second->session) return false;
  // A node that was started for this command has not tried everybody.
  return node.lasting() || (pair != pairs.end() && pair->second->unreached.has_value());
}

Json offer_json(Node& node, const OfferRecord& offer) {
  const auto& row = offer.row;
  Json json;
  json["number"] = row.number;
  json["direction"] = offer.given() ? "out" : "in";
  json["state"] = row.state;
  json["peer"] = peer_json(node, row.peer);
  json["title"] = json_text(row.offer.title);
  json["note"] = json_text(row.offer.note);
  json["files"] = row.offer.files;
  json["folders"] = row.offer.folders;
  json["links"] = row.offer.links;
  json["bytes"] = row.offer.bytes;
  json["files_done"] = row.files_done;
  json["bytes_done"] = row.bytes_done;
  json["failed"] = row.failed;
  json["unreadable"] = row.unreadable;
  if (row.limit > 0) json["limit"] = row.limit;
  if (row.paused) json["paused"] = true;
  json["made"] = row.made;
  json["expires"] = row.expires;
  // What has ended here counts from now on, though the other side may not have heard yet.
  json["ended"] = row.ended == 0 && is_over(offer) ? std::time(nullptr) : row.ended;
  if (is_away(node, offer)) {
    json["away"] = true;
    add_unreached(json, node, row.peer);
  }
  if (const auto spent = time_spent_on(offer); spent.bytes > 0) json["speed"] = speed_json(spent);
  if (offer.sent_bytes > 0) json["sent_bytes"] = offer.sent_bytes;
  json["from_stranger"] = !offer.given() && !node.contacts.is_contact(row.peer);
  json["id"] = row.id.text();
  json["manifest"] = row.offer.manifest.text();
  const auto ours = node.services.identity->id().text();
  json["giver"] = offer.given() ? ours : row.peer.text();
  json["taker"] = offer.given() ? row.peer.text() : ours;
  if (offer.given()) {
    json["paths"] = paths_json(row.paths);
  } else if (!row.options.empty()) {
    json["to"] = json_bytes(plan_from_json(row.options).folder);
  }
  if (auto decided = Json::parse(row.decided_by, nullptr, false); decided.is_object())
    json["decided_by"] = std::move(decided);
  if (!row.outcome_text.empty()) json["text"] = json_text(row.outcome_text);
  if (!row.delivered_to.empty()) json["delivered"] = paths_json(row.delivered_to);
  if (!row.failures.empty()) {
    json["failures"] = Json::array();
    for (const auto& failure : row.failures) {
      const auto [path, why] = split_failure(failure.text);
      Json entry;
      entry["path"] = json_bytes(path);
      entry["text"] = json_text(why);
      json["failures"].push_back(std::move(entry));
    }
  }
  const bool not_noted = offer.given() && offer.is(state::pending);  // by a full disk there
  if (offer.trouble && (offer.is(state::active) || offer.is(state::preparing) || not_noted)) {
    Json trouble;
    trouble["code"] = json_text(offer.trouble->code);
    trouble["text"] = json_text(offer.trouble->text);
    trouble["missing"] = offer.trouble->missing;
    trouble["ours"] = offer.trouble_is_ours;
    if (!offer.trouble->folder.empty()) trouble["folder"] = json_bytes(offer.trouble->folder);
    if (offer.trouble->records) trouble["records"] = true;
    json["trouble"] = std::move(trouble);
  }
  if (row.paused && !json.contains("trouble") && offer.is(state::active)) {
    json["trouble"]["code"] = "paused";
    json["trouble"]["ours"] = true;
  }
  if (!offer.is(state::active)) return json;
  auto total = row.offer.bytes;
  if (offer.given()) {
    total = chosen_by_taker(node, row);
    json["chosen_bytes"] = total;
  }
  if (offer.taking && offer.taking->intake()) {
    const auto progress = offer.taking->intake()->progress();
    total = progress.chosen_bytes;
    json["bytes_done"] = progress.have_bytes;
    json["files_done"] = progress.have_files;
    json["chosen_bytes"] = progress.chosen_bytes;
    json["chosen_files"] = progress.chosen_files;
    json["resumed_bytes"] = progress.resumed_bytes;
  }
  if (const auto rate = offer.meter.rate(std::chrono::steady_clock::now()); rate >= 1) {
    json["rate"] = static_cast<std::uint64_t>(rate);
    json["eta"] = static_cast<std::uint64_t>(
        static_cast<double>(total - std::min(total, row.bytes_done)) / rate);
  }
  if (!offer.current.empty()) json["current"] = json_bytes(offer.current);
  const auto& pairs = node.sessions.pairs();
  const auto pair = pairs.find(row.peer);
  if (pair != pairs.end() && pair->second->session) json["route"] = pair->second->session->remote();
  json["lanes"] = offer.lanes;
  return json;
}

Json totals_json(const protocol::ManifestTotals& totals) {
  Json json;
  json["files"] = totals.files;
  json["folders"] = totals.folders;
  json["links"] = totals.links;
  json["bytes"] = totals.bytes;
  return json;
}

Json review_json(const storage::Review& review, const storage::LandingPlan& plan) {
  Json json;
  json["to"] = json_bytes(plan.folder);
  json["on_clash"] = storage::to_string(plan.on_clash);
  json["chosen"] = totals_json(review.chosen);
  json["all"] = totals_json(review.all);
  json["largest"] = Json::array();
  for (const auto& entry : review.largest) {
    Json one;
    one["path"] = json_bytes(entry.path);
    one["size"] = entry.size;
    json["largest"].push_back(std::move(one));
  }
  json["hidden_count"] = review.hidden_count;
  json["hidden"] = paths_json(review.hidden);
  json["executable_count"] = review.executable_count;
  json["executable"] = paths_json(review.executable);
  json["roots"] = paths_json(review.roots);
  json["root_count"] = review.root_count;
  json["clashing_roots"] = paths_json(review.clashing_roots);
  json["clashing_root_count"] = review.clashing_root_count;
  json["already_there"] = review.already_there;
  json["there_but_different"] = review.there_but_different;
  json["refused_count"] = review.refused_count;
  json["refused"] = paths_json(review.refused);
  json["free_bytes"] = review.free_bytes;
  json["capacity_bytes"] = review.capacity_bytes;
  json["needed_bytes"] = review.needed_bytes;
  json["folder_exists"] = review.folder_exists;
  json["folder_writable"] = !review.folder_refuses;
  return json;
}

}  // namespace peer::node
