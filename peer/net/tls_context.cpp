#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "net/tls.hpp"
#include "protocol/limits.hpp"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace peer::net {

namespace {

/// Bytes of certificates taken in a handshake; one of ours has about 400.
constexpr long kMaxCertificateListBytes = 16 * 1024;
/// OpenSSL's measure: 112 bits of security and more, whatever the system's settings say.
constexpr int kSecurityLevel = 2;

bool processor_has_aes() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports("aes") != 0;
#elif defined(__aarch64__) && defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
  return true;
#endif
}

/// "\x06peer/1": the form ALPN has on the wire.
std::string_view alpn_list() {
  static constexpr auto list = [] {
    std::array<char, sizeof protocol::kAlpn> out{};
    out[0] = static_cast<char>(sizeof protocol::kAlpn - 1);
    for (std::size_t i = 0; i + 1 < sizeof protocol::kAlpn; ++i) out[i + 1] = protocol::kAlpn[i];
    return out;
  }();
  return {list.data(), list.size()};
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

/// Takes every certificate: whose it is, the caller judges by its digest.
int take_any_certificate(X509_STORE_CTX* store, void*) {
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

/// A ClientHello without ALPN never reaches the selection below.
int demand_alpn(SSL* ssl, int* alert, void*) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data,
                                &size) == 1)
    return SSL_CLIENT_HELLO_SUCCESS;
  // Without TLS 1.3 there is a better reason to refuse, and OpenSSL finds it next.
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &data, &size) != 1)
    return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size,
                const unsigned char* offered, unsigned int offered_size, void*) {
  const std::string_view wanted(protocol::kAlpn);
  for (unsigned int at = 0; at < offered_size;) {
    const unsigned int size = offered[at];
    if (size > offered_size - at - 1) break;
    const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, size);
    if (name == wanted) {
      *out = offered + at + 1;
      *out_size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
    at += size + 1;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void must(bool ok, const char* what) {
  if (ok) return;
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  throw std::runtime_error(std::string("set up TLS: ") + what + ": " +
                           (reason != nullptr ? reason : "unknown reason"));
}

void set_rules(SSL_CTX* context) {
  must(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1, "version");
  must(SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1, "version");
  SSL_CTX_set_security_level(context, kSecurityLevel);
  const char* ciphers =
      processor_has_aes()
          ? "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
          : "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
  must(SSL_CTX_set_ciphersuites(context, ciphers) == 1, "ciphers");
  must(SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1, "groups");
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  must(SSL_CTX_set_num_tickets(context, 0) == 1, "tickets");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(context, kMaxCertificateListBytes);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, take_any_certificate, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // One call takes one message, so that a flood of them can be counted and ended.
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
}

SSL_CTX* make_context(const SSL_METHOD* method, EVP_PKEY* key, X509* certificate) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(method);
  must(context != nullptr, "context");
  try {
    set_rules(context);
    must(SSL_CTX_use_certificate(context, certificate) == 1, "certificate");
    must(SSL_CTX_use_PrivateKey(context, key) == 1, "key");
    must(SSL_CTX_check_private_key(context) == 1, "key of another certificate");
  } catch (...) {
    SSL_CTX_free(context);
    throw;
  }
  return context;
}

}  // namespace

TlsContext::TlsContext(EVP_PKEY* key, X509* certificate) {
  std::signal(SIGPIPE, SIG_IGN);
  client_ = make_context(TLS_client_method(), key, certificate);
  try {
    const auto alpn = alpn_list();
    must(SSL_CTX_set_alpn_protos(client_, bytes_of(alpn), static_cast<unsigned>(alpn.size())) == 0,
         "ALPN");
    server_ = make_context(TLS_server_method(), key, certificate);
  } catch (...) {
    SSL_CTX_free(client_);
    throw;
  }
  SSL_CTX_set_client_hello_cb(server_, demand_alpn, nullptr);
  SSL_CTX_set_alpn_select_cb(server_, select_alpn, nullptr);
}

TlsContext::~TlsContext() {
  SSL_CTX_free(client_);
  SSL_CTX_free(server_);
}

RawConnection::RawConnection(RawConnection&& other) noexcept
    : fd(std::exchange(other.fd, -1)),
      ssl(std::exchange(other.ssl, nullptr)),
      rest(std::move(other.rest)) {}

RawConnection& RawConnection::operator=(RawConnection&& other) noexcept {
  RawConnection taken(std::move(other));  // leaves with what this held
  std::swap(fd, taken.fd);
  std::swap(ssl, taken.ssl);
  std::swap(rest, taken.rest);
  return *this;
}

RawConnection::~RawConnection() {
  SSL_free(ssl);
  if (fd >= 0) ::close(fd);
}

}  // namespace peer::net
