#include "base/certificate.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdlib>

namespace peer::base {

protocol::PeerId peer_id_of(const X509* certificate) {
  protocol::PeerId id;
  unsigned int size = 0;
  auto* out = reinterpret_cast<unsigned char*>(id.bytes.data());
  // Fails only without memory; an id of zeros must not stand for anybody.
  if (X509_digest(certificate, EVP_sha256(), out, &size) != 1 || size != id.bytes.size())
    std::abort();
  return id;
}

}  // namespace peer::base
