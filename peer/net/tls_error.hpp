#pragma once

#include <system_error>

namespace peer::net {

/// Why TLS with the other side cannot go on. The texts are whole clauses about the other side.
enum class TlsErrc {
  not_tls = 1,     ///< what came is no TLS: another service, garbage, HTTP
  old_version,     ///< TLS before 1.3
  wrong_protocol,  ///< ALPN: it is no peer, or one of another major version
  no_certificate,  ///< none was shown, by it or by us
  truncated,       ///< the connection was cut: its end came without a close_notify
  too_much,        ///< more TLS housekeeping (key updates) than data
  broken,          ///< anything else, e.g. a bad record; the context has the reason
};

const std::error_category& tls_category();
std::error_code make_error_code(TlsErrc code);

}  // namespace peer::net

template <>
struct std::is_error_code_enum<peer::net::TlsErrc> : std::true_type {};
