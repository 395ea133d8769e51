#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "protocol/ids.hpp"

namespace peer::storage {

/// XXH3-128 or SHA-256 of these bytes.
protocol::Digest digest_of(protocol::Digest::Kind kind, std::span<const std::byte> bytes);

/// SHA-256 of bytes that come in pieces: a manifest's.
class ManifestHasher {
 public:
  ManifestHasher();
  ~ManifestHasher();
  ManifestHasher(ManifestHasher&&) noexcept;
  ManifestHasher& operator=(ManifestHasher&&) noexcept;
  void add(std::span<const std::byte> bytes);
  protocol::ManifestDigest finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace peer::storage
