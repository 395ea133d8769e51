#include <string>

#include "fuzz.hpp"
#include "trust/spake2.hpp"

using namespace peer::trust;

namespace {

/// Whatever is said as a share is refused or leads to keys, the same each time.
void check_side(spake2::Role role, std::string_view theirs) {
  static const spake2::Scalar w = spake2::reduced(std::string(40, 'w'));
  static const spake2::Scalar secret = spake2::reduced(std::string(40, 's'));
  const spake2::Setting setting{"joiner", "inviter", "exporter"};
  const auto keys = spake2::agree(role, setting, w, secret, theirs);
  if (!keys) return;
  MUST(theirs.size() == spake2::kPointBytes && theirs[0] == 4);
  MUST(keys->mac_a.size() == spake2::kMacBytes && keys->mac_b.size() == spake2::kMacBytes);
  MUST(!spake2::same_mac(keys->mac_a, keys->mac_b));
  const auto again = spake2::agree(role, setting, w, secret, theirs);
  MUST(again && spake2::same_mac(again->mac_a, keys->mac_a));
}

}  // namespace

/// The input is the share of somebody who pairs, towards either role.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view share = text_of(data, size);
  check_side(spake2::Role::a, share);
  check_side(spake2::Role::b, share);
  return 0;
}
