#include "net/tls_error.hpp"

#include <string>

namespace peer::net {

namespace {

class TlsCategory : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int code) const override {
    switch (static_cast<TlsErrc>(code)) {
      case TlsErrc::not_tls:
        return "the other side does not speak TLS: no peer listens there";
      case TlsErrc::old_version:
        return "the other side does not speak TLS 1.3";
      case TlsErrc::wrong_protocol:
        return "the other side does not speak the protocol peer/1";
      case TlsErrc::no_certificate:
        return "no certificate was shown";
      case TlsErrc::truncated:
        return "the connection was cut";
      case TlsErrc::too_much:
        return "the other side sends key updates instead of data";
      case TlsErrc::broken:
        return "TLS failed";
    }
    return "unknown TLS error";
  }
};

}  // namespace

const std::error_category& tls_category() {
  static const TlsCategory category;
  return category;
}

std::error_code make_error_code(TlsErrc code) { return {static_cast<int>(code), tls_category()}; }

}  // namespace peer::net
