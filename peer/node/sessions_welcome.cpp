#include <algorithm>
#include <utility>

#include "async/with_timeout.hpp"
#include "net/endpoint_text.hpp"
#include "node/sessions.hpp"
#include "protocol/frame.hpp"

namespace peer::node {

using std::chrono::steady_clock;

namespace {

class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::size_t& count_;
};

}  // namespace

bool Sessions::may_come_in(const protocol::PeerId& id, const std::string& network) const {
  if (id == services_.identity->id() || contacts_.is_blocked(id)) return false;
  if (contacts_.is_contact(id)) return true;
  std::size_t all = 0;
  std::size_t here = 0;
  for (const auto& session : sessions_) {
    if (contacts_.is_contact(session->pair().id)) continue;
    ++all;
    if (session->remote_network() == network) ++here;
  }
  return all < kMaxStrangerSessions && here < kMaxStrangerSessionsPerAddress;
}

void Sessions::welcome(asio::ip::tcp::socket socket) {
  std::error_code ignored;
  auto network = net::network_text(socket.remote_endpoint(ignored).address());
  if (stopping_ || connections_ >= kMaxConnections) {
    base::log(base::Level::warning, "sessions",
              "too many connections: one from " + network + " was closed");
    return;
  }
  const auto here = [&](const Knocking& one) { return one.network == network; };
  if (std::ranges::count_if(knocking_, here) >=
      static_cast<std::ptrdiff_t>(kMaxHandshakesPerAddress))
    std::ranges::find_if(knocking_, here)->stream->close();
  if (knocking_.size() >= kMaxHandshakes) knocking_.front().stream->close();
  tasks_.spawn("welcome " + network, take_in(std::move(socket), network));
}

asio::awaitable<void> Sessions::take_in(asio::ip::tcp::socket socket, std::string network) {
  const Counted counted(connections_);
  auto stream = std::make_unique<net::TlsStream>(std::move(socket), *services_.tls,
                                                 net::TlsStream::Side::server);
  const auto knock = knocking_.insert(knocking_.end(), {network, stream.get()});
  const auto begin_by = steady_clock::now() + protocol::kHandshakeTime;
  auto shaken = co_await async::with_timeout(stream->handshake(), protocol::kHandshakeTime);
  std::optional<Result<FirstWord>> word;
  if (shaken) {
    auto heard = co_await async::with_timeout(first_word(*stream), begin_by - steady_clock::now());
    word.emplace(std::move(heard));
  }
  knocking_.erase(knock);
  if (!shaken || !*word) {
    const auto why = shaken ? word->error().text() : shaken.error().text();
    base::log(base::Level::info, "sessions", "no session with " + stream->remote() + ": " + why);
    co_return;
  }
  const auto id = stream->peer_id();
  auto said = std::move(**word);
  if (stopping_) co_return;
  if (said.pair) {
    // Strangers are who this is for, whatever is thought of their offers.
    if (id == services_.identity->id() || contacts_.is_blocked(id)) co_return;
    co_await on_pair(std::move(stream), std::move(*said.pair), std::move(said.bytes));
  } else if (may_come_in(id, network)) {
    if (said.attach) {
      co_await take_lane(pair(id), std::move(stream), std::move(said));
    } else {
      auto session = begin(pair(id), std::move(stream), 0, std::move(said.bytes), {});
      co_await run_session(session);
    }
  }
}

/// Reads up to the end of the first message; a lane says `attach` there, who wants to pair `pair`.
asio::awaitable<Result<Sessions::FirstWord>> Sessions::first_word(net::TlsStream& stream) {
  FirstWord word;
  protocol::FrameReader frames(protocol::kMinMessageBytes);
  std::vector<std::byte> buffer(4096);
  for (;;) {
    auto got = co_await stream.read(buffer);
    if (!got) co_return std::move(got).error();
    if (*got == 0)
      co_return Error(std::make_error_code(std::errc::connection_reset),
                      "closed before a first message");
    const auto bytes = std::span<const std::byte>(buffer).first(*got);
    auto taken = frames.feed(bytes);
    word.bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!taken) co_return std::move(word);  // the conversation says what is wrong with it
    const auto body = frames.next();
    if (!body) continue;
    auto message = protocol::decode(*body);
    if (!message) co_return std::move(word);
    if (auto* attach = std::get_if<protocol::Attach>(&*message)) word.attach = *attach;
    if (auto* pair = std::get_if<protocol::Pair>(&*message)) word.pair = std::move(*pair);
    if (word.attach || word.pair) {
      word.bytes.assign(reinterpret_cast<const char*>(bytes.data()) + *taken,
                        bytes.size() - *taken);
    }
    co_return std::move(word);
  }
}

}  // namespace peer::node
