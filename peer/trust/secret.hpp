#pragma once

#include <openssl/crypto.h>

#include <string>
#include <utility>

namespace peer::trust {

/// Bytes that are wiped when they go. Not to be grown: what a string leaves behind is not.
struct Secret {
  std::string bytes;

  Secret() = default;
  explicit Secret(std::string b) : bytes(std::move(b)) {}
  Secret(Secret&& other) noexcept { bytes.swap(other.bytes); }
  Secret& operator=(Secret&& other) noexcept {
    bytes.swap(other.bytes);
    return *this;
  }
  ~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

}  // namespace peer::trust
