#pragma once

#include <cstdint>

#include "doctor/check.hpp"

namespace peer::doctor {

/// Bytes a second that one core encrypts as TLS does here (AES-128-GCM, records of 16 KiB),
/// measured in memory for a tenth of a second; 0 if OpenSSL refuses.
std::uint64_t cipher_rate();
Check cipher_check(std::uint64_t bytes_per_second);

}  // namespace peer::doctor
