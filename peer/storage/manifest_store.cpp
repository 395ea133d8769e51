#include "storage/manifest_store.hpp"

#include "base/text.hpp"
#include "protocol/errors.hpp"
#include "protocol/manifest.hpp"
#include "storage/catalogue.hpp"
#include "storage/digest.hpp"
#include "storage/record_file.hpp"

namespace peer::storage {
namespace {

class FileManifestStore final : public ManifestStore {
 public:
  FileManifestStore(const protocol::Offer& offer, std::string folder, AppendFile manifest,
                    CatalogueWriter catalogue)
      : offer_(offer),
        folder_(std::move(folder)),
        manifest_(std::move(manifest)),
        catalogue_(std::move(catalogue)),
        reader_(offer.manifest_bytes, offer.entries()) {}

  Result<void> add(std::span<const std::byte> bytes) override {
    const auto take = [this](protocol::Entry&& entry) { return catalogue_.add(entry); };
    if (auto r = reader_.feed(bytes, take); !r) return r;
    hasher_.add(bytes);
    return manifest_.append(bytes);
  }

  Result<void> finish() override {
    if (auto r = reader_.finish(offer_); !r) return r;
    if (hasher_.finish() != offer_.manifest)
      return Error(protocol::Errc::bad_digest, "the list of files that was offered");
    if (auto r = manifest_.flush(); !r) return r;
    if (auto r = catalogue_.finish(); !r) return r;
    return compare();
  }

 private:
  /// The catalogue is what the wire's numbers will be looked up in: it must agree with them.
  Result<void> compare() const {
    auto catalogue = Catalogue::open(folder_);
    if (!catalogue) return std::move(catalogue).error();
    const auto& totals = reader_.totals();
    if ((*catalogue)->entries() != totals.entries() || (*catalogue)->bytes() != totals.bytes)
      return damaged(folder_);
    return {};
  }

  protocol::Offer offer_;
  std::string folder_;
  AppendFile manifest_;
  CatalogueWriter catalogue_;
  protocol::ManifestReader reader_;
  ManifestHasher hasher_;
};

}  // namespace

Result<std::unique_ptr<ManifestStore>> ManifestStore::create(const std::string& folder,
                                                             const protocol::Offer& offer) {
  auto record = make_record_folder(folder);
  if (!record) return std::move(record).error();
  auto manifest = AppendFile::create(*record, kManifestFile);
  if (!manifest) return std::move(manifest).error();
  auto catalogue = CatalogueWriter::create(folder);
  if (!catalogue) return std::move(catalogue).error();
  return std::unique_ptr<ManifestStore>(std::make_unique<FileManifestStore>(
      offer, folder, std::move(*manifest), std::move(*catalogue)));
}

}  // namespace peer::storage
