#include "net/tls_io.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <string>

#include "net/tls_error.hpp"

namespace peer::net {

namespace {

std::error_code code_of_reason(int reason, bool shaking_hands) {
  switch (reason) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return TlsErrc::truncated;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
      return TlsErrc::old_version;
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_CALLBACK_FAILED:  // of the ClientHello callback, which demands ALPN
      return TlsErrc::wrong_protocol;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return TlsErrc::no_certificate;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_BAD_RECORD_TYPE:
      if (shaking_hands) return TlsErrc::not_tls;
      return TlsErrc::broken;
    default:
      return TlsErrc::broken;
  }
}

Error error_of_queue(bool shaking_hands) {
  const unsigned long first = ERR_peek_error();
  if (ERR_SYSTEM_ERROR(first)) return Error({ERR_GET_REASON(first), std::generic_category()});
  const auto code = code_of_reason(ERR_GET_REASON(first), shaking_hands);
  if (code != TlsErrc::broken) return Error(code);
  const char* reason = ERR_reason_error_string(first);
  return Error(code, reason != nullptr ? reason : "no reason given");
}

}  // namespace

TlsIo::TlsIo(SSL* ssl) : ssl_(ssl), shaken_(SSL_is_init_finished(ssl) != 0) {
  SSL_set_msg_callback(ssl_, &TlsIo::on_message);
  SSL_set_msg_callback_arg(ssl_, this);
}

TlsIo::~TlsIo() {
  SSL_set_msg_callback(ssl_, nullptr);
  SSL_set_msg_callback_arg(ssl_, nullptr);
}

void TlsIo::on_message(int outgoing, int, int type, const void*, std::size_t, SSL*, void* self) {
  auto* io = static_cast<TlsIo*>(self);
  if (outgoing == 0 && type == SSL3_RT_HANDSHAKE && io->shaken_) ++io->messages_;
}

TlsIo::Step TlsIo::handshake() {
  if (error_) return Step::failed;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_);
  shaken_ = result == 1;
  return shaken_ ? Step::moved : judge(result, Call::reading);
}

TlsIo::Step TlsIo::read(std::span<std::byte> buffer, std::size_t& got) {
  if (error_) return Step::failed;
  for (;;) {
    const auto messages_before = messages_;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_read_ex(ssl_, buffer.data(), buffer.size(), &got);
    if (result == 1) {
      received_bytes_ += got;
      return Step::moved;
    }
    const Step step = judge(result, Call::reading);
    if (messages_ > kMaxIdleKeyUpdates + received_bytes_ / kBytesPerKeyUpdate) {
      fail(Error(TlsErrc::too_much));
      return Step::failed;
    }
    // A message was taken instead of data, and OpenSSL may hold more that it has read ahead.
    if (step == Step::want_read && messages_ != messages_before) continue;
    return step;
  }
}

TlsIo::Step TlsIo::write(std::span<const std::byte> bytes, std::size_t& put) {
  if (error_ || write_error_) return Step::failed;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &put);
  return result == 1 ? Step::moved : judge(result, Call::writing);
}

TlsIo::Step TlsIo::close_notify() {
  if (error_ || write_error_) return Step::failed;
  if (!shaken_) return Step::moved;  // nothing to say in a handshake
  ERR_clear_error();
  errno = 0;
  const int result = SSL_shutdown(ssl_);
  return result >= 0 ? Step::moved : judge(result, Call::writing);
}

void TlsIo::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

void TlsIo::fail_writing(Error error) {
  if (!write_error_) write_error_ = std::move(error);
}

TlsIo::Step TlsIo::judge(int result, Call call) {
  const int saved_errno = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return Step::want_read;
    case SSL_ERROR_WANT_WRITE:
      return Step::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return Step::ended;
    case SSL_ERROR_SYSCALL:
      if (saved_errno != 0 && call == Call::writing)
        fail_writing(Error({saved_errno, std::generic_category()}));
      else if (saved_errno != 0)
        fail(Error({saved_errno, std::generic_category()}));
      else
        fail(Error(TlsErrc::truncated));
      return Step::failed;
    default:
      fail(error_of_queue(!shaken_));
      return Step::failed;
  }
}

}  // namespace peer::net
