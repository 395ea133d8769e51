#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "protocol/message.hpp"
#include "protocol/result.hpp"

namespace peer::storage {

/// A manifest being fetched from a giver: written to `folder`/manifest, judged line by line,
/// hashed, and turned into a catalogue. Blocking; one thread at a time.
class ManifestStore {
 public:
  /// Creates `folder` (0700) and begins anew.
  static Result<std::unique_ptr<ManifestStore>> create(const std::string& folder,
                                                       const protocol::Offer& offer);
  virtual ~ManifestStore() = default;
  virtual Result<void> add(std::span<const std::byte> bytes) = 0;
  /// After the last byte: Errc::bad_manifest or bad_digest if it is not what the offer said; else
  /// the folder holds `manifest`, `catalogue`, `names`.
  virtual Result<void> finish() = 0;
};

}  // namespace peer::storage
