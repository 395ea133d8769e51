#include <algorithm>
#include <ctime>

#include "async/run_on.hpp"
#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/requests.hpp"

namespace peer::node {

using base::Exit;
using Json = nlohmann::json;

namespace {

constexpr std::size_t kEntriesOnPage = 200;  ///< of the longest paths still fit one message
constexpr std::size_t kPageBytes = 128 * 1024;
constexpr std::uint64_t kHistoryMost = 1000;

Json entry_json(const storage::PlacedEntry& placed) {
  const auto& entry = placed.entry;
  Json json;
  json["index"] = placed.index;
  json["path"] = json_bytes(entry.path);
  json["kind"] = protocol::to_string(entry.kind);
  json["size"] = entry.size;
  json["mode"] = entry.mode;
  json["mtime_ns"] = entry.mtime;
  if (entry.kind == protocol::Kind::link) json["target"] = json_bytes(entry.target);
  return json;
}

/// Every entry of an offer's record, page by page.
asio::awaitable<void> send_entries(Node& node, Request& request, OfferPtr offer) {
  auto catalogue = storage::Catalogue::open(offer->folder);
  if (!catalogue) throw Failure(Exit::failed, catalogue.error().text());
  auto cursor = (*catalogue)->cursor();
  bool more = true;
  while (more && !request.stopped()) {
    auto* walk = cursor.get();
    auto job = [walk, &more]() -> Result<Json> {
      auto page = Json::array();
      std::size_t bytes = 0;
      while (page.size() < kEntriesOnPage && bytes < kPageBytes) {
        storage::PlacedEntry placed;
        auto next = walk->next(placed);
        if (!next) return std::move(next).error();
        if (!*next) {
          more = false;
          break;
        }
        bytes += 6 * (placed.entry.path.size() + placed.entry.target.size());
        page.push_back(entry_json(placed));
      }
      return page;
    };
    co_await request.room();
    auto page = co_await async::run_on(node.services.disk, std::move(job));
    if (!page) throw Failure(Exit::failed, page.error().text());
    Json fields;
    fields["entries"] = std::move(*page);
    request.event("entries", std::move(fields));
  }
}

/// Whether to keep what is complete, asked where something would be removed.
asio::awaitable<bool> ask_to_remove(Node& node, Request& request, OfferPtr offer) {
  Json question;
  question["offer"] = offer_json(node, *offer);
  const auto answer = co_await request.ask("cancel", std::move(question));
  if (answer != "remove" && answer != "keep")
    throw Failure(Exit::failed, "offer " + std::to_string(offer->row.number) + " goes on");
  co_return answer == "keep";
}

/// The offer that the request names, after `change`.
Json changed(Node& node, Request& request, void (Exchange::*change)(const OfferPtr&)) {
  const auto offer = select_offer(node, bytes_of(request.arguments(), "offer"), WantOffer::any);
  (node.exchange.*change)(offer);
  Json result;
  result["offer"] = offer_json(node, *offer);
  return result;
}

}  // namespace

asio::awaitable<Json> do_offers(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  Json result;
  if (!arguments.contains("offer")) {
    result["offers"] = Json::array();
    for (const auto& [number, offer] : node.offers.open()) {
      if (offer->is(state::preparing) || offer->is(state::pending) || offer->is(state::active) ||
          offer->is(state::partial)) {
        result["offers"].push_back(offer_json(node, *offer));
      }
    }
    co_return result;
  }
  const auto kind = bytes_of(arguments, "want");
  const auto want = kind == "incoming"   ? WantOffer::incoming
                    : kind == "outgoing" ? WantOffer::outgoing
                                         : WantOffer::any;
  auto offer = select_offer(node, bytes_of(arguments, "offer"), want);
  const bool listed = offer->given() || offer->row.manifest_here;
  if (flag_of(arguments, "entries") && listed) co_await send_entries(node, request, offer);
  result["offer"] = offer_json(node, *offer);
  if (!offer->given() && listed && (offer->is(state::pending) || offer->is(state::partial))) {
    const auto plan = node.exchange.default_plan();
    auto seen = co_await node.exchange.review(offer, plan);
    result["review"] = review_json(seen, plan);
  }
  co_return result;
}

asio::awaitable<Json> do_cancel(Node& node, Request& request) {
  auto offer = select_offer(node, bytes_of(request.arguments(), "offer"), WantOffer::any);
  bool keep = flag_of(request.arguments(), "keep");
  if (keep && offer->given()) {
    throw Failure(Exit::usage,
                  "offer " + std::to_string(offer->row.number) +
                      " is yours: what has arrived of it lies at the other side, where "
                      "'peer cancel --keep' keeps what is complete. Cancel it without "
                      "--keep, or leave that to them");
  }
  const bool staged = !offer->given() && offer->is(state::active);
  const auto intake = offer->taking ? offer->taking->intake() : nullptr;
  const bool arrived =
      intake ? intake->progress().have_bytes > 0 : staged && offer->row.bytes_done > 0;
  if (flag_of(request.arguments(), "ask") && !keep && arrived)
    keep = co_await ask_to_remove(node, request, offer);
  auto done = co_await node.exchange.cancel(offer, keep);
  Json result;
  result["number"] = offer->row.number;
  result["kept"] = json_byte_list(done.kept);
  result["removed_bytes"] = done.removed_bytes;
  if (!done.left_in.empty()) result["left_in"] = json_bytes(done.left_in);
  co_return result;
}

asio::awaitable<Json> do_pause(Node& node, Request& request) {
  co_return changed(node, request, &Exchange::pause);
}

asio::awaitable<Json> do_resume(Node& node, Request& request) {
  co_return changed(node, request, &Exchange::resume);
}

asio::awaitable<Json> do_wait(Node& node, Request& request) {
  auto selectors = byte_list_of(request.arguments(), "offers");
  if (selectors.empty()) selectors.emplace_back();
  std::vector<OfferPtr> offers;
  for (const auto& selector : selectors) {
    auto offer = co_await select_any_offer(node, selector);
    offers.push_back(std::move(offer));
  }
  co_return co_await follow(node, request, std::move(offers));
}

/// What was decided and the other side has not heard yet belongs to the history too: it counts as
/// the latest. Newest first.
std::vector<storage::OfferRow> unheard(const Node& node,
                                       const std::optional<protocol::PeerId>& peer,
                                       std::uint64_t before) {
  const auto& open = node.offers.open();
  std::vector<storage::OfferRow> rows;
  for (const auto& [number, offer] : open) {
    const bool fits = (!peer || offer->row.peer == *peer) &&
                      (before == 0 || (open.contains(before) && number < before));
    if (fits && is_settled(*offer) && !offer->is(state::active) && !offer->is(state::partial))
      rows.push_back(offer->row);
  }
  std::ranges::reverse(rows);
  return rows;
}

asio::awaitable<Json> do_history(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  std::optional<protocol::PeerId> peer;
  if (const auto word = bytes_of(arguments, "peer"); !word.empty()) peer = known_peer(node, word);
  const auto before = number_of(arguments, "before");
  const auto limit =
      static_cast<std::size_t>(std::min(number_of(arguments, "limit", 50), kHistoryMost));
  auto rows = unheard(node, peer, before);
  auto& database = *node.services.database;
  auto job = [&database, before, limit, peer] { return database.history(before, limit, peer); };
  const auto ended = co_await async::run_on(node.services.database_thread, std::move(job));
  if (!ended) throw Failure(Exit::failed, ended.error().text());
  std::erase_if(rows, [&](const auto& row) {  // it was heard meanwhile
    return std::ranges::find(*ended, row.number, &storage::OfferRow::number) != ended->end();
  });
  rows.insert(rows.end(), ended->begin(), ended->end());
  if (rows.size() > limit) rows.resize(limit);
  // Pages of some rows each: a row with many failures is long.
  Json result;
  result["offers"] = Json::array();
  for (auto& row : rows) {
    OfferRecord offer;
    offer.row = std::move(row);
    Json fields;
    fields["offers"] = Json::array({offer_json(node, offer)});
    request.event("history", std::move(fields));
  }
  co_return result;
}

asio::awaitable<Json> do_clear_history(Node& node, Request& request) {
  std::optional<protocol::PeerId> peer;
  if (const auto word = bytes_of(request.arguments(), "peer"); !word.empty())
    peer = known_peer(node, word);
  auto& database = *node.services.database;
  const auto until = std::time(nullptr) + 1;  // those of this very second too
  auto job = [&database, until, peer] { return database.clear_history(until, peer); };
  auto cleared = co_await async::run_on(node.services.database_thread, std::move(job));
  if (!cleared) throw Failure(Exit::failed, cleared.error().text());
  Json result;
  result["cleared"] = *cleared;
  co_return result;
}

}  // namespace peer::node
