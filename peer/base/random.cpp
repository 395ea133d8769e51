#include "base/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace peer::base {

namespace {

template <class Id>
Id random_id() {
  Id id;
  random_bytes(id.bytes);
  return id;
}

}  // namespace

void random_bytes(std::span<std::byte> out) {
  while (!out.empty()) {
    const auto got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) std::abort();
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

protocol::OfferId random_offer_id() { return random_id<protocol::OfferId>(); }
protocol::RequestId random_request_id() { return random_id<protocol::RequestId>(); }
protocol::Instance random_instance() { return random_id<protocol::Instance>(); }

}  // namespace peer::base
