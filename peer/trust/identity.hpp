#pragma once

#include <openssl/ossl_typ.h>

#include <memory>
#include <string>

#include "protocol/peer_id.hpp"
#include "protocol/result.hpp"

namespace peer::trust {

/// This peer's P-256 key and self-signed certificate, in one PEM file, mode 0600. Immutable once
/// loaded.
class Identity {
 public:
  /// Loads `file`, or makes it if it is not there (written whole to a new file, fsynced, renamed
  /// without replacing, the folder fsynced); of two processes that make it at once, one wins and
  /// both get its. A file that group or others may read, is not ours, is a link, or is damaged, is
  /// an error that says what to do; never replaced.
  static Result<std::shared_ptr<const Identity>> load_or_make(const std::string& file);
  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  const protocol::PeerId& id() const { return id_; }
  EVP_PKEY* key() const { return key_; }              ///< owned by this
  X509* certificate() const { return certificate_; }  ///< owned by this

 private:
  Identity() = default;
  protocol::PeerId id_;
  EVP_PKEY* key_ = nullptr;
  X509* certificate_ = nullptr;
};

}  // namespace peer::trust
