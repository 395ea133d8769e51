#include "node/sharing.hpp"

#include <algorithm>
#include <utility>

#include "async/run_on.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "node/failure.hpp"
#include "node/offering.hpp"
#include "node/tasks.hpp"
#include "node/wire_text.hpp"
#include "storage/browse.hpp"

namespace peer::node {

using base::Exit;
using protocol::Errc;

namespace {

constexpr std::size_t kGetsRemembered = 4096;

/// "share/a/b" as the share's name and the rest.
std::pair<std::string, std::string> split_share(const std::string& path) {
  const auto slash = path.find('/');
  if (slash == std::string::npos) return {path, {}};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

Sharing::Sharing(Services& services, Contacts& contacts, Offers& offers, Exchange& exchange)
    : services_(services),
      contacts_(contacts),
      offers_(offers),
      exchange_(exchange),
      tasks_(services.io.get_executor(), log_task_error) {}

Result<void> Sharing::load() {
  auto rows = services_.database->shares();
  if (!rows) return std::move(rows).error();
  for (auto& row : *rows) shares_.emplace(row.name, row);
  return {};
}

asio::awaitable<void> Sharing::share(storage::ShareRow row) {
  shares_[row.name] = row;
  auto& database = *services_.database;
  auto job = [&database, &row] { return database.save(row); };
  auto saved = co_await async::run_on(services_.database_thread, std::move(job));
  if (!saved) throw Failure(Exit::failed, saved.error().text());
}

asio::awaitable<bool> Sharing::unshare(std::string name) {
  if (shares_.erase(name) == 0) co_return false;
  auto& database = *services_.database;
  auto job = [&database, &name] { return database.remove_share(name); };
  auto removed = co_await async::run_on(services_.database_thread, std::move(job));
  if (!removed) throw Failure(Exit::failed, removed.error().text());
  co_return true;
}

bool Sharing::may_see(const protocol::PeerId& peer, const storage::ShareRow& share) const {
  if (!contacts_.is_contact(peer) || contacts_.is_blocked(peer)) return false;
  if (share.with.empty()) return contacts_.is_verified(peer);
  return std::ranges::find(share.with, peer) != share.with.end();
}

const storage::ShareRow* Sharing::find(const protocol::PeerId& peer, std::string_view name) const {
  const auto it = shares_.find(std::string(name));
  return it != shares_.end() && may_see(peer, it->second) ? &it->second : nullptr;
}

// ---- asked by others

void Sharing::happened(Pair& pair, Session& session, protocol::Event event) {
  if (const auto* asked = std::get_if<protocol::ListAsked>(&event)) {
    tasks_.spawn("list", answer_list(pair, session.shared_from_this(), asked->list));
  } else if (const auto* got = std::get_if<protocol::GetAsked>(&event)) {
    tasks_.spawn("get", answer_get(pair, session.shared_from_this(), got->get));
  } else if (auto* came = std::get_if<protocol::ListingCame>(&event)) {
    if (const auto it = lists_.find(came->listing.request); it != lists_.end()) {
      it->second->listing = std::move(came->listing);
      it->second->answered = true;
    }
  } else if (const auto* trouble = std::get_if<protocol::Troubled>(&event);
             trouble && trouble->trouble.request) {
    const auto& why = trouble->trouble;
    if (const auto it = lists_.find(*why.request); it != lists_.end()) {
      it->second->error = why.text.empty() ? why.code : why.text;
      it->second->error_code = why.code;
      it->second->answered = true;
    }
    for (const auto& get : exchange_.open_gets()) {
      if (get->id != *why.request) continue;
      get->error = why.text.empty() ? why.code : why.text;
      get->error_code = why.code;
    }
  }
  services_.changed.notify_all();
}

void Sharing::refuse(Session& session, const protocol::RequestId& request, Errc code,
                     std::string about, std::string text) {
  if (session.over()) return;
  protocol::Trouble trouble;
  trouble.code = protocol::wire_code(code);
  trouble.text = wire_text(text, protocol::kMaxTextBytes);
  trouble.request = request;
  trouble.about = std::move(about);
  session.talk().trouble(trouble);
  session.flush();
}

asio::awaitable<void> Sharing::answer_list(Pair& pair, std::shared_ptr<Session> session,
                                           protocol::List list) {
  protocol::Listing listing;
  listing.request = list.request;
  if (list.path.empty()) {
    std::vector<storage::SharedPlace> places;
    for (const auto& [name, share] : shares_) {
      if (may_see(pair.id, share)) places.push_back({name, share.folder, {}});
    }
    auto job = [places = std::move(places), cursor = list.cursor] {
      return storage::browse_shares(places, cursor);
    };
    auto page = co_await async::run_on(services_.disk, std::move(job));
    listing.entries = std::move(page.entries);
    listing.cursor = std::move(page.cursor);
  } else {
    const auto [name, rest] = split_share(list.path);
    const auto* share = find(pair.id, name);
    if (!share) {
      refuse(*session, list.request, Errc::not_shared, "list", "not shared with you");
      co_return;
    }
    const auto& home = services_.home;
    storage::SharedPlace place{name, share->folder, {home.data_folder, home.state_folder}};
    auto job = [place = std::move(place), path = rest, cursor = list.cursor] {
      return storage::browse(place, path, cursor);
    };
    auto page = co_await async::run_on(services_.disk, std::move(job));
    if (!page) {
      refuse(*session, list.request, Errc::not_shared, "list", "not shared with you");
      co_return;
    }
    listing.entries = std::move(page->entries);
    listing.cursor = std::move(page->cursor);
  }
  if (session->over()) co_return;
  session->talk().listing(listing);
  session->flush();
}

/// The answer to a `get` is an offer of exactly what was asked.
asio::awaitable<void> Sharing::answer_get(Pair& pair, std::shared_ptr<Session> session,
                                          protocol::Get get) {
  const auto key = std::make_pair(pair.id, get.request);
  if (gets_walked_.contains(key)) co_return;  // the same request, its offer is being made
  // An open offer that answers it would have been repeated.
  if (gets_answered_.contains(key)) {
    refuse(*session, get.request, Errc::unknown_offer, "get",
           "the offer that answered it has ended");
    co_return;
  }
  std::set<std::string_view> names;
  for (const auto& path : get.paths) names.insert(path.name());
  if (names.size() != get.paths.size()) {
    refuse(*session, get.request, Errc::bad_message, "get", "two paths end with the same name");
    co_return;
  }
  gets_walked_.insert(key);
  const std::shared_ptr<void> walked(nullptr, [this, key](void*) { gets_walked_.erase(key); });
  storage::ScanOptions options;
  for (const auto& path : get.paths) {
    const auto [name, rest] = split_share(path.bytes());
    const auto* share = find(pair.id, name);
    Result<std::string> local(std::error_code(protocol::make_error_code(Errc::not_shared)));
    if (share) {
      auto job = [folder = share->folder, inner = rest] {
        return storage::resolve_shared(folder, inner);
      };
      local = co_await async::run_on(services_.disk, std::move(job));
    }
    if (!local) {
      refuse(*session, get.request, Errc::not_shared, "get",
             base::quoted(path.bytes()) + " is not shared with you");
      co_return;
    }
    // A link swapped in meanwhile must not lead out of the share; paths of several shares have been
    // confined one by one above.
    options.beneath =
        options.paths.empty() || options.beneath == share->folder ? share->folder : "";
    options.paths.push_back(std::move(*local));
    options.names.emplace_back(path.name());  // a share's folder may be called otherwise
  }
  std::string failed;
  try {
    storage::ScanProgress progress;
    scans_.insert(&progress);
    const std::shared_ptr<void> scanning(nullptr,
                                         [this, &progress](void*) { scans_.erase(&progress); });
    auto scanned = co_await scan_for_offer(services_, std::move(options), progress);
    const ScannedUse use(services_, scanned);
    OfferWords words;
    words.expires = protocol::kDefaultExpiry;
    words.get = get.request;
    if (gets_answered_.size() > kGetsRemembered) gets_answered_.clear();
    gets_answered_.insert(key);
    co_await make_offer(services_, offers_, exchange_, pair.id, scanned, std::move(words));
  } catch (const Failure& failure) {
    base::log(base::Level::warning, "sharing", failure.text());
    failed = "what was asked for cannot be read there";
  }
  if (failed.empty()) co_return;
  gets_answered_.erase(key);
  refuse(*session, get.request, Errc::disk, "get", failed);
}

// ---- asked by this user

asio::awaitable<void> Sharing::list(
    Pair& pair, std::shared_ptr<Session> session, std::string path,
    std::function<asio::awaitable<void>(std::vector<protocol::ListedEntry>)> page) {
  std::string cursor;
  do {
    protocol::List list;
    list.request = base::random_request_id();
    list.path = path;
    list.cursor = cursor;
    auto open = std::make_shared<OpenList>();
    lists_[list.request] = open;
    session->talk().list(list);
    session->flush();
    const auto give_up = std::chrono::steady_clock::now() + kAnswerTime;
    while (!open->answered && !session->over() && std::chrono::steady_clock::now() < give_up) {
      co_await services_.changed.wait_for(kProgressEvery);
    }
    lists_.erase(list.request);
    const auto who = contacts_.called(pair.id);
    if (!open->answered)
      throw Failure(Exit::timed_out,
                    who + " did not answer the question what it shares: try again");
    if (!open->error.empty()) {
      throw Failure(Exit::unknown, "list " + base::quoted(path) + " of " + who +
                                       ": it says: " + base::escaped(open->error));
    }
    auto shown = page(std::move(open->listing.entries));
    co_await std::move(shown);
    const bool moved = open->listing.cursor != cursor;
    cursor = open->listing.cursor;
    if (!moved) break;  // a cursor that stands still would never end
  } while (!cursor.empty());
}

asio::awaitable<void> Sharing::stop() {
  for (auto* progress : scans_) progress->stop = true;
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace peer::node
