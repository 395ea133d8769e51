#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/ids.hpp"

namespace peer::base {

/// From the system's generator; never fails (aborts if the kernel has none).
void random_bytes(std::span<std::byte> out);
protocol::OfferId random_offer_id();
protocol::RequestId random_request_id();
protocol::Instance random_instance();

}  // namespace peer::base
