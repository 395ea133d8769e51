#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "protocol/result.hpp"
#include "storage/folder.hpp"

/// The files of an offer's record, in its folder of our state.
namespace peer::storage {

inline constexpr char kManifestFile[] = "manifest";    ///< the wire's bytes
inline constexpr char kCatalogueFile[] = "catalogue";  ///< fixed-size records
inline constexpr char kNamesFile[] = "names";          ///< the paths and targets of the records
inline constexpr char kRootsFile[] = "roots";          ///< a given offer's: where its roots lie

inline constexpr std::size_t kAppendBufferBytes = 256 * 1024;
inline constexpr std::size_t kWindowBytes = 64 * 1024;  ///< of a sequential reader
inline constexpr std::size_t kFirstWindowBytes = 4096;  ///< after a jump

/// Opens the folder of a record; made with 0700 if it is not there.
Result<Folder> make_record_folder(const std::string& folder);

/// pread until `buffer` is full or the file ends; the bytes read.
Result<std::size_t> read_fully(int fd, std::uint64_t offset, std::span<std::byte> buffer,
                               const std::string& shown);

/// A file being written from its beginning to its end, through one buffer.
class AppendFile {
 public:
  /// Creates it with 0600, or empties it.
  static Result<AppendFile> create(const Folder& folder, const char* name);

  Result<void> append(std::span<const std::byte> bytes);
  Result<void> append(std::string_view bytes) { return append(std::as_bytes(std::span(bytes))); }
  Result<void> flush();
  /// Bytes at the beginning, where some lie already; after flush().
  Result<void> rewrite_front(std::span<const std::byte> bytes);
  std::uint64_t size() const { return written_ + used_; }  ///< what the buffer holds included

 private:
  AppendFile(Fd fd, std::string shown);
  Result<void> write(std::uint64_t offset, std::span<const std::byte> bytes);

  Fd fd_;
  std::string shown_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t used_ = 0;
  std::uint64_t written_ = 0;
};

/// Looks at a file that no longer changes through a window that grows while reading goes on in
/// order. One thread.
class WindowReader {
 public:
  /// `fd` outlives the reader. `size` is the file's.
  WindowReader(int fd, std::uint64_t size, std::string shown)
      : fd_(fd), size_(size), shown_(std::move(shown)) {}

  /// `length` bytes at `offset`, valid until the next call. Past the end the file is damaged().
  Result<const std::byte*> view(std::uint64_t offset, std::size_t length);

 private:
  Result<void> load(std::uint64_t offset, std::size_t length);

  int fd_;
  std::uint64_t size_;
  std::string shown_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::uint64_t begin_ = 0;
  std::size_t length_ = 0;
  std::size_t window_ = kFirstWindowBytes;
};

/// "‘x/catalogue’ is damaged": std::errc::state_not_recoverable.
Error damaged(const std::string& shown);
/// Of opening a record or a file of it: where it is not there any more, it is as good as damaged.
Error record_error(Error error);

}  // namespace peer::storage
