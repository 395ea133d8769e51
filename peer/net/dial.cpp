#include "net/dial.hpp"

#include <netinet/tcp.h>

#include <algorithm>
#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/this_coro.hpp>
#include <memory>
#include <optional>

#include "async/event.hpp"
#include "base/text.hpp"
#include "net/endpoint_text.hpp"
#include "net/resolve.hpp"

namespace peer::net {

using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

using MaxSegment = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_MAXSEG>;

/// RFC 8305's "Connection Attempt Delay".
constexpr std::chrono::milliseconds kAttemptDelay{250};

/// Attempts to connect to the addresses of one host, of which the first to succeed is kept.
/// Handlers hold it, so it may outlive the dial, with its sockets closed.
struct Race {
  Race(asio::any_io_executor e, std::string h) : executor(e), host(std::move(h)), changed(e) {}

  asio::any_io_executor executor;
  std::string host;       ///< for errors
  int segment_bytes = 0;  ///< 0: as the system has it
  async::Event changed;
  std::vector<std::shared_ptr<tcp::socket>> sockets;  ///< every attempt begun
  std::size_t running = 0;
  bool over = false;
  std::shared_ptr<tcp::socket> winner;
  std::optional<Error> error;  ///< the most telling one
};

struct EndRace {
  std::shared_ptr<Race> race;
  explicit EndRace(std::shared_ptr<Race> r) : race(std::move(r)) {}
  EndRace(const EndRace&) = delete;
  EndRace& operator=(const EndRace&) = delete;
  ~EndRace() {
    race->over = true;
    asio::error_code ignored;
    for (const auto& socket : race->sockets) socket->close(ignored);
  }
};

/// What says most about the other side comes first: it answered, it could not be reached, silence.
int telling(const std::error_code& code) {
  if (code == std::errc::connection_refused) return 3;
  if (code == std::errc::timed_out) return 1;
  return 2;
}

std::string attempt_text(const Race& race, const tcp::endpoint& endpoint) {
  const std::string where = endpoint_text(endpoint);
  if (race.host.empty()) return "connect to " + where;
  return "connect to " + race.host + " at " + where;
}

void note_error(Race& race, const tcp::endpoint& endpoint, const std::error_code& code) {
  if (race.error && telling(race.error->code) >= telling(code)) return;
  race.error = Error(code, attempt_text(race, endpoint));
}

/// Linux connects a socket to itself when the port dialled is the ephemeral one it got.
bool is_own_echo(const tcp::socket& socket) {
  asio::error_code error;
  const auto local = socket.local_endpoint(error);
  if (error) return false;
  const auto remote = socket.remote_endpoint(error);
  return !error && local == remote;
}

void finish(Race& race, const std::shared_ptr<tcp::socket>& socket, const tcp::endpoint& endpoint,
            std::error_code error) {
  --race.running;
  if (race.over) return;
  if (!error && is_own_echo(*socket)) error = std::make_error_code(std::errc::connection_refused);
  if (error) {
    note_error(race, endpoint, standard(error));
  } else if (!race.winner) {
    socket->set_option(tcp::no_delay(true), error);
    race.winner = socket;
  }
  race.changed.notify_all();
}

void begin(const std::shared_ptr<Race>& race, const tcp::endpoint& endpoint) {
  auto socket = std::make_shared<tcp::socket>(race->executor);
  asio::error_code error;
  socket->open(endpoint.protocol(), error);
  if (error) {
    note_error(*race, endpoint, standard(error));
    return;
  }
  // Before connecting: the other side is told, and keeps to it.
  if (race->segment_bytes > 0) socket->set_option(MaxSegment(race->segment_bytes), error);
  race->sockets.push_back(socket);
  ++race->running;
  socket->async_connect(endpoint, [race, socket, endpoint](const asio::error_code& result) {
    finish(*race, socket, endpoint, result);
  });
}

/// The addresses in their order, but families taking turns (RFC 8305, section 4).
std::vector<tcp::endpoint> in_turns(const std::vector<asio::ip::address>& addresses,
                                    std::uint16_t port) {
  std::vector<tcp::endpoint> first;
  std::vector<tcp::endpoint> second;
  for (const auto& address : addresses) {
    const bool like_first = address.is_v6() == addresses.front().is_v6();
    (like_first ? first : second).emplace_back(address, port);
  }
  std::vector<tcp::endpoint> out;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  return out;
}

/// Begins one attempt after the other until one has won, all have failed, or the time is over.
asio::awaitable<void> run_race(std::shared_ptr<Race> race, std::vector<tcp::endpoint> endpoints,
                               Clock::time_point end) {
  std::size_t next = 0;
  auto next_at = Clock::now();
  while (!race->winner && Clock::now() < end) {
    const bool more = next < endpoints.size();
    if (more && (race->running == 0 || Clock::now() >= next_at)) {
      begin(race, endpoints[next++]);
      next_at = Clock::now() + kAttemptDelay;
      continue;
    }
    if (!more && race->running == 0) co_return;
    auto wake = end;
    if (more) wake = std::min(end, next_at);
    const auto running = race->running;
    const bool woken = co_await race->changed.wait_for(wake - Clock::now());
    if (woken && race->running < running) next_at = Clock::now();  // a failure starts the next
  }
}

}  // namespace

asio::awaitable<Result<tcp::socket>> dial(std::string host, std::uint16_t port,
                                          std::chrono::milliseconds limit, int segment_bytes) {
  const auto end = Clock::now() + limit;
  auto executor = co_await asio::this_coro::executor;
  auto addresses = co_await resolve(host, limit);
  if (!addresses) co_return std::move(addresses).error().within("look up " + base::quoted(host));

  std::string shown;
  if (!literal_address(host)) shown = base::escaped(host);
  auto race = std::make_shared<Race>(executor, std::move(shown));
  race->segment_bytes = segment_bytes;
  const EndRace guard(race);
  const auto endpoints = in_turns(*addresses, port);
  co_await run_race(race, endpoints, end);
  if (race->winner) co_return std::move(*race->winner);
  if (race->error && (telling(race->error->code) > 1 || race->running == 0))
    co_return std::move(*race->error);
  co_return Error(std::make_error_code(std::errc::timed_out),
                  attempt_text(*race, endpoints.front()));
}

}  // namespace peer::net
