#include "node/sessions.hpp"

#include <algorithm>
#include <asio/error.hpp>
#include <asio/steady_timer.hpp>
#include <random>
#include <utility>

#include "async/run_on.hpp"
#include "async/with_timeout.hpp"
#include "base/text.hpp"
#include "net/dial.hpp"
#include "node/tasks.hpp"

namespace peer::node {

using protocol::Errc;
using std::chrono::steady_clock;

namespace {

constexpr char kAgent[] = "peer/" PEER_VERSION;

}  // namespace

std::string dial_text(const std::string& who, const std::string& where, const Error& error) {
  const auto host = base::escaped(where);
  const auto what = who == where ? host : who + ": " + host;
  if (error.code == std::errc::connection_refused)
    return what + " refused the connection: is 'peer start' running there?";
  if (error.code == std::errc::timed_out || error.code == std::errc::host_unreachable) {
    const auto port = base::escaped(where.substr(where.rfind(':') + 1));
    return (who == where ? "" : who + ": ") + "no answer from " + host +
           ": is it on, and may a firewall drop TCP there? (there: sudo ufw allow " + port +
           "/tcp)";
  }
  if (error.code == asio::error::host_not_found)
    return what + " cannot be reached: no host has that name (is it spelt right?)";
  if (error.code == asio::error::host_not_found_try_again)
    return what + " cannot be reached: its name could not be looked up now; is there a network?";
  // What was tried holds the reason already.
  return what + " cannot be reached: " +
         base::escaped(error.context.empty() ? error.text() : error.context);
}

Sessions::Sessions(Services& services, Contacts& contacts, SessionUser& next)
    : services_(services),
      contacts_(contacts),
      next_(next),
      tasks_(services.io.get_executor(), log_task_error) {}

Sessions::~Sessions() = default;

Pair& Sessions::pair(const protocol::PeerId& id) {
  auto& slot = pairs_[id];
  if (!slot) slot = std::make_unique<Pair>(id);
  return *slot;
}

void Sessions::forget_strangers() {
  std::erase_if(pairs_, [&](const auto& entry) {
    const Pair& pair = *entry.second;
    // A peer that we dialled may still hold the session, and knows our last dial number.
    const bool busy = pair.sessions > 0 || pair.dials > 0 || pair.dialling ||
                      pair.waiting_lanes > 0 || !pair.lanes.empty();
    return !busy && pair.ledger.empty() && !contacts_.is_contact(pair.id);
  });
}

protocol::Hello Sessions::hello_for(const Pair& pair, std::uint64_t dial) const {
  protocol::Hello hello;
  hello.features = {"lanes", "xxh3", "zeros"};
  if (!services_.settings.hidden || contacts_.is_contact(pair.id))
    hello.name = services_.settings.name;
  hello.agent = kAgent;
  hello.port = port_;
  hello.instance = services_.instance;
  hello.dial = dial;
  hello.limits.message_bytes =
      contacts_.is_contact(pair.id) ? protocol::kMaxMessageBytes : protocol::kMinMessageBytes;
  return hello;
}

// ---- going out

asio::awaitable<Reached> Sessions::connect(trust::Address address,
                                           std::optional<protocol::PeerId> expected) {
  Reached reached;
  const auto where = address.text();
  auto socket = co_await net::dial(address.host, address.port, kDialTime);
  if (!socket) {
    reached.code = socket.error().code;
    reached.text = socket.error().text();
    co_return reached;
  }
  auto stream = std::make_unique<net::TlsStream>(std::move(*socket), *services_.tls,
                                                 net::TlsStream::Side::client);
  auto shaken = co_await async::with_timeout(stream->handshake(), protocol::kHandshakeTime);
  if (!shaken) {
    reached.code = shaken.error().code;
    reached.text = shaken.error().text();
    co_return reached;
  }
  const auto id = stream->peer_id();
  if (expected && id != *expected) {
    reached.met = id;
    reached.text = "another identity answers there";
    co_return reached;
  }
  if (id == services_.identity->id()) {
    reached.code = std::make_error_code(std::errc::invalid_argument);
    reached.text = "that is this peer itself";
    co_return reached;
  }
  auto& with = pair(id);
  if (with.session && !with.session->over()) {
    reached.session = with.session;
    co_return reached;
  }
  if (stopping_) {
    reached.code = std::make_error_code(std::errc::operation_canceled);
    reached.text = "this peer is stopping";
    co_return reached;
  }
  auto session = begin(with, std::move(stream), ++with.dials, {}, where);
  tasks_.spawn("session " + where, run_session(session));
  while (!session->greeted() && !session->over()) co_await services_.changed.wait_for(kLook);
  // Of crossed sessions this one may have lost by now; the pair's is the one to use.
  if (with.session && !with.session->over()) {
    reached.session = with.session;
  } else {
    reached.code = std::make_error_code(std::errc::connection_reset);
    reached.text =
        "it closed the connection without a greeting: it may have blocked this peer, or takes no "
        "more strangers";
  }
  co_return reached;
}

asio::awaitable<Reached> Sessions::reach(Pair& pair) {
  Reached last;
  std::vector<std::string> addresses;
  if (const auto* row = contacts_.find(pair.id)) addresses = row->addresses;
  if (!pair.heard_at.empty()) addresses.push_back(pair.heard_at);
  const auto who = contacts_.called(pair.id);
  last.code = std::make_error_code(std::errc::host_unreachable);
  last.text =
      who + ": no address is known; give one: peer add NAME ADDRESS, or let it dial this peer";
  for (const auto& text : addresses) {
    if (pair.session && !pair.session->over()) break;
    auto address = trust::parse_address(text, protocol::kDefaultPort);
    if (!address) continue;
    auto reached = co_await connect(*address, pair.id);
    if (reached.session) co_return reached;
    if (!reached.met)
      reached.text = dial_text(who, address->text(), Error(reached.code, reached.text));
    if (reached.met || !last.met) last = std::move(reached);
  }
  if (pair.session && !pair.session->over()) {
    Reached there;
    there.session = pair.session;
    co_return there;
  }
  co_return last;
}

void Sessions::keep_trying(Pair& pair) {
  if (pair.dialling || stopping_) return;
  pair.dialling = true;
  tasks_.spawn("redial", redial(pair));
}

asio::awaitable<void> Sessions::redial(Pair& pair) {
  static thread_local std::minstd_rand jitter{std::random_device{}()};
  auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(kRedialFirst);
  while (!stopping_ && has_business(pair) && !contacts_.is_blocked(pair.id)) {
    if (pair.session && !pair.session->over()) break;
    auto reached = co_await reach(pair);
    if (reached.session) break;
    const auto spread = std::uniform_int_distribution<int>(80, 120)(jitter);
    const auto until = steady_clock::now() + pause * spread / 100;
    while (!stopping_ && steady_clock::now() < until && !pair.session)
      co_await services_.changed.wait_for(until - steady_clock::now());
    pause = std::min(pause * 2, std::chrono::duration_cast<std::chrono::milliseconds>(kRedialMost));
  }
  pair.dialling = false;
}

// ---- sessions

std::shared_ptr<Session> Sessions::begin(Pair& pair, std::unique_ptr<net::TlsStream> stream,
                                         std::uint64_t dial, std::string first,
                                         std::string address) {
  auto session =
      std::make_shared<Session>(services_, pair, *this, std::move(stream), hello_for(pair, dial),
                                std::move(first), std::move(address));
  if (!contacts_.is_contact(pair.id)) session->talk().bound_output(kStrangerOutputBytes);
  sessions_.push_back(session);
  return session;
}

asio::awaitable<void> Sessions::run_session(std::shared_ptr<Session> session) {
  co_await session->run();
  std::erase(sessions_, session);
  services_.changed.notify_all();
}

void Sessions::happened(Pair& pair, Session& session, protocol::Event event) {
  if (const auto* hello = std::get_if<protocol::Greeted>(&event)) {
    pair.calls_itself = hello->hello.name;
    if (hello->hello.port != 0) {
      auto from = trust::parse_address(session.remote(), hello->hello.port);
      if (from) {
        from->port = hello->hello.port;
        pair.heard_at = from->text();
      }
    }
    contacts_.seen(pair.id, hello->hello.name, session.dialled_at());
    greeted(pair, session);
  }
  if (const auto* over = std::get_if<protocol::Over>(&event)) {
    base::log(base::Level::info, "sessions",
              contacts_.called(pair.id) + " at " + session.remote() + ": " + over->error.text());
  }
  next_.happened(pair, session, std::move(event));
}

void Sessions::greeted(Pair& pair, Session& session) {
  const auto fresh = session.shared_from_this();
  const auto old = pair.session;
  if (!old || old->over() || old == fresh) {
    pair.session = fresh;
    services_.changed.notify_all();
    return;
  }
  switch (protocol::which_stays(old->key(), fresh->key(), services_.identity->id() < pair.id)) {
    case protocol::Keep::the_old:
      keep(pair, old, fresh);
      break;
    case protocol::Keep::the_new:
      keep(pair, fresh, old);
      break;
    case protocol::Keep::the_old_if_it_answers:
      tasks_.spawn("duel", duel(old, fresh));
      break;
    case protocol::Keep::the_new_if_it_answers:
      pair.session = fresh;
      tasks_.spawn("duel", duel(fresh, old));
      break;
  }
  services_.changed.notify_all();
}

/// Crossed dials: the better one stays unless it is silent.
asio::awaitable<void> Sessions::duel(std::shared_ptr<Session> better,
                                     std::shared_ptr<Session> other) {
  const auto asked = steady_clock::now();
  if (!better->over()) {
    better->talk().ping();
    better->flush();
  }
  while (!better->over() && !other->over() && better->heard() <= asked &&
         steady_clock::now() < asked + protocol::kCrossedPing) {
    co_await services_.changed.wait_for(kLook);
  }
  auto& with = better->pair();
  if (better->over() || better->heard() <= asked) {
    keep(with, other, better);
  } else {
    keep(with, better, other);
  }
}

void Sessions::keep(Pair& pair, const std::shared_ptr<Session>& stays,
                    const std::shared_ptr<Session>& goes) {
  if (!stays->over()) {
    pair.session = stays;
    stays->talk().sync(steady_clock::now());
    stays->flush();
  }
  // Of crossed ones only the lower ID closes the loser, or both might close what the other keeps.
  const bool crossed =
      stays->dialled() != goes->dialled() && stays->key().theirs == goes->key().theirs;
  if (!crossed || services_.identity->id() < pair.id)
    goes->leave(Errc::replaced, "a newer session took over");
}

void Sessions::session_ended(Pair& pair, Session& session, std::vector<protocol::Want> unanswered) {
  if (pair.session.get() == &session) {
    pair.session.reset();
    for (const auto& other : sessions_) {
      if (&other->pair() == &pair && other.get() != &session && other->greeted() && !other->over())
        pair.session = other;
    }
    if (pair.session) {
      pair.session->talk().sync(steady_clock::now());
      pair.session->flush();
    }
  }
  if (session.greeted()) contacts_.seen(pair.id, pair.calls_itself, session.dialled_at());
  next_.session_ended(pair, session, std::move(unanswered));
  if (!pair.session && !stopping_ && has_business(pair)) keep_trying(pair);
  services_.changed.notify_all();
}

asio::awaitable<void> Sessions::stop() {
  stopping_ = true;
  services_.changed.notify_all();
  while (!sessions_.empty()) {
    const auto all = sessions_;
    for (const auto& session : all) session->leave(Errc::leaving, "this peer is stopping");
    co_await services_.changed.wait_for(kLook);
  }
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace peer::node
