#include "storage/digest.hpp"

#include <openssl/evp.h>
#ifdef PEER_XXHASH_PICKS
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include <cstring>
#include <new>

namespace peer::storage {
namespace {

using protocol::Digest;

Digest from_xxh3(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Digest digest;
  digest.kind = Digest::Kind::xxh3;
  static_assert(sizeof canonical <= sizeof digest.bytes);
  std::memcpy(digest.bytes.data(), &canonical, sizeof canonical);
  return digest;
}

struct FreeEvp {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct FreeXxh3 {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

}  // namespace

/// One of the two is there. OpenSSL and xxHash fail here for want of memory only.
struct Hasher::Impl {
  std::unique_ptr<EVP_MD_CTX, FreeEvp> sha256;
  std::unique_ptr<XXH3_state_t, FreeXxh3> xxh3;
};

Hasher::Hasher(Digest::Kind kind) : impl_(std::make_unique<Impl>()) {
  if (kind == Digest::Kind::xxh3) {
    impl_->xxh3.reset(XXH3_createState());
    if (!impl_->xxh3 || XXH3_128bits_reset(impl_->xxh3.get()) != XXH_OK) throw std::bad_alloc();
  } else {
    impl_->sha256.reset(EVP_MD_CTX_new());
    if (!impl_->sha256 || EVP_DigestInit_ex(impl_->sha256.get(), EVP_sha256(), nullptr) != 1)
      throw std::bad_alloc();
  }
}

Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::add(std::span<const std::byte> bytes) {
  if (impl_->xxh3)
    XXH3_128bits_update(impl_->xxh3.get(), bytes.data(), bytes.size());
  else if (EVP_DigestUpdate(impl_->sha256.get(), bytes.data(), bytes.size()) != 1)
    throw std::bad_alloc();
}

Digest Hasher::finish() {
  if (impl_->xxh3) return from_xxh3(XXH3_128bits_digest(impl_->xxh3.get()));
  Digest digest;
  if (EVP_DigestFinal_ex(impl_->sha256.get(), reinterpret_cast<unsigned char*>(digest.bytes.data()),
                         nullptr) != 1)
    throw std::bad_alloc();
  return digest;
}

Digest digest_of(Digest::Kind kind, std::span<const std::byte> bytes) {
  if (kind == Digest::Kind::xxh3) return from_xxh3(XXH3_128bits(bytes.data(), bytes.size()));
  Hasher hasher(kind);
  hasher.add(bytes);
  return hasher.finish();
}

}  // namespace peer::storage
