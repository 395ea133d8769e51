#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "protocol/ids.hpp"

namespace peer::storage {

/// XXH3-128 or SHA-256 of these bytes.
protocol::Digest digest_of(protocol::Digest::Kind kind, std::span<const std::byte> bytes);

/// The same of bytes that come in pieces.
class Hasher {
 public:
  explicit Hasher(protocol::Digest::Kind kind);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  void add(std::span<const std::byte> bytes);
  protocol::Digest finish();  ///< once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// SHA-256 of bytes that come in pieces: a manifest's.
class ManifestHasher {
 public:
  ManifestHasher() : hasher_(protocol::Digest::Kind::sha256) {}
  void add(std::span<const std::byte> bytes) { hasher_.add(bytes); }
  protocol::ManifestDigest finish() { return {hasher_.finish().bytes}; }  ///< once

 private:
  Hasher hasher_;
};

}  // namespace peer::storage
