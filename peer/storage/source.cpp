#include "storage/source.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <vector>

#include "storage/catalogue.hpp"
#include "storage/digest.hpp"
#include "storage/record_file.hpp"
#include "storage/source_files.hpp"

namespace peer::storage {
namespace {

using Piece = Source::Piece;

constexpr std::uint64_t kLargeFileBytes = 1 << 20;  ///< from here the kernel is told what follows
constexpr std::size_t kCheckBytes = 256 * 1024;     ///< hashed at a time by still_has()

enum class Lost : std::uint8_t { no, changed, vanished, unreadable };

const char* code(Lost why) {
  switch (why) {
    case Lost::changed:
      return "changed";
    case Lost::vanished:
      return "vanished";
    default:
      return "unreadable";
  }
}

Lost lost_for(int number) {
  if (number == ENOENT || number == ENOTDIR) return Lost::vanished;
  if (number == ELOOP || number == ESTALE || number == ENXIO || number == EXDEV)
    return Lost::changed;  // another folder, a link or a socket in its place
  return Lost::unreadable;
}

/// The entries that cannot be sent any more, two bits each once there is one. Thread-safe.
class LostEntries {
 public:
  explicit LostEntries(std::uint64_t entries) : entries_(entries) {}

  Lost find(std::uint64_t entry) const {
    if (count() == 0) return Lost::no;
    const std::scoped_lock lock(mutex_);
    return static_cast<Lost>(bits_[entry / 4] >> shift(entry) & 3U);
  }

  /// The first reason stays.
  void add(std::uint64_t entry, Lost why) {
    const std::scoped_lock lock(mutex_);
    if (bits_.empty()) bits_.resize(entries_ / 4 + 1);
    if (bits_[entry / 4] >> shift(entry) & 3U) return;
    bits_[entry / 4] |= static_cast<std::uint8_t>(static_cast<unsigned>(why) << shift(entry));
    count_.fetch_add(1, std::memory_order_release);
  }

  std::uint64_t count() const { return count_.load(std::memory_order_acquire); }

 private:
  static unsigned shift(std::uint64_t entry) { return static_cast<unsigned>(entry % 4) * 2; }

  std::uint64_t entries_;
  mutable std::mutex mutex_;
  std::vector<std::uint8_t> bits_;
  std::atomic<std::uint64_t> count_{0};
};

/// What all readers of one offer share; immutable but for `lost`.
struct Shared {
  std::string shown;
  std::shared_ptr<const Catalogue> catalogue;
  Roots roots;
  Fd manifest;
  LostEntries lost;
};

class FileReader final : public Source::Reader {
 public:
  explicit FileReader(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), cursor_(shared_->catalogue->cursor()), files_(shared_->roots) {}

  Result<Piece> read(std::uint64_t offset, std::uint64_t length,
                     std::span<std::byte> buffer) override {
    const auto bytes = shared_->catalogue->bytes();
    if (length == 0 || buffer.empty() || offset >= bytes || length > bytes - offset)
      return Error(std::make_error_code(std::errc::invalid_argument),
                   "read " + std::to_string(length) + " bytes at " + std::to_string(offset) +
                       " of an offer of " + std::to_string(bytes));
    const auto end = offset + length;
    std::uint64_t filled = 0;
    while (filled < length && filled < buffer.size()) {
      if (auto r = go_to(offset + filled); !r) return std::move(r).error();
      auto piece = read_file(offset + filled, end, buffer.subspan(filled));
      if (!piece) return piece;
      if (piece->kind != Piece::Kind::data) {
        if (filled == 0) return piece;
        break;  // it is the next answer
      }
      filled += piece->length;
    }
    return data(filled);
  }

  const std::string& current() const override { return file_.entry.path; }

  Result<std::size_t> read_manifest(std::uint64_t offset, std::span<std::byte> buffer) override {
    return read_fully(shared_->manifest.get(), offset, buffer,
                      shared_->shown + "/" + kManifestFile);
  }

  Result<bool> still_has(std::uint64_t offset, std::uint64_t length,
                         const protocol::Digest& digest) override {
    Hasher hasher(digest.kind);
    std::vector<std::byte> buffer(
        static_cast<std::size_t>(std::clamp<std::uint64_t>(length, 1, kCheckBytes)));
    const auto begin = offset;
    const auto end = offset + length;
    while (offset < end) {
      auto piece = read(offset, end - offset, buffer);
      if (!piece) return std::move(piece).error();
      if (piece->kind == Piece::Kind::gone) return false;
      if (piece->kind == Piece::Kind::zeros) {
        piece->length = std::min<std::uint64_t>(piece->length, buffer.size());
        std::memset(buffer.data(), 0, static_cast<std::size_t>(piece->length));
      }
      hasher.add({buffer.data(), static_cast<std::size_t>(piece->length)});
      offset += piece->length;
    }
    if (hasher.finish() == digest) return true;
    auto marked = mark_changed(begin, end);
    if (!marked) return std::move(marked).error();
    return false;
  }

 private:
  Result<void> mark_changed(std::uint64_t begin, std::uint64_t end) {
    const auto cursor = shared_->catalogue->cursor();
    if (auto r = cursor->to_offset(begin); !r) return r;
    for (PlacedEntry entry;;) {
      auto more = cursor->next(entry);
      if (!more) return std::move(more).error();
      if (!*more || entry.offset >= end) return {};
      if (entry.entry.kind == protocol::Kind::file && entry.entry.size > 0)
        shared_->lost.add(entry.index, Lost::changed);
    }
  }

  static Piece data(std::uint64_t length) {
    Piece piece;
    piece.length = length;
    return piece;
  }

  /// Makes file_ the file that holds `offset`.
  Result<void> go_to(std::uint64_t offset) {
    const bool have = file_.entry.size > 0;
    if (have && file_.offset <= offset && offset < file_.range().end) return {};
    close();
    if (!have || offset != file_.range().end)
      if (auto r = cursor_->to_offset(offset); !r) return r;
    do {
      auto more = cursor_->next(file_);
      if (!more) return std::move(more).error();
      if (!*more) return damaged(shared_->shown);
    } while (file_.entry.size == 0);
    return {};
  }

  /// The front of [offset, end) as far as it lies in file_: data, a hole, or that it is lost.
  Result<Piece> read_file(std::uint64_t offset, std::uint64_t end, std::span<std::byte> buffer) {
    end = std::min(end, file_.range().end);
    if (const Lost why = shared_->lost.find(file_.index); why != Lost::no)
      return lost(offset, end, why, "");
    if (!fd_) {
      fd_ = Fd(files_.open(file_.entry.path));
      if (!fd_) return failed(offset, end, errno);
      if (file_.entry.size >= kLargeFileBytes)
        ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    const auto at = offset - file_.offset;
    Extents::Extent extent{at, end - file_.offset, false};
    if (file_.entry.size - file_.entry.allocated >= Extents::kMinHoleBytes)
      extent = extents_.at(fd_.get(), at, end - file_.offset, file_.entry.size);

    auto length = std::min(extent.end - at, end - offset);
    bool whole = true;
    if (!extent.hole) {
      length = std::min<std::uint64_t>(length, buffer.size());
      const auto into = buffer.first(static_cast<std::size_t>(length));
      const int number = fill(at, into, whole);
      if (number != 0 && !is_changed()) return failed(offset, end, number);
    }
    if (is_changed())
      return lost(offset, end, Lost::changed, "it is not the file that was offered");
    if (!whole) return failed(offset, end, EIO);
    Piece piece = data(length);
    if (extent.hole) {
      piece.kind = Piece::Kind::zeros;
      piece.hole_end = file_.offset + extent.end;
    }
    if (offset + length == file_.range().end) close();
    return piece;
  }

  /// 0 or an errno; `whole` is false when the file ended early.
  int fill(std::uint64_t at, std::span<std::byte> buffer, bool& whole) {
    while (!buffer.empty()) {
      const ssize_t n = ::pread(fd_.get(), buffer.data(), buffer.size(), static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno;
      if (n == 0) break;
      at += static_cast<std::uint64_t>(n);
      buffer = buffer.subspan(static_cast<std::size_t>(n));
    }
    whole = buffer.empty();
    return 0;
  }

  bool is_changed() const {
    struct stat st {};
    return ::fstat(fd_.get(), &st) != 0 || !is_unchanged(st, file_);
  }

  Result<Piece> failed(std::uint64_t offset, std::uint64_t end, int number) {
    if (is_out_of_resources(number)) return errno_error("open", file_.entry.path, number);
    return lost(offset, end, lost_for(number), std::generic_category().message(number));
  }

  Piece lost(std::uint64_t offset, std::uint64_t end, Lost why, std::string text) {
    close();
    shared_->lost.add(file_.index, why);
    Piece piece;
    piece.kind = Piece::Kind::gone;
    piece.length = end - offset;
    piece.entry = file_.index;
    piece.reason = code(why);
    piece.text = std::move(text);
    return piece;
  }

  void close() {
    fd_ = Fd();
    extents_.forget();
  }

  std::shared_ptr<Shared> shared_;
  std::unique_ptr<Catalogue::Cursor> cursor_;  ///< behind file_
  SourceFiles files_;
  PlacedEntry file_;  ///< the file last read from; size 0: none
  Fd fd_;             ///< of file_, if open
  Extents extents_;   ///< of fd_
};

class FileSource final : public Source {
 public:
  explicit FileSource(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  std::unique_ptr<Reader> reader() override { return std::make_unique<FileReader>(shared_); }
  std::uint64_t bytes() const override { return shared_->catalogue->bytes(); }
  std::uint64_t gone_count() const override { return shared_->lost.count(); }

  Result<bool> unchanged() override {
    if (gone_count() > 0) return false;
    SourceFiles files(shared_->roots);
    const auto cursor = shared_->catalogue->cursor();
    PlacedEntry entry;
    for (;;) {
      auto more = cursor->next(entry);
      if (!more || !*more) return more ? Result<bool>(true) : more;
      if (entry.entry.kind != protocol::Kind::file) continue;
      struct stat st {};
      if (files.stat(entry.entry.path, st) != 0) {
        if (is_out_of_resources(errno)) return errno_error("look at", entry.entry.path, errno);
        return false;
      }
      if (!is_unchanged(st, entry)) return false;
    }
  }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace

Result<std::shared_ptr<Source>> Source::open(const std::string& folder) {
  auto record = Folder::open(folder);
  if (!record) return record_error(std::move(record).error());
  auto roots = Roots::read(*record);
  if (!roots) return std::move(roots).error();
  auto manifest = record->file(kManifestFile, O_RDONLY);
  if (!manifest) return record_error(std::move(manifest).error());
  auto catalogue = Catalogue::open(folder);
  if (!catalogue) return std::move(catalogue).error();
  const auto entries = (*catalogue)->entries();
  auto shared = std::shared_ptr<Shared>(new Shared{folder, std::move(*catalogue), std::move(*roots),
                                                   std::move(*manifest), LostEntries(entries)});
  return std::shared_ptr<Source>(std::make_shared<FileSource>(std::move(shared)));
}

}  // namespace peer::storage
