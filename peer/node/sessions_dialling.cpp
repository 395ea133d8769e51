#include <algorithm>
#include <asio/error.hpp>
#include <random>
#include <utility>

#include "async/with_timeout.hpp"
#include "base/text.hpp"
#include "net/dial.hpp"
#include "net/network_watch.hpp"
#include "node/known_addresses.hpp"
#include "node/sessions.hpp"
#include "node/tasks.hpp"

namespace peer::node {

using protocol::Errc;
using std::chrono::steady_clock;

std::string dial_text(const std::string& who, const std::string& where, const Error& error) {
  const auto host = base::escaped(where);
  const auto what = who == where ? host : who + ": " + host;
  if (error.code == std::errc::connection_refused)
    return what + " refused the connection: is 'peer start' running there?";
  if (error.code == std::errc::timed_out || error.code == std::errc::host_unreachable) {
    const auto port = base::escaped(where.substr(where.rfind(':') + 1));
    return (who == where ? "" : who + ": ") + "no answer from " + host +
           ": is it on, and may a firewall drop TCP there? (there: sudo ufw allow " + port +
           "/tcp); peer doctor " + base::shell_quoted(who) + " tells more";
  }
  if (error.code == asio::error::host_not_found)
    return what + " cannot be reached: no host has that name (is it spelt right?)";
  if (error.code == asio::error::host_not_found_try_again)
    return what + " cannot be reached: its name could not be looked up now; is there a network?";
  if (error.code == std::errc::network_unreachable)
    return what + " cannot be reached: this machine has no way there now; is its network up?";
  // What was tried holds the reason already.
  return what + " cannot be reached: " +
         base::escaped(error.context.empty() ? error.text() : error.context);
}

asio::awaitable<Reached> Sessions::connect(trust::Address address,
                                           std::optional<protocol::PeerId> expected) {
  Reached reached;
  const auto where = address.text();
  const int segment_bytes = expected && pair(*expected).small_segments_until > steady_clock::now()
                                ? kSmallSegmentBytes
                                : 0;
  auto socket = co_await net::dial(address.host, address.port, kDialTime, segment_bytes);
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
  if (id == services_.identity->id()) {
    reached.itself = true;
    reached.code = std::make_error_code(std::errc::invalid_argument);
    reached.text = "that is this peer itself";
    co_return reached;
  }
  if (expected && id != *expected) {
    reached.met = id;
    reached.where = where;
    reached.text = "another identity answers at " + where + ": " + id.text();
    co_return reached;
  }
  auto& with = pair(id);
  while (with.greeting) co_await services_.changed.wait_for(kLook);  // another way was quicker
  if (with.session && !with.session->over()) {
    reached.session = with.session;
    co_return reached;
  }
  if (stopping_) {
    reached.code = std::make_error_code(std::errc::operation_canceled);
    reached.text = "this peer is stopping";
    co_return reached;
  }
  with.greeting = true;
  const std::shared_ptr<void> greeted(nullptr, [&with](void*) { with.greeting = false; });
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

std::vector<trust::Address> Sessions::ways_to(const Pair& pair) const {
  std::vector<std::string> here;
  if (const auto* nearby = services_.nearby.find(pair.id))
    for (const auto& address : nearby->addresses) here.push_back(address.text());
  std::vector<AddressRow> known;
  if (const auto* row = contacts_.find(pair.id)) known = row->addresses;
  learn(known, pair.heard_at, Learned::heard, false, 0);
  return dialling_order(here, std::move(known));
}

/// Not only announced to be there, which anybody can do in anybody's name.
bool Sessions::was_at(const Pair& pair, const std::string& where) const {
  const auto* row = contacts_.find(pair.id);
  return pair.heard_at == where || (row && find_address(row->addresses, where));
}

/// Why none of the ways led to this peer: another identity first of all, and where this peer was
/// before where it is only announced to be.
Reached Sessions::unreached(const Pair& pair, const std::vector<trust::Address>& ways,
                            std::vector<Reached> tried) const {
  const Reached* other = nullptr;
  for (const auto& one : tried)
    if (one.met && (!other || (!was_at(pair, other->where) && was_at(pair, one.where))))
      other = &one;
  if (other) return *other;
  const auto who = contacts_.called(pair.id);
  const auto* row = contacts_.find(pair.id);
  const auto is_hint = [&](const trust::Address& way) {
    const auto text = way.text();
    const auto* known = row ? find_address(row->addresses, text) : nullptr;
    return known ? known->learned == Learned::heard && known->last_answered == 0
                 : text == pair.heard_at;
  };
  Reached why;
  why.code = std::make_error_code(std::errc::host_unreachable);
  if (std::ranges::all_of(ways, is_hint) && !services_.nearby.find(pair.id)) {
    why.text = who + ": no address is known" +
               (ways.empty() ? "" : ", and it cannot be dialled where it was last seen") +
               "; it has to dial this peer, or: peer add NAME ADDRESS";
    return why;
  }
  why = std::move(tried.front());
  why.text = dial_text(who, ways.front().text(), Error(why.code, why.text));
  if (ways.size() > 1)
    why.text += " (nor does it answer at " +
                base::count_of(ways.size() - 1, "other address", "others") + ")";
  return why;
}

asio::awaitable<void> Sessions::try_way(trust::Address way, Pair& pair, Reached& reached,
                                        std::size_t& ended) {
  auto found = co_await connect(way, pair.id);
  reached = std::move(found);
  if (reached.met) {
    pair.others_at[reached.where] = *reached.met;
    base::log(base::Level::warning, "sessions",
              "not " + contacts_.called(pair.id) + ", but " + reached.met->short_text() +
                  " answers at " + reached.where);
  }
  ++ended;
  services_.changed.notify_all();
}

asio::awaitable<Reached> Sessions::reach(Pair& pair) {
  auto ways = ways_to(pair);
  co_return co_await reach_at(pair, std::move(ways));
}

asio::awaitable<Reached> Sessions::reach_at(Pair& pair, std::vector<trust::Address> ways) {
  std::vector<Reached> tried(ways.size());
  std::size_t ended = 0;  // here, for tasks that are cancelled outlive the race
  pair.others_at.clear();
  ++pair.sessions;
  const std::shared_ptr<void> referred(nullptr, [&pair](void*) { --pair.sessions; });
  const auto connected = [&pair] { return pair.session && !pair.session->over(); };
  auto race = [&](async::TaskGroup& tasks) -> asio::awaitable<void> {
    std::size_t begun = 0;
    std::size_t failed = 0;  // of which another was begun at once
    auto next = steady_clock::now();
    while (!connected() && ended < ways.size()) {
      const bool more = begun < ways.size();
      if (more && (failed < ended || steady_clock::now() >= next)) {
        failed = ended;
        tasks.spawn("way", try_way(ways[begun], pair, tried[begun], ended));
        ++begun;
        next = steady_clock::now() + kWayDelay;
        continue;
      }
      auto pause = steady_clock::duration(kDialTime);
      if (more) pause = next - steady_clock::now();
      co_await services_.changed.wait_for(pause);
    }
  };
  co_await async::with_tasks(log_task_error, std::move(race));
  Reached there;
  if (connected()) {
    there.session = pair.session;
  } else {
    there = unreached(pair, ways, std::move(tried));
  }
  co_return there;
}

void Sessions::keep_trying(Pair& pair) {
  if (pair.dialling || stopping_) return;
  pair.dialling = true;
  tasks_.spawn("redial", redial(pair));
}

void Sessions::try_now(Pair& pair) {
  pair.urgent = true;
  try_soon(pair);
}

void Sessions::try_soon(Pair& pair) {
  pair.hurry = pair.dialling;
  pair.unreached.reset();
  services_.changed.notify_all();
  redials_.notify_all();
  keep_trying(pair);
}

/// Until few enough others are dialled, or somebody waits for this one.
asio::awaitable<void> Sessions::stand_in_line(const Pair& pair) {
  while (!stopping_ && !pair.urgent && redialling_ >= kMaxRedials) co_await redials_.wait();
}

asio::awaitable<void> Sessions::redial(Pair& pair) {
  static thread_local std::minstd_rand jitter{std::random_device{}()};
  const std::shared_ptr<void> dialled(nullptr, [&pair](void*) {
    pair.urgent = false;
    pair.dialling = false;
  });
  // One that is over may say its last words yet.
  const auto connected = [&pair] { return pair.session && !pair.session->over(); };
  std::chrono::milliseconds pause = kRedialFirst;
  while (!stopping_ && !contacts_.is_blocked(pair.id)) {
    co_await stand_in_line(pair);
    pair.hurry = false;
    pair.urgent = false;
    if (stopping_ || connected()) break;
    Reached reached;
    {
      ++redialling_;
      const std::shared_ptr<void> counted(nullptr, [this](void*) { --redialling_; });
      auto found = co_await reach(pair);
      reached = std::move(found);
    }
    redials_.notify_all();
    const auto spread = std::uniform_int_distribution<int>(80, 120)(jitter);
    const auto until = steady_clock::now() + pause * spread / 100;
    if (reached.session) break;
    pair.unreached = {std::move(reached.text), reached.met, std::move(reached.where), until};
    services_.changed.notify_all();
    if (!has_business(pair)) break;
    while (!stopping_ && !pair.hurry && steady_clock::now() < until && !connected())
      co_await redials_.wait_for(until - steady_clock::now());
    pause = pair.hurry ? kRedialFirst : std::min(pause * 2, kRedialMost);
  }
}

void Sessions::network_changed() {
  for (const auto& [id, pair] : pairs_) {
    if (pair->dialling) try_soon(*pair);
  }
  const auto all = sessions_;
  for (const auto& session : all) {
    if (net::is_own_address(session->local())) {
      tasks_.spawn("probe", probe(session));
    } else {
      session->lost(Error(std::make_error_code(std::errc::address_not_available),
                          "this machine has another address now"));
    }
  }
}

asio::awaitable<void> Sessions::probe(std::shared_ptr<Session> session) {
  const auto asked = steady_clock::now();
  if (session->over() || !session->greeted()) co_return;
  session->talk().ping();
  session->flush();
  while (!stopping_ && !session->over() && session->heard() <= asked &&
         steady_clock::now() < asked + kProbeTime)
    co_await services_.changed.wait_for(kProbeTime);
  if (!session->over() && session->heard() <= asked)
    session->lost(Error(std::make_error_code(std::errc::timed_out), "no answer"));
}

}  // namespace peer::node
