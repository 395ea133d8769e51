#include <variant>

#include "base/text.hpp"
#include "fuzz.hpp"
#include "protocol/limits.hpp"
#include "trust/link.hpp"
#include "trust/pairing_code.hpp"

using namespace peer::trust;

namespace {

void check_code(std::string_view typed) {
  const auto parsed = parse_pairing_code(typed);
  if (const auto* fault = std::get_if<CodeFault>(&parsed)) {
    MUST(!fault->text.empty() && peer::base::escaped(fault->text) == fault->text);
    return;
  }
  const auto& code = std::get<PairingCode>(parsed);
  MUST(code.slot >= 1 && code.slot <= kMaxPairingSlot);
  const auto again = parse_pairing_code(code.text());
  MUST(std::holds_alternative<PairingCode>(again));
  MUST(std::get<PairingCode>(again) == code);
}

void check_link(std::string_view text) {
  const auto link = parse_link(text, peer::protocol::kDefaultPort);
  if (!link) return;
  MUST(is_link(text));
  MUST(link->addresses.size() <= kMaxLinkAddresses);
  const auto again = parse_link(link->text(), 1);  // every port is in the text
  MUST(again);
  MUST(again->id == link->id && again->text() == link->text());
}

}  // namespace

/// What a person types or a camera reads: a code for pairing, or a link. What is read is written,
/// and read again as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  check_code(text);
  check_link(text);
  return 0;
}
