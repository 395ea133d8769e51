#pragma once

#include <cstdint>
#include <string>

#include "protocol/manifest.hpp"
#include "protocol/result.hpp"
#include "storage/catalogue.hpp"
#include "storage/digest.hpp"
#include "storage/record_file.hpp"

namespace peer::storage {

/// Writes the record of an offer of ours entry by entry: the manifest as it will go over the wire,
/// hashed on the way, and its catalogue.
class OfferWriter {
 public:
  static Result<OfferWriter> create(const std::string& folder);

  /// Whether a file of `size` bytes may still be added without the stream growing too long.
  bool has_room(std::uint64_t size) const {
    return size <= protocol::kMaxStreamBytes - totals_.bytes;
  }
  /// In the order of a manifest, has_room() for its size. EOVERFLOW past the limits of a manifest.
  Result<void> add(const protocol::Entry& entry, const SourceStamp& stamp = {});
  Result<void> finish();

  const protocol::ManifestTotals& totals() const { return totals_; }
  std::uint64_t manifest_bytes() const { return manifest_.size(); }
  const protocol::ManifestDigest& digest() const { return digest_; }  ///< after finish()

 private:
  OfferWriter(AppendFile manifest, CatalogueWriter catalogue)
      : manifest_(std::move(manifest)), catalogue_(std::move(catalogue)) {}

  AppendFile manifest_;
  CatalogueWriter catalogue_;
  ManifestHasher hasher_;
  protocol::ManifestTotals totals_;
  protocol::ManifestDigest digest_;
};

}  // namespace peer::storage
