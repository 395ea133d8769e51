#include "node/node.hpp"

#include <filesystem>
#include <limits>
#include <set>
#include <utility>

#include "async/run_on.hpp"
#include "async/sleep.hpp"
#include "base/memory.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "net/network_watch.hpp"
#include "node/known_addresses.hpp"
#include "node/tasks.hpp"

namespace peer::node {

namespace {

constexpr std::chrono::milliseconds kPortPause{200};
constexpr std::chrono::seconds kContactsLook{20};
constexpr std::chrono::minutes kForgetEvery{1};
constexpr std::chrono::hours kSpoolKept{24};  ///< a command may be about to offer what it spooled
constexpr storage::UnixTime kEndOfTime = std::numeric_limits<storage::UnixTime>::max();

/// Copies of standard input that belong to no offer: the command was killed before it made one.
void remove_left_spool(const base::Home& home, const Offers& offers) {
  std::set<std::string> used;
  for (const auto& [number, offer] : offers.open())
    used.insert(offer->row.paths.begin(), offer->row.paths.end());
  const auto old = std::filesystem::file_time_type::clock::now() - kSpoolKept;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(home.spool, error)) {
    std::error_code ignored;
    if (!used.contains(entry.path().string()) && entry.last_write_time(ignored) < old)
      std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace

Node::Node(asio::io_context& io, base::Home home, bool lasting)
    : services(io, std::move(home)),
      contacts(services),
      policies(services, contacts),
      offers(services),
      exchange(services, contacts, policies, offers),
      sessions(services, contacts, exchange),
      sharing(services, contacts, offers, exchange),
      discovery(
          io.get_executor(), services.nearby, [this] { return saying(); },
          [this] { nearby_changed(); }),
      door(services, contacts),
      lasting_(lasting),
      tasks_(io.get_executor(), log_task_error) {
  exchange.use(sessions);
  exchange.on_request = [this](Pair& pair, Session& session, protocol::Event event) {
    sharing.happened(pair, session, std::move(event));
  };
  sessions.on_pair = [this](std::unique_ptr<net::TlsStream> stream, protocol::Pair first,
                            std::string rest) {
    return door.visit(std::move(stream), std::move(first), std::move(rest));
  };
  door.slot_changed = [this] { discovery.renew(); };
  door.port = [this] { return port(); };
  services.nearby.is_known = [this](const protocol::PeerId& id) { return contacts.is_contact(id); };
  sessions.has_business = [this](const Pair& pair) { return has_business(pair); };
}

Node::~Node() = default;

Result<void> Node::open() {
  auto settings = base::Settings::load(services.home.config_file);
  if (!settings) return std::move(settings).error();
  services.settings = std::move(*settings);
  set_limits();
  auto identity = trust::Identity::load_or_make(services.home.identity_file);
  if (!identity) return std::move(identity).error();
  services.identity = std::move(*identity);
  services.tls =
      std::make_unique<net::TlsContext>(services.identity->key(), services.identity->certificate());
  services.instance = base::random_instance();
  auto database = storage::Database::open(services.home.database_file);
  if (!database) return std::move(database).error();
  services.database = std::move(*database);
  if (auto loaded = contacts.load(); !loaded) return loaded;
  if (auto loaded = policies.load(); !loaded) return loaded;
  if (auto loaded = offers.load(); !loaded) return loaded;
  if (auto loaded = sharing.load(); !loaded) return loaded;
  remove_left_spool(services.home, offers);
  ended_from_ = std::time(nullptr) - protocol::kEndedIdsKept.count();
  auto ended = services.database->ended_between(ended_from_, kEndOfTime);
  if (!ended) return std::move(ended).error();
  for (const auto& offer : *ended)
    sessions.pair(offer.peer).ledger.restore_ended(offer.id, {offer.direction, offer.outcome});
  return {};
}

void Node::start() {
  started_ = true;
  exchange.restore();
  tasks_.spawn("contacts", node::lasting("contacts", [this] { return keep_contacts(); }));
  tasks_.spawn("network", net::watch_network([this] {
                 sessions.network_changed();
                 dial_contacts();
                 discovery.renew();
               }));
  tasks_.spawn("discovery", discovery.run());
  tasks_.spawn("forget", node::lasting("forget", [this] { return keep_forgetting(); }));
}

asio::awaitable<void> Node::keep_contacts() {
  for (;;) {
    dial_contacts();
    co_await services.changed.wait_for(kContactsLook);
  }
}

asio::awaitable<void> Node::keep_forgetting() {
  for (;;) {
    co_await async::sleep(kForgetEvery);
    co_await forget();
  }
}

/// What is kept of ended offers for 30 days, in memory too; and of strangers that only said hello.
asio::awaitable<void> Node::forget() {
  const auto until = std::time(nullptr) - protocol::kEndedIdsKept.count();
  auto& database = *services.database;
  auto job = [&database, from = ended_from_, until] { return database.ended_between(from, until); };
  auto ended = co_await async::run_on(services.database_thread, std::move(job));
  if (ended) {
    ended_from_ = until;
    for (const auto& offer : *ended) sessions.pair(offer.peer).ledger.forget_ended(offer.id);
  }
  forget_history();
  sessions.forget_strangers();
  asio::post(services.disk, base::give_back_memory);  // what a burst needed
}

bool Node::has_business(const Pair& pair) const {
  if (contacts.is_blocked(pair.id)) return false;
  return exchange.has_business(pair) || (lasting_ && keeps_session(pair.id));
}

/// Also where there is nothing to say: so that a side that cannot be dialled is reached at once.
bool Node::keeps_session(const protocol::PeerId& id) const {
  const auto* row = contacts.find(id);
  if (!row || row->name.empty()) return false;
  if (!worth_a_session(row->addresses) && !services.nearby.find(id)) return false;
  const auto& with = services.settings.sessions;
  return with == "contacts" || (with == "trusted" && row->trusted);
}

/// Keeps a session to everyone there is something to say to, and in a lasting node to every contact
/// with an address.
void Node::dial_contacts() {
  for (const auto& [id, row] : contacts.all()) {
    auto& pair = sessions.pair(id);
    if (!pair.session && has_business(pair)) sessions.keep_trying(pair);
  }
  for (const auto& [id, pair] : sessions.pairs()) {
    if (!pair->session && !pair->heard_at.empty() && has_business(*pair))
      sessions.keep_trying(*pair);
  }
}

/// What is told of ended offers goes after the time of the settings; their ids after 30 days.
void Node::forget_history() {
  const auto now = std::time(nullptr);
  const auto told = now + 1 - storage::UnixTime{services.settings.history_days} * 24 * 3600;
  services.save_later("forget the history", [told, ids = ended_from_](storage::Database& database) {
    if (auto cleared = database.clear_history(told, std::nullopt); !cleared)
      return Result<void>(std::move(cleared).error());
    return database.forget_cleared(ids);
  });
}

asio::awaitable<void> Node::stop() {
  discovery.leave();
  for (auto& listener : listeners_) listener->close();
  tasks_.cancel();
  co_await tasks_.join();
  co_await sharing.stop();
  co_await exchange.stop();
  co_await sessions.stop();
  services.database_thread.join();  // it hands the records of what has ended to the other
  services.disk.join();
}

asio::awaitable<Result<void>> Node::listen(std::vector<std::string> addresses, std::uint16_t port,
                                           bool must) {
  for (const auto& listener : listeners_) {
    if (port != 0 && listener->port() == port) co_return Result<void>();
  }
  const auto give_up = std::chrono::steady_clock::now() + kPortRetry;
  auto opened = net::Listener::open(services.io.get_executor(), addresses, port);
  while (!opened && must && opened.error().code == std::errc::address_in_use &&
         std::chrono::steady_clock::now() < give_up) {
    co_await services.changed.wait_for(kPortPause);
    for (const auto& listener : listeners_) {
      if (port != 0 && listener->port() == port)
        co_return Result<void>();  // another command was quicker
    }
    opened = net::Listener::open(services.io.get_executor(), addresses, port);
  }
  if (!opened) co_return std::move(opened).error();
  auto* listener = opened->get();
  listeners_.push_back(std::move(*opened));
  sessions.set_port(this->port());
  tasks_.spawn("listen", listener->run([this](asio::ip::tcp::socket socket) {
    sessions.welcome(std::move(socket));
  }));
  discovery.renew();
  co_return Result<void>();
}

std::vector<std::string> Node::reachable_at() const {
  std::vector<std::string> all;
  for (const auto& listener : listeners_) {
    for (auto& address : listener->reachable_at()) all.push_back(std::move(address));
  }
  return all;
}

Result<void> Node::reload() {
  auto settings = base::Settings::load(services.home.config_file);
  if (!settings) return std::move(settings).error();
  services.settings = std::move(*settings);
  set_limits();
  if (!downloads_told_.empty()) services.settings.downloads = downloads_told_;
  policies.read();
  forget_history();
  discovery.renew();
  services.changed.notify_all();
  return {};
}

void Node::set_limits() {
  const auto rate = base::parse_rate(services.settings.limit).value_or(0);
  services.giving_limit.set(rate);
  services.taking_limit.set(rate);
}

void Node::land_in(const std::string& folder) {
  downloads_told_ = folder;
  services.settings.downloads = folder;
}

void Node::set_lasting() {
  lasting_ = true;
  services.changed.notify_all();
  if (started_) dial_contacts();
}

}  // namespace peer::node
