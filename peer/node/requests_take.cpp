#include <algorithm>
#include <ctime>

#include "base/random.hpp"
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

storage::LandingPlan plan_of(Node& node, const Json& arguments) {
  auto plan = node.exchange.default_plan();
  if (const auto to = bytes_of(arguments, "to"); !to.empty()) plan.folder = to;
  plan.as = bytes_of(arguments, "as");
  plan.selection.only = byte_list_of(arguments, "only");
  plan.selection.except = byte_list_of(arguments, "except");
  plan.selection.entries = numbers_of(arguments, "entries");
  std::ranges::sort(plan.selection.entries);
  plan.durable = plan.durable || flag_of(arguments, "durable");
  if (const auto rule = bytes_of(arguments, "on_clash");
      !rule.empty() && !storage::parse_on_clash(rule, plan.on_clash)) {
    throw Failure(Exit::usage,
                  "--on-clash " + base::quoted(rule) + ": it is rename, skip, update or overwrite");
  }
  if (!plan.as.empty()) {
    auto name = protocol::RelativePath::parse(plan.as);
    if (!name || name->depth() != 1)
      throw Failure(Exit::usage, "--as " + base::quoted(plan.as) + ": it is one name, without /");
  }
  for (const auto& glob : plan.selection.only) {
    if (const auto wrong = storage::glob_error(glob); !wrong.empty())
      throw Failure(Exit::usage, "--only " + base::quoted(glob) + ": " + wrong);
  }
  for (const auto& glob : plan.selection.except) {
    if (const auto wrong = storage::glob_error(glob); !wrong.empty())
      throw Failure(Exit::usage, "--except " + base::quoted(glob) + ": " + wrong);
  }
  return plan;
}

/// What is being carried out goes on as it was accepted.
void refuse_other_plan(const OfferRecord& offer, const Json& arguments,
                       const storage::LandingPlan& plan) {
  const bool chosen =
      std::ranges::any_of(std::initializer_list<const char*>{"to", "as", "only", "except",
                                                             "entries", "on_clash", "durable"},
                          [&](const char* key) { return arguments.contains(key); });
  if (!offer.taking || !chosen || plan_to_json(plan) == plan_to_json(offer.taking->plan())) return;
  const auto number = std::to_string(offer.row.number);
  throw Failure(Exit::failed, "offer " + number + " is being received into " +
                                  base::quoted(offer.taking->plan().folder) +
                                  " already, with the options it was accepted with: peer accept " +
                                  number + " without options goes on, peer cancel " + number +
                                  " ends it");
}

asio::awaitable<void> add_giver(Node& node, protocol::PeerId id, std::string name) {
  storage::ContactRow row;
  if (const auto* known = node.contacts.find(id)) row = *known;
  const auto& pair = node.sessions.pair(id);
  row.id = id;
  row.name = std::move(name);
  row.calls_itself = pair.calls_itself;
  learn(row.addresses, pair.heard_at, Learned::heard, false, std::time(nullptr));
  if (row.added == 0) row.added = std::time(nullptr);
  co_await node.contacts.save(std::move(row));
}

std::string list_trouble(const OfferRecord& offer) {
  const auto number = std::to_string(offer.row.number);
  return "offer " + number + ": its list cannot be kept here: " + offer.trouble->text +
         ": mend that, then peer accept " + number;
}

asio::awaitable<Json> follow_one(Node& node, Request& request, OfferPtr offer) {
  co_await node.services.saved();
  std::vector<OfferPtr> followed;
  followed.push_back(std::move(offer));
  co_return co_await follow_or_number(node, request, std::move(followed));
}

}  // namespace

asio::awaitable<Json> do_accept(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  auto offer = co_await select_incoming(node, bytes_of(arguments, "offer"));
  if (offer->ended() ||
      offer->is(state::done)) {  // what was accepted and has arrived is told once more
    if (!offer->is(state::done))
      throw Failure(Exit::failed, "offer " + std::to_string(offer->row.number) +
                                      " cannot be accepted: it has ended (" + offer->row.state +
                                      "); peer history tells more");
    const auto to = bytes_of(arguments, "to");
    if (!to.empty() && to != plan_from_json(offer->row.options).folder)
      throw Failure(Exit::failed, "offer " + std::to_string(offer->row.number) +
                                      " has been received already, into " +
                                      base::quoted(plan_from_json(offer->row.options).folder) +
                                      ": move it from there, or ask for a new offer");
    co_return co_await follow_one(node, request, std::move(offer));
  }
  auto plan = plan_of(node, arguments);
  // Its list may still be on its way.
  bool asked_again = false;
  while (offer->is(state::preparing) && !request.stopped()) {
    if (offer->trouble && offer->trouble_is_ours && !offer->try_again) {
      if (asked_again) throw Failure(Exit::failed, list_trouble(*offer));
      asked_again = true;
      offer->try_again = true;
      node.services.changed.notify_all();
    }
    co_await node.services.changed.wait_for(kProgressEvery);
  }
  auto name = bytes_of(arguments, "add_contact");
  if (!name.empty()) check_name(node, name, &offer->row.peer);
  if (flag_of(arguments, "dry_run")) {
    auto seen = co_await node.exchange.review(offer, plan);
    Json result;
    result["review"] = review_json(seen, plan);
    co_return result;
  }
  refuse_other_plan(*offer, arguments, plan);
  if (arguments.contains("limit")) node.offers.set_limit(offer, number_of(arguments, "limit", 0));
  if (!name.empty()) co_await add_giver(node, offer->row.peer, std::move(name));
  co_await node.exchange.accept(offer, std::move(plan));
  co_return co_await follow_one(node, request, std::move(offer));
}

asio::awaitable<Json> do_reject(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  auto offer = select_offer(node, bytes_of(arguments, "offer"), WantOffer::incoming);
  const auto peer = offer->row.peer;
  node.exchange.reject(offer, "declined", bytes_of(arguments, "text"));
  Json result;
  result["number"] = offer->row.number;
  if (flag_of(arguments, "block")) {
    storage::ContactRow row;
    if (const auto* known = node.contacts.find(peer)) row = *known;
    row.id = peer;
    row.blocked = true;
    row.trusted = false;
    if (row.added == 0) row.added = std::time(nullptr);
    row.calls_itself = node.sessions.pair(peer).calls_itself;
    co_await node.contacts.save(std::move(row));
    if (const auto session = node.sessions.pair(peer).session) {
      // The rejection goes out first; then the door closes.
      co_await node.services.changed.wait_for(std::chrono::milliseconds(200));
      session->leave(protocol::Errc::not_accepted);
    }
    node.exchange.cancel_all_with(peer);
    co_await drop_rules(node, peer, DropRules::that_accept);
  }
  co_return result;
}

asio::awaitable<Json> do_get(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  auto plan = plan_of(node, arguments);
  protocol::Get get;
  get.request = base::random_request_id();
  auto open = std::make_shared<OpenGet>();
  for (auto& bytes : byte_list_of(arguments, "paths")) {
    while (bytes.size() > 1 && bytes.back() == '/') bytes.pop_back();
    auto path = protocol::RelativePath::parse(bytes);
    if (!path)
      throw Failure(Exit::usage, "get " + base::quoted(bytes) + ": " + path.error().text() +
                                     ": a path begins with a share's name (peer list PEER)");
    if (std::ranges::find(open->roots, path->name()) != open->roots.end())
      throw Failure(Exit::usage, "get " + base::quoted(bytes) + ": another path ends with " +
                                     base::quoted(path->name()) + " too: get them one by one");
    open->roots.emplace_back(path->name());
    get.paths.push_back(std::move(*path));
  }
  if (get.paths.empty())
    throw Failure(Exit::usage, "name at least one path: peer list PEER shows what there is");
  if (get.paths.size() > protocol::kMaxGetPaths)
    throw Failure(Exit::usage,
                  "at most " + std::to_string(protocol::kMaxGetPaths) + " paths at a time");
  auto session =
      co_await reach_peer(node, request, bytes_of(arguments, "peer"), flag_of(arguments, "yes"));
  auto& pair = session->pair();
  open->id = get.request;
  open->peer = pair.id;
  open->plan = plan;
  open->limit = number_of(arguments, "limit", 0);
  open->look_only = flag_of(arguments, "dry_run");
  auto& gets = node.exchange.open_gets();
  gets.push_back(open);
  pair.ledger.ask(get);
  // However this request ends, nothing is asked for any longer.
  const std::shared_ptr<void> asked(nullptr, [&gets, &pair, open](void*) {
    gets.remove(open);
    pair.ledger.answered(open->id);
  });
  if (pair.session) {
    pair.session->talk().sync(std::chrono::steady_clock::now());
    pair.session->flush();
  }
  // No limit of time: walking a large share may take long, and a lost session is dialled again.
  while (!open->offer && !open->seen && open->error.empty() && !request.stopped())
    co_await node.services.changed.wait_for(kProgressEvery);
  if (open->seen) {
    Json result;
    result["review"] = review_json(*open->seen, plan);
    co_return result;
  }
  if (!open->offer) {
    const bool unknown = open->error_code == protocol::wire_code(protocol::Errc::not_shared);
    const auto what = "get from " + node.contacts.called(pair.id) + ": ";
    if (request.stopped()) throw Failure(Exit::interrupted, what + "stopped");
    throw Failure(unknown ? Exit::unknown : open->exit,
                  what + (unknown ? "it says: " : "") + base::escaped(open->error));
  }
  co_return co_await follow_one(node, request, open->offer);
}

asio::awaitable<Json> do_list(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  auto path = bytes_of(arguments, "path");
  while (!path.empty() && path.back() == '/') path.pop_back();
  if (!path.empty()) {
    auto legal = protocol::RelativePath::parse(path);
    if (!legal)
      throw Failure(Exit::usage, "list " + base::quoted(path) + ": " + legal.error().text());
  }
  auto session =
      co_await reach_peer(node, request, bytes_of(arguments, "peer"), flag_of(arguments, "yes"));
  const auto show = [](Request& to,
                       std::vector<protocol::ListedEntry> page) -> asio::awaitable<void> {
    Json fields;
    fields["entries"] = Json::array();
    for (const auto& entry : page) {
      Json one;
      one["name"] = json_bytes(entry.name);
      one["kind"] = protocol::to_string(entry.kind);
      one["size"] = entry.size;
      one["mtime_ns"] = entry.mtime;
      fields["entries"].push_back(std::move(one));
    }
    to.event("listing", std::move(fields));
    co_await to.room();  // a peer that lists without end is not listened to faster than it is read
    if (to.stopped()) throw Failure(Exit::interrupted, "list: stopped");
  };
  std::function<asio::awaitable<void>(std::vector<protocol::ListedEntry>)> page =
      [&request, show](std::vector<protocol::ListedEntry> entries) {
        return show(request, std::move(entries));
      };
  co_await node.sharing.list(session->pair(), session, path, std::move(page));
  co_return Json::object();
}

}  // namespace peer::node
