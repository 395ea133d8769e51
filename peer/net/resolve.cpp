#include "net/resolve.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <asio/error.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "async/event.hpp"

namespace peer::net {

namespace {

using Addresses = std::vector<asio::ip::address>;

std::atomic<int> lookups{0};

/// Between the coroutine that waits and the thread that looks up. The thread touches the executor
/// only under the mutex and only while somebody waits.
struct Lookup {
  explicit Lookup(asio::any_io_executor e) : executor(e), answered(std::move(e)) {}

  std::mutex mutex;
  bool abandoned = false;  // by mutex
  bool done = false;       // by mutex
  std::error_code error;   // by mutex
  Addresses addresses;     // by mutex
  const asio::any_io_executor executor;
  async::Event answered;  // the executor's thread only
};

struct AbandonAtEnd {
  std::shared_ptr<Lookup> lookup;
  explicit AbandonAtEnd(std::shared_ptr<Lookup> l) : lookup(std::move(l)) {}
  AbandonAtEnd(const AbandonAtEnd&) = delete;
  AbandonAtEnd& operator=(const AbandonAtEnd&) = delete;
  ~AbandonAtEnd() {
    const std::lock_guard lock(lookup->mutex);
    lookup->abandoned = true;
  }
};

std::error_code lookup_error(int code) {
  switch (code) {
    case EAI_NONAME:
    case EAI_NODATA:
      return asio::error::host_not_found;
    case EAI_AGAIN:
      return asio::error::host_not_found_try_again;
    case EAI_MEMORY:
      return std::make_error_code(std::errc::not_enough_memory);
    case EAI_SYSTEM:
      return {errno, std::system_category()};
    default:
      return asio::error::no_recovery;
  }
}

std::error_code look_up(const std::string& host, Addresses& out) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); code != 0)
    return lookup_error(code);
  for (const addrinfo* one = list; one != nullptr && out.size() < kMaxAddresses;
       one = one->ai_next) {
    asio::ip::tcp::endpoint endpoint;
    if (one->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
    endpoint.resize(one->ai_addrlen);
    if (std::find(out.begin(), out.end(), endpoint.address()) == out.end())
      out.push_back(endpoint.address());
  }
  ::freeaddrinfo(list);
  if (out.empty()) return asio::error::host_not_found;
  return {};
}

/// The thread. Its last act for the coroutine is a post under the mutex; the event is notified on
/// the executor.
void run_lookup(const std::shared_ptr<Lookup>& lookup, const std::string& host) {
  Addresses addresses;
  const auto error = look_up(host, addresses);
  {
    const std::lock_guard lock(lookup->mutex);
    lookup->done = true;
    lookup->error = error;
    lookup->addresses = std::move(addresses);
    if (!lookup->abandoned) {
      std::weak_ptr<Lookup> weak = lookup;
      asio::post(lookup->executor, [weak] {
        if (const auto strong = weak.lock()) strong->answered.notify_all();
      });
    }
  }
  --lookups;
}

/// Whether the thread runs now.
bool start_lookup(const std::shared_ptr<Lookup>& lookup, const std::string& host) {
  if (++lookups > kMaxLookups) {
    --lookups;
    return false;
  }
  try {
    std::thread([lookup, host] { run_lookup(lookup, host); }).detach();
  } catch (const std::system_error&) {
    --lookups;
    return false;
  }
  return true;
}

asio::awaitable<Result<Addresses>> resolve_name(std::string host, std::chrono::milliseconds limit) {
  auto executor = co_await asio::this_coro::executor;
  auto lookup = std::make_shared<Lookup>(executor);
  const AbandonAtEnd guard(lookup);
  if (!start_lookup(lookup, host))
    co_return Error(std::make_error_code(std::errc::resource_unavailable_try_again),
                    "too many name lookups at once");
  const bool answered = co_await lookup->answered.wait_for(limit);
  const std::lock_guard lock(lookup->mutex);
  if (!answered && !lookup->done) co_return Error(std::make_error_code(std::errc::timed_out));
  if (lookup->error) co_return Error(lookup->error);
  co_return std::move(lookup->addresses);
}

}  // namespace

std::optional<asio::ip::address> literal_address(const std::string& text) {
  asio::error_code error;
  std::string bare = text;
  if (bare.size() > 2 && bare.front() == '[' && bare.back() == ']')
    bare = bare.substr(1, bare.size() - 2);
  if (bare.find('\0') != std::string::npos) return std::nullopt;
  const auto address = asio::ip::make_address(bare, error);
  if (error) return std::nullopt;
  return address;
}

asio::awaitable<Result<Addresses>> resolve(std::string host, std::chrono::milliseconds limit) {
  if (const auto literal = literal_address(host)) co_return Addresses(1, *literal);
  if (host.empty() || host.find('\0') != std::string::npos)
    co_return Error(std::make_error_code(std::errc::invalid_argument), "no host name");
  co_return co_await resolve_name(std::move(host), limit);
}

}  // namespace peer::net
