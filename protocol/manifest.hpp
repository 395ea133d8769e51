#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "protocol/message.hpp"
#include "protocol/path.hpp"
#include "protocol/result.hpp"

/// The list of an offer's entries: one line of JSON each (PROTOCOL.md "Manifests").
namespace peer::protocol {

struct Entry {
  std::string path;  ///< legal as RelativePath
  Kind kind = Kind::file;
  std::uint64_t size = 0;  ///< of a file, in bytes
  std::uint64_t allocated =
      0;                   ///< bytes a file takes on the giver's disk; less than size: it has holes
  std::uint32_t mode = 0;  ///< rwx bits, kModeMask; 0777 for links
  std::int64_t mtime = 0;  ///< nanoseconds since 1970 UTC, times outside the 64 bits clamped
  std::string target;      ///< of a link, any bytes but NUL, not empty
  friend bool operator==(const Entry&, const Entry&) = default;
};

/// One line with its '\n'. Keys sorted, no spaces; what is not UTF-8 goes as base64 in `path64`,
/// `target64`. The entry is legal: a caller's promise.
std::string encode_entry(const Entry& entry);

/// Reads a line without its '\n'. Errc::bad_json, bad_message, bad_path. Lines written by
/// encode_entry take a fast way; any other legal JSON is read all the same. Mode bits outside
/// kModeMask are dropped; fields that do not belong to the kind are ignored.
Result<Entry> decode_entry(std::string_view line);

struct ManifestTotals {
  std::uint64_t files = 0;
  std::uint64_t folders = 0;
  std::uint64_t links = 0;
  std::uint64_t bytes = 0;
  std::uint64_t allocated = 0;  ///< stays at kMaxNumber when the sum is more
  std::uint64_t entries() const { return files + folders + links; }
  friend bool operator==(const ManifestTotals&, const ManifestTotals&) = default;
};

/// Judges entries one by one: strictly ascending, every parent an earlier folder, sums within
/// bounds. Memory is one path.
class ManifestOrder {
 public:
  /// Errc::bad_manifest with what is wrong; the judge is then useless.
  Result<void> add(const Entry& entry);
  const ManifestTotals& totals() const { return totals_; }

 private:
  ManifestTotals totals_;
  std::string last_;  ///< path of the entry before
  bool last_is_folder_ = false;
};

/// Reads a manifest's bytes as they arrive and hands out its entries in order, judged. Memory is
/// one line.
class ManifestReader {
 public:
  /// `bytes` and `entries` are what the offer said; more of either is an error at once.
  ManifestReader(std::uint64_t bytes, std::uint64_t entries);

  using Take = std::function<Result<void>(Entry&& entry)>;
  /// Errc::bad_manifest (names the line), or what `take` returned. The reader is then useless.
  Result<void> feed(std::span<const std::byte> bytes, const Take& take);
  /// After the last byte: Errc::bad_manifest if a line is cut or the counts are not the offer's.
  Result<void> finish(const Offer& offer) const;
  const ManifestTotals& totals() const { return order_.totals(); }

 private:
  Result<void> line(std::string_view text, const Take& take);
  Error refused(const std::string& what) const;

  std::uint64_t bytes_left_;
  std::uint64_t entries_left_;
  std::uint64_t lines_ = 0;  ///< begun, the first is 1
  std::string line_;         ///< one that has begun and not ended
  ManifestOrder order_;
};

}  // namespace peer::protocol
