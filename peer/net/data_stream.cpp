#include "net/data_stream.hpp"

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <optional>
#include <system_error>

#include "net/tls_error.hpp"
#include "net/tls_io.hpp"
#include "protocol/limits.hpp"

namespace peer::net {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC
using Step = TlsIo::Step;

namespace {

constexpr std::chrono::milliseconds kShutdownTime{1000};
constexpr std::size_t kReadAheadBytes = 64 * 1024;

/// A limit of silence.
class Patience {
 public:
  explicit Patience(int timeout_ms) : timeout_ms_(timeout_ms) {}
  /// Something moved. Reads no clock: that would cost more than moving a record.
  void renew() { counting_ = false; }
  /// For poll: milliseconds left, rounded up; -1 for ever, 0 when the time is over.
  int left() {
    if (timeout_ms_ < 0) return -1;
    const auto now = Clock::now();
    if (!counting_) end_ = now + std::chrono::milliseconds(timeout_ms_);
    counting_ = true;
    if (now >= end_) return 0;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(end_ - now).count();
    return static_cast<int>(ms);
  }

 private:
  int timeout_ms_;
  bool counting_ = false;
  Clock::time_point end_;
};

/// Bytes that came while a write waited, first in, first out. Allocates when first used.
class Keep {
 public:
  bool empty() const { return begin_ == end_; }
  bool full() const { return end_ - begin_ == protocol::kMaxMessageBytes; }
  /// Where the next bytes go; not empty unless full().
  std::span<std::byte> room() {
    if (!bytes_) bytes_ = std::make_unique_for_overwrite<std::byte[]>(protocol::kMaxMessageBytes);
    if (begin_ > 0 && end_ == protocol::kMaxMessageBytes) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    return {bytes_.get() + end_, protocol::kMaxMessageBytes - end_};
  }
  void put(std::size_t count) { end_ += count; }
  std::size_t take(std::span<std::byte> out) {
    const std::size_t count = std::min(out.size(), end_ - begin_);
    std::memcpy(out.data(), bytes_.get() + begin_, count);
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
    return count;
  }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

int make_eventfd() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

}  // namespace

struct DataStream::Impl {
  RawConnection connection;
  TlsIo io;
  std::size_t rest_taken = 0;
  Keep keep;
  bool ended = false;  ///< the other side's close_notify came
  int stop_fd;
  std::atomic<bool> stopped{false};
  std::optional<std::chrono::steady_clock::time_point> waiting_since;  ///< nothing moved since

  explicit Impl(RawConnection c)
      : connection(std::move(c)), io(connection.ssl), stop_fd(make_eventfd()) {
    // A data thread always has more to read: buffers that stay, several records a read. (More than
    // this is no faster: OpenSSL moves what it has read ahead to the front for every record.)
    SSL_clear_mode(connection.ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_set_default_read_buffer_len(connection.ssl, kReadAheadBytes);
    SSL_set_read_ahead(connection.ssl, 1);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { ::close(stop_fd); }

  bool rest_empty() const { return rest_taken == connection.rest.size(); }
  std::size_t take_rest(std::span<std::byte> buffer);
  /// What lies here already; 0 if nothing does.
  std::size_t take_kept(std::span<std::byte> buffer);
  Result<void> wait(short events, Patience& patience);
  /// From TLS into `buffer`; 0 at the end.
  Result<std::size_t> receive(std::span<std::byte> buffer, Patience& patience);
  /// One read into `keep`, without waiting.
  Step fill_keep();
  Result<void> wait_to_write(Step step, Patience& patience);
};

namespace {

Error cancelled() { return Error(std::make_error_code(std::errc::operation_canceled)); }

}  // namespace

std::size_t DataStream::Impl::take_rest(std::span<std::byte> buffer) {
  auto& rest = connection.rest;
  const std::size_t count = std::min(buffer.size(), rest.size() - rest_taken);
  std::memcpy(buffer.data(), rest.data() + rest_taken, count);
  rest_taken += count;
  if (rest_empty()) {
    std::string().swap(rest);
    rest_taken = 0;
  }
  return count;
}

std::size_t DataStream::Impl::take_kept(std::span<std::byte> buffer) {
  if (buffer.empty()) return 0;
  if (!rest_empty()) return take_rest(buffer);
  if (!keep.empty()) return keep.take(buffer);
  return 0;
}

Result<void> DataStream::Impl::wait(short events, Patience& patience) {
  if (!waiting_since) waiting_since = std::chrono::steady_clock::now();
  pollfd fds[2] = {{connection.fd, events, 0}, {stop_fd, POLLIN, 0}};
  for (;;) {
    if (stopped.load(std::memory_order_relaxed)) return cancelled();
    const int left = patience.left();
    const int ready = ::poll(fds, 2, left);
    if (ready < 0 && errno != EINTR) return Error({errno, std::generic_category()});
    if (ready > 0 && fds[1].revents != 0) return cancelled();
    if (ready > 0) return {};
    if (ready == 0 && left == 0) return Error(std::make_error_code(std::errc::timed_out));
  }
}

Result<std::size_t> DataStream::Impl::receive(std::span<std::byte> buffer, Patience& patience) {
  while (!ended) {
    std::size_t got = 0;
    const Step step = io.read(buffer, got);
    if (step == Step::moved) {
      waiting_since.reset();
      return got;
    }
    if (step == Step::failed) return io.read_error();
    if (step == Step::ended) {
      ended = true;
      break;
    }
    const short events = step == Step::want_write ? POLLOUT : POLLIN;
    if (auto waited = wait(events, patience); !waited) return waited.error();
  }
  return std::size_t{0};
}

Step DataStream::Impl::fill_keep() {
  std::size_t got = 0;
  const Step step = io.read(keep.room(), got);
  if (step == Step::moved) {
    keep.put(got);
    waiting_since.reset();
  }
  if (step == Step::ended) ended = true;
  return step;
}

/// Waits until a write may go on, and meanwhile takes in what arrives.
Result<void> DataStream::Impl::wait_to_write(Step step, Patience& patience) {
  const bool may_read = !ended && !keep.full();
  if (may_read) {
    // Also before waiting: what TLS has read ahead does not show in the socket.
    const Step read = fill_keep();
    if (read == Step::failed) return io.read_error();
    if (read == Step::moved) {
      patience.renew();
      return {};
    }
  }
  short events = may_read && !ended ? POLLIN : 0;
  events = static_cast<short>(events | (step == Step::want_write ? POLLOUT : POLLIN));
  return wait(events, patience);
}

DataStream::DataStream(RawConnection connection)
    : impl_(std::make_unique<Impl>(std::move(connection))) {}

DataStream::~DataStream() = default;

Result<std::size_t> DataStream::read(std::span<std::byte> buffer, int timeout_ms) {
  assert(!buffer.empty());
  if (impl_->stopped.load(std::memory_order_relaxed)) return cancelled();
  if (const std::size_t kept = impl_->take_kept(buffer); kept > 0) return kept;
  Patience patience(timeout_ms);
  return impl_->receive(buffer, patience);
}

Result<void> DataStream::read_exactly(std::span<std::byte> buffer, int timeout_ms) {
  Patience patience(timeout_ms);
  while (!buffer.empty()) {
    if (impl_->stopped.load(std::memory_order_relaxed)) return cancelled();
    std::size_t count = impl_->take_kept(buffer);
    if (count == 0) {
      auto got = impl_->receive(buffer, patience);
      if (!got) return std::move(got).error();
      if (*got == 0) return Error(TlsErrc::truncated);
      count = *got;
    }
    patience.renew();
    buffer = buffer.subspan(count);
  }
  return {};
}

std::chrono::steady_clock::duration DataStream::silent_for() const {
  if (!impl_->waiting_since) return {};
  return std::chrono::steady_clock::now() - *impl_->waiting_since;
}

bool DataStream::readable() {
  if (!impl_->rest_empty() || !impl_->keep.empty() || impl_->ended || impl_->stopped) return true;
  const Step step = impl_->fill_keep();
  return step != Step::want_read && step != Step::want_write;
}

Result<void> DataStream::write(std::span<const std::byte> bytes, int timeout_ms) {
  Patience patience(timeout_ms);
  Result<void> result;
  while (!bytes.empty()) {
    if (impl_->stopped.load(std::memory_order_relaxed)) {
      result = cancelled();
      break;
    }
    std::size_t put = 0;
    const Step step = impl_->io.write(bytes, put);
    if (step == Step::failed) return impl_->io.write_error();
    if (step == Step::moved) {
      patience.renew();
      impl_->waiting_since.reset();
      bytes = bytes.subspan(put);
      continue;
    }
    result = impl_->wait_to_write(step, patience);
    if (!result) break;
  }
  // A record may be half sent: nothing can follow it.
  if (!result) impl_->io.fail_writing(result.error());
  return result;
}

PathState DataStream::path() const { return path_state(impl_->connection.fd); }

bool DataStream::pause(std::chrono::nanoseconds time) {
  pollfd fd{impl_->stop_fd, POLLIN, 0};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  const timespec limit{seconds.count(), (time - seconds).count()};
  return ::ppoll(&fd, 1, &limit, nullptr) <= 0 && !impl_->stopped.load(std::memory_order_relaxed);
}

void DataStream::stop() {
  impl_->stopped.store(true, std::memory_order_relaxed);
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then it is readable already.
  [[maybe_unused]] const auto written = ::write(impl_->stop_fd, &one, sizeof one);
}

void DataStream::shutdown() {
  Patience patience(static_cast<int>(kShutdownTime.count()));
  for (;;) {
    const Step step = impl_->io.close_notify();
    if (step != Step::want_read && step != Step::want_write) return;
    if (auto waited = impl_->wait(POLLOUT, patience); !waited) return;
  }
}

}  // namespace peer::net
