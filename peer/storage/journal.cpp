#include "storage/journal.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <thread>

#include "storage/record_file.hpp"
#include "storage/sync.hpp"

namespace peer::storage {
namespace {

constexpr std::uint64_t kMagic = 0x316c6e726a726570;  // "perjrnl1" as bytes on a little-endian disk
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kReadRecords = 512;  ///< read at a time
constexpr int kTickTries = 20;  ///< a millisecond each: a file's clock ticks 100 times a second

struct Raw {
  std::uint32_t type;
  std::uint32_t aux;
  std::uint64_t a;
  std::uint64_t b;
  std::uint64_t boot;
  std::array<std::byte, 56> rest;
  std::uint64_t checksum;  ///< XXH3-64 of all before it
};
static_assert(sizeof(Raw) == Journal::kRecordBytes);

struct Header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t record_bytes;
  std::array<std::byte, Journal::kRecordBytes - 24> unused;
  std::uint64_t checksum;
};
static_assert(sizeof(Header) == Journal::kRecordBytes);

std::uint64_t checksum_of(const void* record) {
  return XXH3_64bits(record, Journal::kRecordBytes - sizeof(std::uint64_t));
}

void encode(const JournalRecord& record, std::byte* out) {
  Raw raw{static_cast<std::uint32_t>(record.type),
          record.aux,
          record.a,
          record.b,
          record.boot,
          record.rest,
          0};
  raw.checksum = checksum_of(&raw);
  std::memcpy(out, &raw, sizeof raw);
}

bool decode(const std::byte* in, JournalRecord& out) {
  Raw raw;
  std::memcpy(&raw, in, sizeof raw);
  if (raw.checksum != checksum_of(&raw)) return false;
  out.type = static_cast<JournalRecord::Type>(raw.type);
  out.aux = raw.aux;
  out.a = raw.a;
  out.b = raw.b;
  out.boot = raw.boot;
  out.rest = raw.rest;
  return true;
}

Header our_header() {
  Header header{kMagic, kVersion, Journal::kRecordBytes, {}, 0};
  header.checksum = checksum_of(&header);
  return header;
}

/// All of it at `at`; an error leaves what was written for the caller to cut off.
Result<void> write_all(int fd, const std::byte* bytes, std::size_t count, std::uint64_t at,
                       const std::string& shown) {
  while (count > 0) {
    const auto n = ::pwrite(fd, bytes, count, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write", shown, errno);
    bytes += n;
    at += static_cast<std::uint64_t>(n);
    count -= static_cast<std::size_t>(n);
  }
  return {};
}

/// Not being able to read it is another thing than another header, which voids the journal.
Result<bool> has_our_header(int fd, const std::string& shown) {
  Header header{};
  auto n = read_fully(fd, 0, std::as_writable_bytes(std::span(&header, 1)), shown);
  if (!n) return std::move(n).error();
  const Header ours = our_header();
  return *n == sizeof header && std::memcmp(&header, &ours, sizeof header) == 0;
}

}  // namespace

JournalRecord JournalRecord::of(Type type, std::uint64_t a, std::uint64_t b, std::uint32_t aux) {
  JournalRecord record;
  record.type = type;
  record.a = a;
  record.b = b;
  record.aux = aux;
  return record;
}

JournalRecord JournalRecord::stored(protocol::Range range, const protocol::Digest& digest) {
  auto record =
      of(Type::stored, range.begin, range.length(), static_cast<std::uint32_t>(digest.kind));
  std::copy(digest.bytes.begin(), digest.bytes.end(), record.rest.begin());
  return record;
}

protocol::Digest JournalRecord::digest() const {
  protocol::Digest digest;
  digest.kind = static_cast<protocol::Digest::Kind>(aux);
  std::copy_n(rest.begin(), digest.bytes.size(), digest.bytes.begin());
  return digest;
}

std::string JournalRecord::text() const {
  const auto* chars = reinterpret_cast<const char*>(rest.data());
  return {chars, strnlen(chars, rest.size())};
}

void JournalRecord::set_text(std::string_view text) {
  std::size_t keep = std::min(text.size(), rest.size());
  while (keep > 0 && keep < text.size() &&
         (static_cast<unsigned char>(text[keep]) & 0xC0) == 0x80) {
    --keep;
  }
  rest.fill(std::byte{0});
  std::memcpy(rest.data(), text.data(), keep);
}

std::uint64_t JournalRecord::number(std::size_t i) const {
  std::uint64_t value = 0;
  std::memcpy(&value, rest.data() + i * sizeof value, sizeof value);
  return value;
}

void JournalRecord::set_number(std::size_t i, std::uint64_t value) {
  assert((i + 1) * sizeof value <= rest.size());
  std::memcpy(rest.data() + i * sizeof value, &value, sizeof value);
}

std::int64_t write_time(const struct stat& st) {
  return std::min(nanoseconds(st.st_mtim), nanoseconds(st.st_ctim));
}

std::uint64_t current_boot() {
  static const std::uint64_t boot = [] {
    std::array<char, 64> text{};
    const Fd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    const auto n = fd ? ::read(fd.get(), text.data(), text.size()) : 0;
    if (n > 0) return static_cast<std::uint64_t>(XXH3_64bits(text.data(), static_cast<size_t>(n)));
    // Without a boot id every run of the program counts as a start of the machine: claims are
    // re-hashed.
    struct timespec now {};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(XXH3_64bits(&now, sizeof now));
  }();
  return boot;
}

Result<std::unique_ptr<Journal>> Journal::open(const Folder& record, std::uint64_t boot) {
  if (const auto st = record.stat(kName); st && !S_ISREG(st->st_mode)) {
    auto removed = record.remove_tree(kName);
    if (!removed) return std::move(removed).error();
  }
  auto fd = record.file(kName, O_RDWR | O_CREAT, 0600);
  if (!fd) return std::move(fd).error().within("open the journal");
  const std::string shown = record.shown() + "/" + kName;
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return errno_error("look at", shown, errno);
  auto end = static_cast<std::uint64_t>(st.st_size);
  auto last_written = write_time(st);
  auto ours = has_our_header(fd->get(), shown);
  if (!ours) return std::move(ours).error();
  if (!*ours) {
    if (::ftruncate(fd->get(), 0) != 0) return errno_error("truncate", shown, errno);
    const Header header = our_header();
    auto written =
        write_all(fd->get(), reinterpret_cast<const std::byte*>(&header), sizeof header, 0, shown);
    if (!written) return std::move(written).error();
    end = sizeof header;
    last_written = 0;
  }
  end -= end % kRecordBytes;  // a torn end is written over
  return std::unique_ptr<Journal>(new Journal(std::move(*fd), shown, end, boot, last_written));
}

Result<void> Journal::append(JournalRecord record) {
  record.boot = boot_;
  std::array<std::byte, kRecordBytes> bytes;
  encode(record, bytes.data());
  return append(bytes);
}

Result<void> Journal::append(std::vector<JournalRecord> records) {
  std::vector<std::byte> bytes(records.size() * kRecordBytes);
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].boot = boot_;
    encode(records[i], bytes.data() + i * kRecordBytes);
  }
  return append(bytes);
}

Result<void> Journal::append(std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  // Kernels that have fine times for files give them to those that were looked at: so the journal's
  // is behind that of a file written just before, not the same tick.
  const int clock = witness_ ? witness_.get() : fd_.get();
  struct stat looked {};
  (void)::fstat(clock, &looked);
  auto written = write_all(fd_.get(), bytes.data(), bytes.size(), end_, shown_);
  if (!written) {
    (void)!::ftruncate(fd_.get(), static_cast<off_t>(end_));
    return std::move(written).error();
  }
  end_ += bytes.size();
  // A failure leaves the time behind: more is re-hashed than need be.
  if (witness_) (void)::futimens(clock, nullptr);
  return {};
}

void Journal::mark_time() {
  const std::lock_guard lock(mutex_);
  const int fd = witness_ ? witness_.get() : fd_.get();
  struct stat before {};
  struct stat now {};
  if (::fstat(fd, &before) != 0) return;
  for (int tries = 0; tries < kTickTries; ++tries) {
    if (::futimens(fd, nullptr) != 0 || ::fstat(fd, &now) != 0) return;
    if (nanoseconds(now.st_ctim) != nanoseconds(before.st_ctim)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Result<void> Journal::sync() { return sync_file(fd_.get(), shown_); }

Journal::Reader::Reader(const Journal& journal) : journal_(journal), at_(kRecordBytes) {
  const std::lock_guard lock(journal.mutex_);
  end_ = journal.end_;
}

Result<bool> Journal::Reader::next(JournalRecord& out) {
  damage_ = false;
  for (;;) {
    if (used_ == buffer_.size()) {
      const auto count = std::min<std::uint64_t>(end_ - at_, kReadRecords * kRecordBytes);
      if (count == 0) return false;
      buffer_.resize(static_cast<std::size_t>(count));
      used_ = 0;
      std::size_t have = 0;
      while (have < buffer_.size()) {
        const auto n = ::pread(journal_.fd_.get(), buffer_.data() + have, buffer_.size() - have,
                               static_cast<off_t>(at_ + have));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno_error("read", journal_.shown_, errno);
        if (n == 0) break;
        have += static_cast<std::size_t>(n);
      }
      buffer_.resize(have - have % kRecordBytes);
      if (buffer_.empty()) return false;
      at_ += buffer_.size();
    }
    const bool good = decode(buffer_.data() + used_, out);
    used_ += kRecordBytes;
    if (good) return true;
    damage_ = true;
  }
}

}  // namespace peer::storage
