#include <cassert>
#include <nlohmann/json.hpp>

#include "protocol/base64.hpp"
#include "protocol/fields.hpp"
#include "protocol/message.hpp"

/// encode(): one writer a message. Keys are sorted by the container, so their order here does not
/// matter.
namespace peer::protocol {
namespace {

using Json = nlohmann::json;

void put_text(Json& out, const char* key, const std::string& text, std::size_t max_bytes) {
  if (!text.empty()) out[key] = wire_text(text, max_bytes);
}

void put_code(Json& out, const char* key, const std::string& code) {
  assert(is_code(code));
  out[key] = code;
}

void put_number(Json& out, const char* key, std::uint64_t number) {
  assert(number <= kMaxNumber);
  out[key] = number;
}

/// Left out when 0.
void put_optional(Json& out, const char* key, std::uint64_t number) {
  if (number != 0) put_number(out, key, number);
}

void put_bytes(Json& out, const std::string& key, const std::string& bytes) {
  if (is_utf8(bytes))
    out[key] = bytes;
  else
    out[key + "64"] = to_base64(bytes);
}

void put_range(Json& out, std::uint64_t offset, std::uint64_t length) {
  assert(length >= 1 && offset <= kMaxStreamBytes && length <= kMaxStreamBytes - offset);
  out["offset"] = offset;
  out["length"] = length;
}

void put_of(Json& out, Of of) {
  if (of == Of::manifest) out["of"] = "manifest";
}

void write(Json& out, const Hello& m) {
  assert(m.features.size() <= kMaxFeatures);
  out["version"] = Json{{"major", m.major}, {"minor", m.minor}};
  for (const std::string& feature : m.features) {
    assert(is_code(feature));
    out["features"].push_back(feature);
  }
  put_text(out, "name", m.name, kMaxNameBytes);
  put_text(out, "agent", m.agent, kMaxAgentBytes);
  put_optional(out, "port", m.port);
  out["instance"] = m.instance.text();
  put_optional(out, "dial", m.dial);
  out["limits"] = Json{{"message_bytes", m.limits.message_bytes},
                       {"open_wants", m.limits.open_wants},
                       {"open_want_bytes", m.limits.open_want_bytes},
                       {"block_bytes", m.limits.block_bytes},
                       {"open_offers", m.limits.open_offers}};
}

void write(Json& out, const Offer& m) {
  out["id"] = m.id.text();
  put_text(out, "title", m.title, kMaxTitleBytes);
  put_text(out, "note", m.note, kMaxNoteBytes);
  put_number(out, "files", m.files);
  put_number(out, "folders", m.folders);
  put_number(out, "links", m.links);
  put_number(out, "bytes", m.bytes);
  out["manifest"] = Json{{"bytes", m.manifest_bytes}, {"sha256", m.manifest.text()}};
  put_number(out, "expires", m.expires);
  if (m.get) out["get"] = m.get->text();
}

void write(Json& out, const Accept& m) {
  assert(m.round >= 1);
  out["id"] = m.id.text();
  put_number(out, "round", m.round);
  out["manifest"] = m.manifest.text();
  put_number(out, "files", m.files);
  put_number(out, "bytes", m.bytes);
  put_optional(out, "lanes", m.lanes);
  put_optional(out, "held", m.held);
}

void write(Json& out, const Reject& m) {
  out["id"] = m.id.text();
  put_code(out, "reason", m.reason);
  put_text(out, "text", m.text, kMaxTextBytes);
}

void write(Json& out, const Want& m) {
  out["id"] = m.id.text();
  put_of(out, m.of);
  put_range(out, m.offset, m.length);
}

void write(Json& out, const Data& m) {
  assert(m.zeros() != m.digest.has_value());
  out["id"] = m.id.text();
  put_of(out, m.of);
  put_range(out, m.offset, m.length);
  if (m.digest) out["digest"] = m.digest->text();
  if (!m.until) return;
  out["zeros"] = true;
  put_number(out, "until", *m.until);
}

void write(Json& out, const Gone& m) {
  out["id"] = m.id.text();
  put_number(out, "entry", m.entry);
  put_range(out, m.offset, m.length);
  put_code(out, "reason", m.reason);
  put_text(out, "text", m.text, kMaxTextBytes);
}

void write(Json& out, const Check& m) {
  out["id"] = m.id.text();
  put_range(out, m.offset, m.length);
  out["digest"] = m.digest.text();
}

void write(Json& out, const Same& m) {
  out["id"] = m.id.text();
  put_range(out, m.offset, m.length);
}

void write(Json& out, const Differs& m) {
  out["id"] = m.id.text();
  put_range(out, m.offset, m.length);
}

void write(Json& out, const Done& m) {
  assert(m.round >= 1 && m.failures.size() <= kMaxFailuresNamed);
  out["id"] = m.id.text();
  put_number(out, "round", m.round);
  put_number(out, "files", m.files);
  put_number(out, "bytes", m.bytes);
  put_optional(out, "failed", m.failed);
  for (const Failure& failure : m.failures) {
    Json& item = out["failures"].emplace_back(Json::object());
    put_number(item, "entry", failure.entry);
    put_text(item, "text", failure.text, kMaxTextBytes);
  }
  out["complete"] = m.complete;
}

void write(Json& out, const Cancel& m) {
  out["id"] = m.id.text();
  put_code(out, "reason", m.reason);
  put_text(out, "text", m.text, kMaxTextBytes);
}

void write(Json& out, const Closed& m) {
  out["id"] = m.id.text();
  put_code(out, "answers", m.answers);
  out["outcome"] = to_string(m.outcome);
}

void write(Json& out, const Attach& m) {
  out["id"] = m.id.text();
  out["instance"] = m.instance.text();
  put_optional(out, "dial", m.dial);
}

void write(Json& out, const Pair& m) {
  assert(!m.share.empty() && m.share.size() <= kMaxPairingShareBytes);
  out["version"] = m.version;
  out["share"] = to_base64(m.share);
}

void write(Json& out, const Confirm& m) {
  assert(!m.mac.empty() && m.mac.size() <= kPairingMacBytes);
  out["mac"] = to_base64(m.mac);
  put_text(out, "name", m.name, kMaxNameBytes);
  put_optional(out, "port", m.port);
}

void write(Json& out, const Paired& m) {
  put_text(out, "name", m.name, kMaxNameBytes);
  put_optional(out, "port", m.port);
}

void write(Json& out, const List& m) {
  assert(m.path.empty() || !path_fault(m.path));
  assert(m.cursor.size() <= kMaxCursorBytes);
  out["request"] = m.request.text();
  if (!m.path.empty()) put_bytes(out, "path", m.path);
  if (!m.cursor.empty()) put_bytes(out, "cursor", m.cursor);
}

void write(Json& out, const Listing& m) {
  assert(m.entries.size() <= kMaxListingEntries && m.cursor.size() <= kMaxCursorBytes);
  out["request"] = m.request.text();
  Json& entries = out["entries"] = Json::array();
  for (const ListedEntry& entry : m.entries) {
    assert(!path_fault(entry.name));
    Json& item = entries.emplace_back(Json::object());
    put_bytes(item, "name", entry.name);
    item["kind"] = to_string(entry.kind);
    put_number(item, "size", entry.size);
    item["mtime"] = entry.mtime;
  }
  if (!m.cursor.empty()) put_bytes(out, "cursor", m.cursor);
}

void write(Json& out, const Get& m) {
  assert(!m.paths.empty() && m.paths.size() <= kMaxGetPaths);
  out["request"] = m.request.text();
  for (const RelativePath& path : m.paths) {
    if (is_utf8(path.bytes()))
      out["paths"].push_back(path.bytes());
    else
      out["paths64"].push_back(to_base64(path.bytes()));
  }
}

void write(Json& out, const Trouble& m) {
  put_code(out, "code", m.code);
  put_text(out, "text", m.text, kMaxTextBytes);
  out["fatal"] = m.fatal;
  if (m.id) out["id"] = m.id->text();
  if (m.request) out["request"] = m.request->text();
  if (!m.about.empty()) put_code(out, "about", m.about);
  put_optional(out, "missing", m.missing);
}

void write(Json&, const Ping&) {}
void write(Json&, const Pong&) {}

}  // namespace

std::string encode(const Message& message) {
  Json out = Json::object();
  out["type"] = type_of(message);
  std::visit([&out](const auto& m) { write(out, m); }, message);
  return out.dump();
}

}  // namespace peer::protocol
