#include "net/listener.hpp"

#include <asio/error.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>

#include "async/event.hpp"
#include "async/task_group.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "net/endpoint_text.hpp"
#include "net/interfaces.hpp"
#include "net/resolve.hpp"

namespace peer::net {

using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int kBacklog = 511;
/// Tries to find one free port for all addresses when the kernel chooses it.
constexpr int kPortTries = 16;
constexpr std::chrono::milliseconds kShortestPause{50};
constexpr std::chrono::milliseconds kLongestPause{1000};
constexpr std::chrono::minutes kLogEvery{1};

struct OpenError {
  std::error_code code;
  bool absent = false;  ///< this machine has no such address family
};

/// Opens, binds, listens. On failure the acceptor is closed.
OpenError open_one(tcp::acceptor& acceptor, const tcp::endpoint& endpoint) {
  asio::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (error) return {standard(error), error == asio::error::address_family_not_supported};
  if (endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  if (!error) return {};
  const auto code = standard(error);
  asio::error_code ignored;
  acceptor.close(ignored);
  const bool absent = code == std::errc::address_not_available && endpoint.address().is_v6() &&
                      endpoint.address().is_unspecified();
  return {code, absent};
}

}  // namespace

struct Listener::Impl {
  using Self = std::shared_ptr<Impl>;

  explicit Impl(asio::any_io_executor e) : executor(std::move(e)), closing(executor) {}

  asio::any_io_executor executor;
  std::vector<tcp::acceptor> acceptors;
  std::uint16_t port = 0;
  async::Event closing;
  bool closed = false;
  Clock::time_point log_after{};  ///< of failures to accept

  Result<void> open(const std::vector<asio::ip::address>& addresses, std::uint16_t wanted,
                    bool absent_is_fine);
  void close();
  void note_failure(const std::error_code& code);
  static asio::awaitable<void> accept_loop(Self self, std::size_t index, Take take);
  static asio::awaitable<void> run(Self self, Take take);
};

Result<void> Listener::Impl::open(const std::vector<asio::ip::address>& addresses,
                                  std::uint16_t wanted, bool absent_is_fine) {
  port = wanted;
  std::optional<Error> last;
  for (const auto& address : addresses) {
    const tcp::endpoint endpoint(address, port);
    tcp::acceptor acceptor(executor);
    const auto failed = open_one(acceptor, endpoint);
    if (failed.code) {
      last = Error(failed.code, "listen on " + endpoint_text(endpoint));
      if (failed.absent && absent_is_fine) continue;
      acceptors.clear();
      return *std::move(last);
    }
    asio::error_code ignored;
    port = acceptor.local_endpoint(ignored).port();
    acceptors.push_back(std::move(acceptor));
  }
  if (acceptors.empty() && last) return *std::move(last);
  return {};
}

void Listener::Impl::close() {
  closed = true;
  asio::error_code ignored;
  for (auto& acceptor : acceptors) acceptor.close(ignored);
  closing.notify_all();
}

void Listener::Impl::note_failure(const std::error_code& code) {
  const auto now = Clock::now();
  if (now < log_after) return;
  log_after = now + kLogEvery;
  base::log(base::Level::warning, "net", "accept: " + code.message());
}

static void hand_over(tcp::socket socket, const Listener::Take& take) {
  try {
    take(std::move(socket));
  } catch (const std::exception& e) {
    base::log(base::Level::error, "net", std::string("accepted connection: ") + e.what());
  }
}

asio::awaitable<void> Listener::Impl::accept_loop(Self self, std::size_t index, Take take) {
  auto& acceptor = self->acceptors[index];
  auto pause = kShortestPause;
  while (!self->closed) {
    asio::error_code error;
    auto socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (self->closed || error == asio::error::operation_aborted) co_return;
    if (!error) {
      pause = kShortestPause;
      socket.set_option(tcp::no_delay(true), error);
      hand_over(std::move(socket), take);
      continue;
    }
    // A client that left before it was accepted is its own affair.
    if (error == asio::error::connection_aborted) continue;
    self->note_failure(standard(error));
    co_await self->closing.wait_for(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

asio::awaitable<void> Listener::Impl::run(Self self, Take take) {
  async::TaskGroup::OnError on_error = [](std::string_view, std::exception_ptr failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& e) {
      base::log(base::Level::error, "net", std::string("accept loop ended: ") + e.what());
    }
  };
  auto body = [self, take](async::TaskGroup& group) -> asio::awaitable<void> {
    for (std::size_t i = 0; i < self->acceptors.size(); ++i)
      group.spawn("accept", accept_loop(self, i, take));
    co_await group.join();
  };
  co_await async::with_tasks(std::move(on_error), std::move(body));
}

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Listener::~Listener() { close(); }

Result<std::unique_ptr<Listener>> Listener::open(asio::any_io_executor executor,
                                                 const std::vector<std::string>& addresses,
                                                 std::uint16_t port) {
  std::vector<asio::ip::address> parsed;
  for (const auto& text : addresses) {
    const auto address = literal_address(text);
    if (!address)
      return Error(std::make_error_code(std::errc::invalid_argument),
                   "listen on " + base::quoted(text) + ", which is no IP address");
    parsed.push_back(*address);
  }
  if (parsed.empty()) parsed = {asio::ip::address_v6::any(), asio::ip::address_v4::any()};
  for (int tries = 1;; ++tries) {
    auto impl = std::make_unique<Impl>(executor);
    auto opened = impl->open(parsed, port, addresses.empty());
    if (opened) return std::unique_ptr<Listener>(new Listener(std::move(impl)));
    const bool try_another_port =
        port == 0 && opened.error().code == std::errc::address_in_use && tries < kPortTries;
    if (!try_another_port) return std::move(opened).error();
  }
}

asio::awaitable<void> Listener::run(Take take) { return Impl::run(impl_, std::move(take)); }

void Listener::close() { impl_->close(); }

std::uint16_t Listener::port() const { return impl_->port; }

std::vector<std::string> Listener::reachable_at() const {
  std::vector<asio::ip::address> bound;
  for (const auto& acceptor : impl_->acceptors) {
    asio::error_code error;
    const auto endpoint = acceptor.local_endpoint(error);
    if (!error) bound.push_back(endpoint.address());
  }
  std::vector<std::string> out;
  for (const auto& address : reachable_addresses(bound, machine_addresses()))
    out.push_back(endpoint_text({address, impl_->port}));
  return out;
}

}  // namespace peer::net
