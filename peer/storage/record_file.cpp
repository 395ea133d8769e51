#include "storage/record_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"

namespace peer::storage {

Result<Folder> make_record_folder(const std::string& folder) {
  return Folder::open(folder, true, 0700);
}

Result<std::size_t> read_fully(int fd, std::uint64_t offset, std::span<std::byte> buffer,
                               const std::string& shown) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t n =
        ::pread(fd, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read", shown, errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

AppendFile::AppendFile(Fd fd, std::string shown)
    : fd_(std::move(fd)),
      shown_(std::move(shown)),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kAppendBufferBytes)) {}

Result<AppendFile> AppendFile::create(const Folder& folder, const char* name) {
  auto fd = folder.file(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (!fd) return std::move(fd).error();
  return AppendFile(std::move(*fd), folder.shown() + "/" + name);
}

Result<void> AppendFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (used_ == 0 && bytes.size() >= kAppendBufferBytes) {
      if (auto r = write(written_, bytes); !r) return r;
      written_ += bytes.size();
      return {};
    }
    const auto part = std::min(bytes.size(), kAppendBufferBytes - used_);
    std::memcpy(buffer_.get() + used_, bytes.data(), part);
    used_ += part;
    bytes = bytes.subspan(part);
    if (used_ == kAppendBufferBytes)
      if (auto r = flush(); !r) return r;
  }
  return {};
}

Result<void> AppendFile::flush() {
  if (auto r = write(written_, {buffer_.get(), used_}); !r) return r;
  written_ += used_;
  used_ = 0;
  return {};
}

Result<void> AppendFile::rewrite_front(std::span<const std::byte> bytes) { return write(0, bytes); }

Result<void> AppendFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write", shown_, errno);
    offset += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<const std::byte*> WindowReader::view(std::uint64_t offset, std::size_t length) {
  if (offset < begin_ || offset + length > begin_ + length_) {
    if (auto r = load(offset, length); !r) return std::move(r).error();
  }
  return buffer_.get() + (offset - begin_);
}

Result<void> WindowReader::load(std::uint64_t offset, std::size_t length) {
  if (offset > size_ || length > size_ - offset) return damaged(shown_);
  const bool goes_on = length_ > 0 && offset >= begin_ && offset <= begin_ + length_;
  window_ = goes_on ? std::min(window_ * 2, kWindowBytes) : kFirstWindowBytes;
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(std::max(window_, length), size_ - offset));
  if (capacity_ < wanted) {
    capacity_ = std::max(wanted, window_);
    buffer_ = std::make_unique_for_overwrite<std::byte[]>(capacity_);
  }
  length_ = 0;
  auto n = read_fully(fd_, offset, {buffer_.get(), wanted}, shown_);
  if (!n) return std::move(n).error();
  if (*n < length) return damaged(shown_);
  begin_ = offset;
  length_ = *n;
  return {};
}

Error damaged(const std::string& shown) {
  return Error(std::make_error_code(std::errc::state_not_recoverable),
               base::quoted(shown) + " is damaged");
}

Error record_error(Error error) {
  if (error.code != std::errc::no_such_file_or_directory) return error;
  return Error(std::make_error_code(std::errc::state_not_recoverable),
               error.context + ", where somebody has removed it");
}

}  // namespace peer::storage
