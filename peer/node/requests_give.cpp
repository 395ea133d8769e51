#include <algorithm>
#include <asio/this_coro.hpp>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/offering.hpp"
#include "node/requests.hpp"

namespace peer::node {

using base::Exit;
using Json = nlohmann::json;

namespace {

storage::ScanOptions scan_options(const Json& arguments) {
  storage::ScanOptions options;
  options.paths = byte_list_of(arguments, "paths");
  if (auto as = bytes_of(arguments, "as"); !as.empty()) options.names.push_back(std::move(as));
  options.selection.only = byte_list_of(arguments, "only");
  options.selection.except = byte_list_of(arguments, "except");
  const auto links = bytes_of(arguments, "links");
  if (links == "all") options.links = storage::Links::all;
  if (links == "follow") options.links = storage::Links::follow;
  for (const auto& glob : options.selection.only) {
    if (const auto wrong = storage::glob_error(glob); !wrong.empty())
      throw Failure(Exit::usage, "--only " + base::quoted(glob) + ": " + wrong);
  }
  for (const auto& glob : options.selection.except) {
    if (const auto wrong = storage::glob_error(glob); !wrong.empty())
      throw Failure(Exit::usage, "--except " + base::quoted(glob) + ": " + wrong);
  }
  return options;
}

Json left_out_json(const std::vector<storage::LeftOut>& list) {
  auto json = Json::array();
  for (const auto& one : list) {
    Json entry;
    entry["path"] = json_bytes(one.path);
    entry["why"] = json_text(one.why);
    json.push_back(std::move(entry));
  }
  return json;
}

Json scan_json(const storage::ScanReport& report) {
  auto json = totals_json(report.totals);
  json["left_out"] = left_out_json(report.left_out);
  json["left_out_count"] = report.left_out_count;
  json["unreadable"] = left_out_json(report.unreadable);
  json["unreadable_count"] = report.unreadable_count;
  json["hard_link_copies"] = report.hard_link_copies;
  json["hard_link_bytes"] = report.hard_link_bytes;
  json["other_owners"] = report.other_owners;
  json["acls_or_xattrs"] = report.acls_or_xattrs;
  return json;
}

/// Tells the client how the walk goes on, until it is stopped.
asio::awaitable<void> show_scan(Node& node, Request& request, storage::ScanProgress& progress) {
  auto next = std::chrono::steady_clock::now() + kProgressEvery;
  for (;;) {
    co_await node.services.changed.wait_for(kProgressEvery);
    if (request.stopped()) progress.stop = true;
    if (std::chrono::steady_clock::now() < next) continue;
    next = std::chrono::steady_clock::now() + kProgressEvery;
    Json fields;
    fields["files"] = progress.files.load();
    fields["bytes"] = progress.bytes.load();
    request.event("scanning", std::move(fields));
  }
}

void log_nothing(std::string_view, std::exception_ptr) {}

asio::awaitable<Scanned> scan_shown(Node& node, Request& request, storage::ScanOptions options) {
  storage::ScanProgress progress;
  async::TaskGroup showing(node.services.io.get_executor(), log_nothing);
  showing.spawn("show scan", show_scan(node, request, progress));
  std::exception_ptr failed;
  std::optional<Scanned> scanned;
  try {
    auto walked = co_await scan_for_offer(node.services, std::move(options), progress);
    scanned.emplace(std::move(walked));
  } catch (...) {
    failed = std::current_exception();
  }
  showing.cancel();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await showing.join();
  co_await asio::this_coro::throw_if_cancelled(true);
  if (failed) std::rethrow_exception(failed);
  co_return std::move(*scanned);
}

/// What may be told of one recipient before its offer goes out: the way there, or why it waits.
asio::awaitable<Json> route_json(Node& node, Request& request, protocol::PeerId id) {
  Json route;
  const auto why = co_await await_session(node, request, id);
  const auto session = node.sessions.pair(id).session;
  route["away"] = !session;
  route["text"] =
      session ? "to " + node.contacts.called(id) + " via " + session->remote() : json_text(why);
  co_return route;
}

OfferWords words_of(const Json& arguments) {
  OfferWords words;
  words.note = bytes_of(arguments, "note");
  words.expires = std::chrono::seconds(number_of(
      arguments, "expires", static_cast<std::uint64_t>(protocol::kDefaultExpiry.count())));
  words.expires = std::min<std::chrono::seconds>(words.expires, protocol::kMaxExpiry);
  return words;
}

/// The one offer of what was scanned to each: the same that is open already, or a new one.
asio::awaitable<std::vector<OfferPtr>> offer_to(Node& node, Request& request,
                                                std::vector<protocol::PeerId> peers,
                                                Scanned scanned) {
  const auto& arguments = request.arguments();
  const ScannedUse use(node.services, scanned);
  std::vector<OfferPtr> offers;
  for (const auto& peer : peers) {
    auto route = co_await route_json(node, request, peer);
    OfferPtr offer;
    if (!flag_of(arguments, "again"))
      offer = co_await same_offer(node.services, node.offers, peer, scanned);
    route["again"] = offer != nullptr;
    if (!offer) {
      auto words = words_of(arguments);
      offer = co_await make_offer(node.services, node.offers, node.exchange, peer, scanned,
                                  std::move(words));
    }
    if (arguments.contains("limit")) node.offers.set_limit(offer, number_of(arguments, "limit", 0));
    co_await node.services.saved();
    route["number"] = offer->row.number;
    route["peer"] = peer_json(node, peer);
    request.event("offered", std::move(route));
    offers.push_back(std::move(offer));
  }
  co_return offers;
}

}  // namespace

asio::awaitable<Json> do_offer(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  auto options = scan_options(arguments);
  const bool dry_run = flag_of(arguments, "dry_run");
  std::vector<protocol::PeerId> peers;
  if (!dry_run) {
    auto words = byte_list_of(arguments, "peers");
    auto found =
        co_await find_recipients(node, request, std::move(words), flag_of(arguments, "yes"));
    peers = std::move(found);
  }
  auto scanned = co_await scan_shown(node, request, std::move(options));
  request.event("scanned", scan_json(scanned.report));
  if (dry_run) {
    discard(node.services, scanned);
    Json result;
    result["scan"] = scan_json(scanned.report);
    co_return result;
  }
  const bool several = peers.size() > 1;
  auto offers = co_await offer_to(node, request, std::move(peers), std::move(scanned));
  auto result = co_await follow_or_number(node, request, std::move(offers));
  // One answer for all: whether all of them took it.
  if (several && result.contains("exit") && result["exit"] != 0)
    result["exit"] = static_cast<int>(Exit::partly);
  co_return result;
}

}  // namespace peer::node
