#include "trust/spake2.hpp"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>

#include <array>
#include <cassert>
#include <cstdint>
#include <memory>
#include <new>

namespace peer::trust::spake2 {

namespace {

constexpr int kScalarBytes = 32;
constexpr std::size_t kKeyBytes = 16;  ///< half of a SHA-256

/// M and N of RFC 9382, section 4, for P-256: points whose logarithms nobody knows, compressed.
using Compressed = std::array<unsigned char, 33>;
constexpr Compressed kM{0x02, 0x88, 0x6e, 0x2f, 0x97, 0xac, 0xe4, 0x6e, 0x55, 0xba, 0x9d,
                        0xd7, 0x24, 0x25, 0x79, 0xf2, 0x99, 0x3b, 0x64, 0xe1, 0x6e, 0xf3,
                        0xdc, 0xab, 0x95, 0xaf, 0xd4, 0x97, 0x33, 0x3d, 0x8f, 0xa1, 0x2f};
constexpr Compressed kN{0x03, 0xd8, 0xbb, 0xd6, 0xc6, 0x39, 0xc6, 0x29, 0x37, 0xb0, 0x4d,
                        0x99, 0x7f, 0x38, 0xc3, 0x77, 0x07, 0x19, 0xc6, 0x29, 0xd7, 0x01,
                        0x4d, 0x49, 0xa2, 0x4b, 0x4f, 0x98, 0xba, 0xa1, 0x29, 0x2b, 0x49};

template <auto Function>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    Function(p);
  }
};
using Number = std::unique_ptr<BIGNUM, Freer<BN_clear_free>>;
using Point = std::unique_ptr<EC_POINT, Freer<EC_POINT_clear_free>>;
using Context = std::unique_ptr<BN_CTX, Freer<BN_CTX_free>>;

/// For calls that fail only without memory.
void must(bool ok) {
  if (!ok) throw std::bad_alloc();
}

template <class Owner>
Owner made(Owner owner) {
  must(owner != nullptr);
  return owner;
}

const EC_GROUP* group() {
  static const EC_GROUP* const p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  must(p256 != nullptr);
  return p256;
}

const BIGNUM* order() { return EC_GROUP_get0_order(group()); }

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

Context context() { return made(Context(BN_CTX_secure_new())); }

Number number(std::string_view big_endian) {
  auto out = made(Number(BN_secure_new()));
  BN_set_flags(out.get(), BN_FLG_CONSTTIME);
  must(BN_bin2bn(raw(big_endian), static_cast<int>(big_endian.size()), out.get()) != nullptr);
  return out;
}

Scalar scalar(const BIGNUM* value) {
  Scalar out(std::string(kScalarBytes, '\0'));
  must(BN_bn2binpad(value, raw(out.bytes), kScalarBytes) == kScalarBytes);
  return out;
}

Point new_point() { return made(Point(EC_POINT_new(group()))); }

Point constant(const Compressed& bytes) {
  auto out = new_point();
  must(EC_POINT_oct2point(group(), out.get(), bytes.data(), bytes.size(), context().get()) == 1);
  return out;
}

// OpenSSL takes constant time for one product at a time only: no sums of products in one call.

Point times_base(const BIGNUM* factor) {
  auto out = new_point();
  must(EC_POINT_mul(group(), out.get(), factor, nullptr, nullptr, context().get()) == 1);
  return out;
}

Point times(const EC_POINT* point, const BIGNUM* factor) {
  auto out = new_point();
  must(EC_POINT_mul(group(), out.get(), nullptr, point, factor, context().get()) == 1);
  return out;
}

void add(EC_POINT* to, const EC_POINT* what) {
  must(EC_POINT_add(group(), to, to, what, context().get()) == 1);
}

void negate(EC_POINT* point) { must(EC_POINT_invert(group(), point, context().get()) == 1); }

std::string encoded(const EC_POINT* point) {
  std::string out(kPointBytes, '\0');
  must(EC_POINT_point2oct(group(), point, POINT_CONVERSION_UNCOMPRESSED, raw(out), out.size(),
                          context().get()) == kPointBytes);
  return out;
}

/// Null for anything but an uncompressed point of the curve; infinity is none.
Point decoded(std::string_view bytes) {
  // OpenSSL reads the byte 00 as infinity, and other forms of a point too.
  if (bytes.size() != kPointBytes || bytes[0] != POINT_CONVERSION_UNCOMPRESSED) return nullptr;
  auto out = new_point();
  const bool on_curve =
      EC_POINT_oct2point(group(), out.get(), raw(bytes), bytes.size(), context().get()) == 1;
  ERR_clear_error();
  if (!on_curve || EC_POINT_is_at_infinity(group(), out.get()) == 1) return nullptr;
  return out;
}

Secret sha256(std::string_view bytes) {
  Secret out(std::string(kMacBytes, '\0'));
  unsigned int size = 0;
  must(EVP_Digest(bytes.data(), bytes.size(), raw(out.bytes), &size, EVP_sha256(), nullptr) == 1);
  return out;
}

Secret hmac(std::string_view key, std::string_view bytes) {
  Secret out(std::string(kMacBytes, '\0'));
  unsigned int size = 0;
  must(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(bytes), bytes.size(),
            raw(out.bytes), &size) != nullptr);
  return out;
}

/// HKDF (RFC 5869) without a salt; its first 32 bytes, which are one block.
Secret hkdf(const Secret& key, const std::string& info) {
  const std::string no_salt(kMacBytes, '\0');
  const Secret extracted = hmac(no_salt, key.bytes);
  return hmac(extracted.bytes, info + '\1');
}

/// TT: each part behind its length, 8 bytes little-endian.
Secret transcript(std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const auto part : parts) size += sizeof(std::uint64_t) + part.size();
  Secret out;
  out.bytes.reserve(size);
  for (const auto part : parts) {
    std::uint64_t left = part.size();
    for (std::size_t i = 0; i < sizeof left; ++i, left >>= 8)
      out.bytes += static_cast<char>(left & 0xFF);
    out.bytes += part;
  }
  return out;
}

Keys keys_of(const Secret& transcript, std::string_view associated) {
  const Secret hash = sha256(transcript.bytes);
  const Secret authentication(hash.bytes.substr(kKeyBytes));
  const Secret confirming =
      hkdf(authentication, std::string("ConfirmationKeys").append(associated));
  Keys out;
  out.shared = Secret(hash.bytes.substr(0, kKeyBytes));
  out.confirm_a = Secret(confirming.bytes.substr(0, kKeyBytes));
  out.confirm_b = Secret(confirming.bytes.substr(kKeyBytes));
  out.mac_a = hmac(out.confirm_a.bytes, transcript.bytes).bytes;
  out.mac_b = hmac(out.confirm_b.bytes, transcript.bytes).bytes;
  return out;
}

}  // namespace

Scalar random_scalar() {
  auto out = made(Number(BN_secure_new()));
  do {
    must(BN_priv_rand_range(out.get(), order()) == 1);
  } while (BN_is_zero(out.get()));
  return scalar(out.get());
}

Scalar reduced(std::string_view wide) {
  const auto value = number(wide);
  auto out = made(Number(BN_secure_new()));
  must(BN_mod(out.get(), value.get(), order(), context().get()) == 1);
  return scalar(out.get());
}

std::string share(Role role, const Scalar& w, const Scalar& secret) {
  auto out = times_base(number(secret.bytes).get());
  const auto blinding = constant(role == Role::a ? kM : kN);
  add(out.get(), times(blinding.get(), number(w.bytes).get()).get());
  return encoded(out.get());
}

std::optional<Keys> agree(Role role, const Setting& setting, const Scalar& w, const Scalar& secret,
                          std::string_view theirs) {
  const auto point = decoded(theirs);
  if (!point) return std::nullopt;
  const auto blinding = constant(role == Role::a ? kN : kM);
  const auto blind = times(blinding.get(), number(w.bytes).get());
  negate(blind.get());
  add(point.get(), blind.get());
  const auto common = times(point.get(), number(secret.bytes).get());
  if (EC_POINT_is_at_infinity(group(), common.get()) == 1) return std::nullopt;

  const std::string ours = share(role, w, secret);
  const std::string_view share_a = role == Role::a ? std::string_view(ours) : theirs;
  const std::string_view share_b = role == Role::a ? theirs : std::string_view(ours);
  const Secret k(encoded(common.get()));
  const Secret tt = transcript({setting.id_a, setting.id_b, share_a, share_b, k.bytes, w.bytes});
  return keys_of(tt, setting.associated);
}

bool same_mac(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace peer::trust::spake2
