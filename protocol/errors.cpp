#include "protocol/errors.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace peer::protocol {
namespace {

struct Row {
  Errc code;
  std::string_view wire;
  const char* message;
};

/// Every code both ways (PROTOCOL.md "Error codes"), in the order of Errc.
constexpr std::array kRows{
    Row{Errc::message_too_large, "message_too_large", "the message is empty or too large"},
    Row{Errc::bad_json, "bad_json", "not one well-formed JSON object"},
    Row{Errc::bad_message, "bad_message", "the message is malformed"},
    Row{Errc::unknown_type, "unknown_type", "unknown type of message"},
    Row{Errc::bad_state, "bad_state", "the message may not be said now"},
    Row{Errc::bad_version, "bad_version", "the protocol versions do not match"},
    Row{Errc::bad_path, "bad_path", "not a legal path"},
    Row{Errc::bad_manifest, "bad_manifest", "the manifest is malformed"},
    Row{Errc::bad_digest, "bad_digest", "the bytes do not have the digest named for them"},
    Row{Errc::bad_offer, "bad_offer", "the offer's id is in use for something else"},
    Row{Errc::unknown_offer, "unknown_offer", "no such offer"},
    Row{Errc::not_shared, "not_shared", "not shared with this peer"},
    Row{Errc::not_accepted, "not_accepted", "offers from this peer are not taken"},
    Row{Errc::too_large, "too_large", "larger than allowed from this peer"},
    Row{Errc::busy, "busy", "too many offers, requests or connections"},
    Row{Errc::too_much, "too_much", "more at once than allowed"},
    Row{Errc::paused, "paused", "paused"},
    Row{Errc::no_space, "no_space", "no space left"},
    Row{Errc::disk, "disk", "the disk failed"},
    Row{Errc::leaving, "leaving", "the other side left"},
    Row{Errc::replaced, "replaced", "a newer session took over"},
    Row{Errc::pairing_failed, "pairing_failed", "the code did not match, or no invite is open"},
    Row{Errc::timed_out, "timed_out", "timed out"},
    Row{Errc::internal, "internal", "internal error"},
};

const Row* find(int value) {
  const auto index = static_cast<std::size_t>(value) - 1;
  return value >= 1 && index < kRows.size() ? &kRows[index] : nullptr;
}

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i)
    if (static_cast<std::size_t>(kRows[i].code) != i + 1) return false;
  return true;
}
static_assert(in_order() && kRows.back().code == Errc::internal);

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "peer protocol"; }
  std::string message(int value) const override {
    const Row* row = find(value);
    return row ? row->message : "unknown error " + std::to_string(value);
  }
};

}  // namespace

const std::error_category& category() {
  static const Category instance;
  return instance;
}

std::error_code make_error_code(Errc code) { return {static_cast<int>(code), category()}; }

std::string_view wire_code(Errc code) {
  const Row* row = find(static_cast<int>(code));
  return row ? row->wire : wire_code(Errc::internal);
}

std::optional<Errc> from_wire_code(std::string_view code) {
  const auto row = std::find_if(kRows.begin(), kRows.end(),
                                [code](const Row& candidate) { return candidate.wire == code; });
  if (row == kRows.end()) return std::nullopt;
  return row->code;
}

}  // namespace peer::protocol
