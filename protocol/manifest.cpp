#include "protocol/manifest.hpp"

#include <algorithm>
#include <cstring>

#include "protocol/errors.hpp"
#include "protocol/fields.hpp"
#include "protocol/limits.hpp"

namespace peer::protocol {
namespace {

Error bad_entry(const std::string& path, const char* what) {
  return Error(Errc::bad_manifest, printable(path) + ": " + what);
}

bool is_inside(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

std::string counts(const char* what, std::uint64_t files, std::uint64_t folders,
                   std::uint64_t links, std::uint64_t bytes) {
  return std::string(what) + " " + std::to_string(files) + " files, " + std::to_string(folders) +
         " folders, " + std::to_string(links) + " links, " + std::to_string(bytes) + " bytes";
}

}  // namespace

Result<void> ManifestOrder::add(const Entry& entry) {
  if (totals_.entries() > 0 && compare_paths(last_, entry.path) >= 0)
    return bad_entry(entry.path, "not behind the entry before it");
  // In ascending order a folder's tree is contiguous: the parent is the entry before, or one of the
  // folders that one lies in, or it is missing.
  const std::string_view parent = parent_of(entry.path);
  const bool parent_is_last = parent == last_ && last_is_folder_;
  if (!parent.empty() && !parent_is_last && !is_inside(last_, parent))
    return bad_entry(entry.path, "its folder is no earlier entry");
  if (totals_.entries() == kMaxManifestEntries) return bad_entry(entry.path, "one entry too many");
  if (entry.kind == Kind::file) {
    if (entry.size > kMaxStreamBytes - totals_.bytes)
      return bad_entry(entry.path, "the sizes sum up to more than a stream can hold");
    totals_.bytes += entry.size;
    totals_.allocated += std::min(entry.allocated, kMaxNumber - totals_.allocated);
  }
  ++(entry.kind == Kind::file     ? totals_.files
     : entry.kind == Kind::folder ? totals_.folders
                                  : totals_.links);
  last_ = entry.path;
  last_is_folder_ = entry.kind == Kind::folder;
  return {};
}

ManifestReader::ManifestReader(std::uint64_t bytes, std::uint64_t entries)
    : bytes_left_(bytes), entries_left_(entries) {}

Error ManifestReader::refused(const std::string& what) const {
  return Error(Errc::bad_manifest, "line " + std::to_string(lines_) + ": " + what);
}

Result<void> ManifestReader::line(std::string_view text, const Take& take) {
  if (entries_left_ == 0) return refused("one entry too many");
  --entries_left_;
  auto entry = decode_entry(text);
  if (!entry) return refused(entry.error().text());
  if (const auto judged = order_.add(*entry); !judged) return refused(judged.error().context);
  return take(std::move(*entry));
}

Result<void> ManifestReader::feed(std::span<const std::byte> bytes, const Take& take) {
  if (bytes.size() > bytes_left_)
    return Error(Errc::bad_manifest, "more bytes than the offer says");
  bytes_left_ -= bytes.size();
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!rest.empty()) {
    if (line_.empty()) ++lines_;
    const auto end = rest.find('\n');
    const auto piece = rest.substr(0, end);
    if (line_.size() + piece.size() > kMaxManifestLineBytes) return refused("longer than allowed");
    const bool whole = end != std::string_view::npos;
    if (!whole || !line_.empty()) line_ += piece;
    if (!whole) break;
    auto taken = line(line_.empty() ? piece : line_, take);
    if (!taken) return taken;
    line_.clear();
    rest.remove_prefix(end + 1);
  }
  return {};
}

Result<void> ManifestReader::finish(const Offer& offer) const {
  if (bytes_left_ > 0)
    return Error(Errc::bad_manifest, "shorter than the offer says: " + std::to_string(bytes_left_) +
                                         " bytes are missing");
  if (!line_.empty()) return refused("cut");
  const ManifestTotals& is = totals();
  if (is.files == offer.files && is.folders == offer.folders && is.links == offer.links &&
      is.bytes == offer.bytes)
    return {};
  return Error(
      Errc::bad_manifest,
      counts("the manifest holds", is.files, is.folders, is.links, is.bytes) +
          counts("; the offer says", offer.files, offer.folders, offer.links, offer.bytes));
}

}  // namespace peer::protocol
