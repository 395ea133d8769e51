#include <openssl/ssl.h>

#include <algorithm>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <cassert>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>

#include "base/certificate.hpp"
#include "net/endpoint_text.hpp"
#include "net/tls.hpp"
#include "net/tls_error.hpp"
#include "net/tls_io.hpp"
#include "protocol/limits.hpp"

namespace peer::net {

using asio::ip::tcp;
using Step = TlsIo::Step;

namespace {

Error aborted() { return Error(std::make_error_code(std::errc::operation_canceled)); }

/// The unspecified address if the connection is gone already.
tcp::endpoint local_of(const tcp::socket& socket) {
  std::error_code error;
  return socket.local_endpoint(error);
}

tcp::endpoint remote_of(const tcp::socket& socket) {
  asio::error_code error;
  return socket.remote_endpoint(error);
}

}  // namespace

/// Shared with the coroutines in flight, so that one which wakes after the stream's end finds
/// `closed` and not freed memory.
struct TlsStream::Impl {
  using Self = std::shared_ptr<Impl>;

  tcp::socket socket;
  SSL* ssl;
  tcp::endpoint remote;
  tcp::endpoint local;
  std::optional<TlsIo> io;
  protocol::PeerId peer_id;
  bool closed = false;
  bool write_ended = false;
  bool reading = false;
  bool writing = false;
  std::size_t read_since_pause = 0;
  std::size_t written_since_pause = 0;

  Impl(tcp::socket s, SSL_CTX* context, Side side)
      : socket(std::move(s)),
        ssl(SSL_new(context)),
        remote(remote_of(socket)),
        local(local_of(socket)) {
    if (ssl == nullptr) throw std::bad_alloc();
    io.emplace(ssl);
    asio::error_code ignored;
    socket.native_non_blocking(true, ignored);
    SSL_set_fd(ssl, static_cast<int>(socket.native_handle()));
    if (side == Side::client)
      SSL_set_connect_state(ssl);
    else
      SSL_set_accept_state(ssl);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    io.reset();
    SSL_free(ssl);
  }

  void end_writing();
  void close(bool say_so);
  static asio::awaitable<Result<void>> wait(Self self, Step step);
  static asio::awaitable<Result<void>> pause(Self self);
  static asio::awaitable<Result<void>> shake_hands(Self self);
  Result<void> judge_handshake();
  static asio::awaitable<Result<std::size_t>> read(Self self, std::span<std::byte> buffer);
  Step read_some(std::span<std::byte> buffer, std::size_t& total);
  static asio::awaitable<Result<void>> write(Self self, std::span<const std::byte> bytes);
};

void TlsStream::Impl::end_writing() {
  if (closed || write_ended) return;
  write_ended = true;
  io->close_notify();
  asio::error_code ignored;
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void TlsStream::Impl::close(bool say_so) {
  if (closed) return;
  closed = true;
  if (say_so && !write_ended) io->close_notify();
  asio::error_code ignored;
  socket.close(ignored);
}

asio::awaitable<Result<void>> TlsStream::Impl::wait(Self self, Step step) {
  asio::error_code error;
  auto what = tcp::socket::wait_read;
  if (step == Step::want_write) what = tcp::socket::wait_write;
  co_await self->socket.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
  if (self->closed) co_return aborted();
  if (error) co_return Error(standard(error));
  co_return Result<void>();
}

/// Lets other tasks run: a connection that always has more to move would keep the thread.
asio::awaitable<Result<void>> TlsStream::Impl::pause(Self self) {
  auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
  if (self->closed) co_return aborted();
  co_return Result<void>();
}

asio::awaitable<Result<void>> TlsStream::Impl::shake_hands(Self self) {
  if (self->closed) co_return aborted();
  for (;;) {
    const Step step = self->io->handshake();
    if (step == Step::moved) co_return self->judge_handshake();
    if (step == Step::failed) co_return self->io->read_error();
    if (step == Step::ended) co_return Error(TlsErrc::truncated);
    auto waited = co_await wait(self, step);
    if (!waited) co_return waited;
  }
}

Result<void> TlsStream::Impl::judge_handshake() {
  const unsigned char* alpn = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &size);
  const std::string_view chosen(reinterpret_cast<const char*>(alpn), size);
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (chosen == protocol::kAlpn && certificate != nullptr) {
    peer_id = base::peer_id_of(certificate);
    return {};
  }
  io->fail(Error(certificate == nullptr ? TlsErrc::no_certificate : TlsErrc::wrong_protocol));
  return io->read_error();
}

/// Reads until `buffer` is full or TLS has no more; `total` counts what came.
Step TlsStream::Impl::read_some(std::span<std::byte> buffer, std::size_t& total) {
  total = 0;
  Step step = Step::moved;
  while (total < buffer.size() && step == Step::moved) {
    std::size_t got = 0;
    step = io->read(buffer.subspan(total), got);
    if (step == Step::moved) total += got;
  }
  // An end or a failure behind some bytes is said again by the next call.
  return total > 0 ? Step::moved : step;
}

namespace {

/// Marks an operation as in flight while it lives.
struct InFlight {
  bool& flag;
  explicit InFlight(bool& f) : flag(f) {
    assert(!flag);
    flag = true;
  }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  ~InFlight() { flag = false; }
};

}  // namespace

asio::awaitable<Result<std::size_t>> TlsStream::Impl::read(Self self, std::span<std::byte> buffer) {
  assert(!buffer.empty());
  if (self->closed) co_return aborted();
  const InFlight mark(self->reading);
  const auto piece = buffer.first(std::min(buffer.size(), kTlsPieceBytes));
  if (self->read_since_pause >= kTlsPieceBytes) {
    self->read_since_pause = 0;
    auto paused = co_await pause(self);
    if (!paused) co_return paused.error();
  }
  for (;;) {
    std::size_t got = 0;
    const Step step = self->read_some(piece, got);
    if (step == Step::moved) {
      self->read_since_pause += got;
      co_return got;
    }
    if (step == Step::failed) co_return self->io->read_error();
    if (step == Step::ended) co_return std::size_t{0};
    self->read_since_pause = 0;
    auto waited = co_await wait(self, step);
    if (!waited) co_return waited.error();
  }
}

namespace {

/// A write that does not reach its end leaves a record half sent.
struct FailUnlessDone {
  TlsIo& io;
  bool done = false;
  explicit FailUnlessDone(TlsIo& i) : io(i) {}
  FailUnlessDone(const FailUnlessDone&) = delete;
  FailUnlessDone& operator=(const FailUnlessDone&) = delete;
  ~FailUnlessDone() {
    if (!done) io.fail_writing(Error(std::make_error_code(std::errc::operation_canceled)));
  }
};

}  // namespace

asio::awaitable<Result<void>> TlsStream::Impl::write(Self self, std::span<const std::byte> bytes) {
  if (self->closed) co_return aborted();
  const InFlight mark(self->writing);
  FailUnlessDone guard(*self->io);
  while (!bytes.empty()) {
    if (self->written_since_pause >= kTlsPieceBytes) {
      self->written_since_pause = 0;
      auto paused = co_await pause(self);
      if (!paused) co_return paused;
    }
    std::size_t put = 0;
    const Step step = self->io->write(bytes.first(std::min(bytes.size(), kTlsPieceBytes)), put);
    if (step == Step::failed) co_return self->io->write_error();
    if (step == Step::moved) {
      bytes = bytes.subspan(put);
      self->written_since_pause += put;
      continue;
    }
    self->written_since_pause = 0;
    auto waited = co_await wait(self, step);
    if (!waited) co_return waited;
  }
  guard.done = true;
  co_return Result<void>();
}

TlsStream::TlsStream(tcp::socket socket, const TlsContext& context, Side side)
    : impl_(std::make_shared<Impl>(
          std::move(socket), side == Side::client ? context.client() : context.server(), side)) {}

TlsStream::~TlsStream() { impl_->close(false); }

asio::awaitable<Result<void>> TlsStream::handshake() { return Impl::shake_hands(impl_); }

protocol::PeerId TlsStream::peer_id() const { return impl_->peer_id; }

std::string TlsStream::export_key(const std::string& label, std::size_t length) const {
  std::string out(length, '\0');
  if (impl_->closed || impl_->peer_id == protocol::PeerId{}) return {};
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  if (SSL_export_keying_material(impl_->ssl, bytes, length, label.data(), label.size(), nullptr, 0,
                                 0) != 1)
    throw std::bad_alloc();  // after a TLS 1.3 handshake there is no other reason
  return out;
}

asio::ip::address TlsStream::local() const { return impl_->local.address(); }
std::string TlsStream::remote() const { return endpoint_text(impl_->remote); }
std::string TlsStream::remote_network() const { return network_text(impl_->remote.address()); }

asio::awaitable<Result<std::size_t>> TlsStream::read(std::span<std::byte> buffer) {
  return Impl::read(impl_, buffer);
}

bool TlsStream::has_pending() const { return !impl_->closed && SSL_pending(impl_->ssl) > 0; }

asio::awaitable<Result<void>> TlsStream::write(std::span<const std::byte> bytes) {
  return Impl::write(impl_, bytes);
}

void TlsStream::end_writing() { impl_->end_writing(); }

void TlsStream::close() { impl_->close(true); }

RawConnection TlsStream::release() {
  RawConnection out;
  if (impl_->closed) return out;
  assert(!impl_->reading && !impl_->writing);
  impl_->closed = true;
  asio::error_code error;
  const auto fd = impl_->socket.release(error);
  if (error) return out;
  out.fd = fd;
  impl_->io.reset();
  out.ssl = std::exchange(impl_->ssl, nullptr);
  return out;
}

}  // namespace peer::net
