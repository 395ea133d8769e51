#pragma once

#include <openssl/ossl_typ.h>

#include "protocol/peer_id.hpp"

namespace peer::base {

/// SHA-256 of the certificate's DER.
protocol::PeerId peer_id_of(const X509* certificate);

}  // namespace peer::base
