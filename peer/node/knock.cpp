#include "node/knock.hpp"

#include <algorithm>
#include <asio/error.hpp>
#include <memory>
#include <utility>

#include "async/task_group.hpp"
#include "async/with_timeout.hpp"
#include "net/dial.hpp"
#include "net/endpoint_text.hpp"
#include "net/tls_error.hpp"
#include "node/limits.hpp"
#include "node/tasks.hpp"

namespace peer::node {

using Answer = Knocked::Answer;
using std::chrono::steady_clock;

namespace {

/// Fewer than a peer takes from one address before it cuts the oldest (kMaxHandshakesPerAddress).
constexpr std::size_t kKnocksAtOnce = 8;

Answer answer_of(const std::error_code& code) {
  if (code == std::errc::connection_refused) return Answer::refused;
  if (code == std::errc::timed_out || code == std::errc::host_unreachable) return Answer::no_answer;
  if (code == std::errc::network_unreachable) return Answer::unreachable;
  if (code == asio::error::host_not_found || code == asio::error::host_not_found_try_again)
    return Answer::no_host;
  return Answer::failed;
}

}  // namespace

std::string_view to_string(Answer answer) {
  constexpr std::string_view kNames[] = {"identity", "refused", "no_answer", "unreachable",
                                         "no_host",  "no_peer", "failed"};
  return kNames[static_cast<std::size_t>(answer)];
}

asio::awaitable<Knocked> knock(const net::TlsContext& tls, trust::Address address) {
  Knocked knocked;
  const auto began = steady_clock::now();
  auto socket = co_await net::dial(address.host, address.port, kKnockTime);
  if (!socket) {
    knocked.answer = answer_of(socket.error().code);
    knocked.why = socket.error().code.message();
    co_return knocked;
  }
  const auto stream =
      std::make_unique<net::TlsStream>(std::move(*socket), tls, net::TlsStream::Side::client);
  knocked.local = net::address_text(stream->local());
  auto shaken = co_await async::with_timeout(stream->handshake(), kKnockTime);
  knocked.took = steady_clock::now() - began;
  if (!shaken) {
    const auto& code = shaken.error().code;
    const bool tls_said = code.category() == net::tls_category();
    knocked.answer = tls_said || code == std::errc::timed_out ? Answer::no_peer : Answer::failed;
    knocked.why = code == std::errc::timed_out ? "it takes the connection and says nothing"
                                               : shaken.error().text();
    co_return knocked;
  }
  knocked.answer = Answer::identity;
  knocked.met = stream->peer_id();
  stream->close();
  co_return knocked;
}

asio::awaitable<std::vector<Knocked>> knock_all(const net::TlsContext& tls,
                                                std::vector<trust::Address> addresses) {
  std::vector<Knocked> all(addresses.size());
  std::size_t next = 0;
  auto work = [&](async::TaskGroup& tasks) -> asio::awaitable<void> {
    const auto knocker = [](const net::TlsContext& with, const std::vector<trust::Address>& at,
                            std::vector<Knocked>& found,
                            std::size_t& begun) -> asio::awaitable<void> {
      while (begun < at.size()) {
        const auto i = begun++;
        auto knocked = co_await knock(with, at[i]);
        found[i] = std::move(knocked);
      }
    };
    for (std::size_t i = 0; i < std::min(kKnocksAtOnce, addresses.size()); ++i)
      tasks.spawn("knock", knocker(tls, addresses, all, next));
    co_await tasks.join();
  };
  co_await async::with_tasks(log_task_error, std::move(work));
  co_return all;
}

}  // namespace peer::node
