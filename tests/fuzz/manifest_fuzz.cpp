#include <string>
#include <vector>

#include "fuzz.hpp"
#include "protocol/manifest.hpp"

using namespace peer::protocol;

namespace {

constexpr std::uint64_t kEntries = 1000;

struct Read {
  std::vector<Entry> entries;
  std::string error;
  friend bool operator==(const Read&, const Read&) = default;
};

Read read(std::string_view manifest, std::size_t piece) {
  Read read;
  ManifestReader reader(manifest.size(), kEntries);
  for (; !manifest.empty(); manifest.remove_prefix(std::min(piece, manifest.size()))) {
    const auto fed = reader.feed(bytes_of(manifest.substr(0, piece)), [&read](Entry&& entry) {
      read.entries.push_back(std::move(entry));
      return peer::Result<void>();
    });
    if (fed) continue;
    read.error = fed.error().text();
    break;
  }
  return read;
}

/// A space before a line keeps it from the fast way: both ways must judge alike.
void check_line(std::string_view line) {
  const auto fast = decode_entry(line);
  const auto strict = decode_entry(std::string(1, ' ').append(line));
  MUST(static_cast<bool>(fast) == static_cast<bool>(strict));
  if (!fast) return;
  MUST(*fast == *strict);
  std::string written = encode_entry(*fast);
  MUST(written.ends_with('\n'));
  written.pop_back();
  const auto again = decode_entry(written);
  MUST(again && *again == *fast);
}

}  // namespace

/// The first byte says how the rest, a manifest, is cut into pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view manifest = text_of(data, size).substr(1);
  const Read whole = read(manifest, manifest.size() + 1);
  MUST(whole == read(manifest, std::size_t{1} + data[0]));
  for (std::size_t begin = 0; begin <= manifest.size();) {
    const std::size_t end = std::min(manifest.find('\n', begin), manifest.size());
    check_line(manifest.substr(begin, end - begin));
    begin = end + 1;
  }
  return 0;
}
