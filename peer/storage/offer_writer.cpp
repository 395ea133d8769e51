#include "storage/offer_writer.hpp"

#include <cassert>

namespace peer::storage {
namespace {

void count(const protocol::Entry& entry, protocol::ManifestTotals& totals) {
  switch (entry.kind) {
    case protocol::Kind::file:
      totals.files += 1;
      totals.bytes += entry.size;
      totals.allocated += entry.allocated;
      break;
    case protocol::Kind::folder:
      totals.folders += 1;
      break;
    case protocol::Kind::link:
      totals.links += 1;
      break;
  }
}

}  // namespace

Result<OfferWriter> OfferWriter::create(const std::string& folder) {
  auto record = make_record_folder(folder);
  if (!record) return std::move(record).error();
  auto manifest = AppendFile::create(*record, kManifestFile);
  if (!manifest) return std::move(manifest).error();
  auto catalogue = CatalogueWriter::create(folder);
  if (!catalogue) return std::move(catalogue).error();
  return OfferWriter(std::move(*manifest), std::move(*catalogue));
}

Result<void> OfferWriter::add(const protocol::Entry& entry, const SourceStamp& stamp) {
  assert(has_room(entry.size));
  const std::string line = protocol::encode_entry(entry);
  if (totals_.entries() >= protocol::kMaxManifestEntries ||
      line.size() > protocol::kMaxManifestBytes - manifest_bytes())
    return Error(std::make_error_code(std::errc::value_too_large),
                 "an offer holds at most " + std::to_string(protocol::kMaxManifestEntries) +
                     " files and folders");
  count(entry, totals_);
  hasher_.add(std::as_bytes(std::span(line)));
  if (auto r = catalogue_.add(entry, stamp); !r) return r;
  return manifest_.append(line);
}

Result<void> OfferWriter::finish() {
  digest_ = hasher_.finish();
  if (auto r = manifest_.flush(); !r) return r;
  return catalogue_.finish();
}

}  // namespace peer::storage
