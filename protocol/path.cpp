#include "protocol/path.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "protocol/errors.hpp"
#include "protocol/limits.hpp"

namespace peer::protocol {
namespace {

const char* part_fault(std::string_view part) {
  if (part.empty()) return "a part is empty";
  if (part == "." || part == "..") return "a part is . or ..";
  if (part.size() > kMaxPartBytes) return "a part is longer than 255 bytes";
  return nullptr;
}

/// Where a byte stands in the order of paths: the end of a part before every byte of one. NUL is
/// not in a path.
unsigned rank(char c) { return c == '/' ? 0 : static_cast<unsigned char>(c); }

/// The length of the well-formed UTF-8 sequence at the front of `s`, 0 if there is none.
std::size_t sequence_length(std::string_view s) {
  const auto at = [s](std::size_t i) -> unsigned { return static_cast<unsigned char>(s[i]); };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (s.size() < length) return 0;
  // The second byte's range excludes overlong forms, surrogates and what lies past U+10FFFF.
  const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  return length;
}

}  // namespace

const char* path_fault(std::string_view bytes) {
  if (bytes.empty()) return "the path is empty";
  if (bytes.size() > kMaxPathBytes) return "the path is longer than 4095 bytes";
  if (bytes.front() == '/') return "the path is absolute";
  if (std::memchr(bytes.data(), '\0', bytes.size())) return "the path holds NUL";
  for (std::size_t begin = 0;;) {
    const std::size_t end = std::min(bytes.find('/', begin), bytes.size());
    if (const char* fault = part_fault(bytes.substr(begin, end - begin))) return fault;
    if (end == bytes.size()) return nullptr;
    begin = end + 1;
  }
}

Result<RelativePath> RelativePath::parse(std::string bytes) {
  if (const char* fault = path_fault(bytes)) return Error(Errc::bad_path, fault);
  return RelativePath(std::move(bytes));
}

std::string_view RelativePath::root() const {
  return std::string_view(bytes_).substr(0, bytes_.find('/'));
}

std::string_view RelativePath::name() const {
  return std::string_view(bytes_).substr(bytes_.rfind('/') + 1);  // npos + 1 is 0
}

std::string_view RelativePath::parent() const { return parent_of(bytes_); }

std::size_t RelativePath::depth() const {
  return 1 + static_cast<std::size_t>(std::count(bytes_.begin(), bytes_.end(), '/'));
}

std::strong_ordering operator<=>(const RelativePath& a, const RelativePath& b) {
  return compare_paths(a.bytes_, b.bytes_);
}

std::strong_ordering compare_paths(std::string_view a, std::string_view b) {
  const std::size_t common = std::min(a.size(), b.size());
  const auto differ =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(common), b.begin());
  const auto at = static_cast<std::size_t>(differ.first - a.begin());
  if (at == common) return a.size() <=> b.size();
  return rank(a[at]) <=> rank(b[at]);
}

std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    std::uint64_t eight = 0;
    if (bytes.size() >= sizeof eight) {
      std::memcpy(&eight, bytes.data(), sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        bytes.remove_prefix(sizeof eight);
        continue;
      }
    }
    const std::size_t length = sequence_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace peer::protocol
