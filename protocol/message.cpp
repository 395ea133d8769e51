#include "protocol/message.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/fields.hpp"
#include "protocol/frame.hpp"

namespace peer::protocol {
namespace {

/// In the order of the alternatives of Message.
constexpr std::array<std::string_view, std::variant_size_v<Message>> kTypes{
    "hello",  "offer",   "accept",  "reject", "want",   "data",   "gone", "check",
    "same",   "differs", "done",    "cancel", "closed", "attach", "pair", "confirm",
    "paired", "list",    "listing", "get",    "error",  "ping",   "pong"};

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

/// The length of the character at the front of `text`, 0 if it is none or NUL.
std::size_t character_length(std::string_view text) {
  if (text.front() == '\0') return 0;
  for (std::size_t length = 1; length <= std::min<std::size_t>(4, text.size()); ++length)
    if (is_utf8(text.substr(0, length))) return length;
  return 0;
}

}  // namespace

bool Hello::has_feature(std::string_view feature) const {
  return std::find(features.begin(), features.end(), feature) != features.end();
}

std::string_view to_string(Outcome outcome) {
  constexpr std::array<std::string_view, 6> kOutcomes{"open",      "done",    "rejected",
                                                      "cancelled", "expired", "failed"};
  return kOutcomes[static_cast<std::size_t>(outcome)];
}

std::string_view to_string(Kind kind) {
  constexpr std::array<std::string_view, 3> kKinds{"file", "folder", "link"};
  return kKinds[static_cast<std::size_t>(kind)];
}

std::string_view type_of(const Message& message) { return kTypes[message.index()]; }

std::string frame(const Message& message) { return with_length(encode(message)); }

std::string wire_text(std::string_view text, std::size_t max_bytes) {
  if (!text_fault(text, max_bytes)) return std::string(text);
  std::string fit;
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const std::string_view next = length > 0 ? text.substr(0, length) : kReplacement;
    if (fit.size() + next.size() > max_bytes) break;
    fit += next;
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return fit;
}

std::size_t json_bytes(std::string_view text) {
  std::size_t bytes = 2;
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20;
    bytes += control ? 6 : c == '"' || c == '\\' ? 2 : 1;
  }
  return bytes;
}

std::size_t json_bytes(const ListedEntry& entry) {
  constexpr std::size_t kRest = 96;  // names of fields, kind and two numbers
  return kRest + std::max(json_bytes(entry.name), entry.name.size() * 2);  // base64: 4 for 3
}

std::size_t json_bytes(const Failure& failure) {
  constexpr std::size_t kRest = 48;
  return kRest + json_bytes(wire_text(failure.text, kMaxTextBytes));
}

Done fitted(Done done, std::size_t max_bytes) {
  std::size_t bytes = kMessageOverheadBytes;
  std::size_t count = 0;
  while (count < std::min(done.failures.size(), kMaxFailuresNamed)) {
    bytes += json_bytes(done.failures[count]);
    if (bytes > max_bytes) break;
    ++count;
  }
  done.failures.resize(count);
  return done;
}

}  // namespace peer::protocol
