#include <array>
#include <charconv>
#include <concepts>
#include <cstring>

#include "protocol/base64.hpp"
#include "protocol/errors.hpp"
#include "protocol/fields.hpp"
#include "protocol/limits.hpp"
#include "protocol/manifest.hpp"

/// encode_entry() and decode_entry(). Manifests hold millions of lines: those in canonical form are
/// read without building a JSON value, everything else by Fields.
namespace peer::protocol {
namespace {

// ---- writing

template <std::integral T>
void append_number(std::string& out, T number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

bool is_plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; }

void append_escape(std::string& out, char c) {
  constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
  constexpr std::string_view kLetters = "\"\\bfnrt";
  constexpr char kDigits[] = "0123456789abcdef";
  out += '\\';
  if (const auto at = kShort.find(c); at != std::string_view::npos) {
    out += kLetters[at];
    return;
  }
  out += "u00";
  out += kDigits[static_cast<unsigned char>(c) >> 4];
  out += kDigits[static_cast<unsigned char>(c) & 15];
}

/// `"key":"bytes"`, or `"key64":"base64"` for what is not UTF-8.
void append_bytes(std::string& out, std::string_view key, std::string_view bytes) {
  out += '"';
  out += key;
  if (!is_utf8(bytes)) {
    out += "64\":\"" + to_base64(bytes) + '"';
    return;
  }
  out += "\":\"";
  while (!bytes.empty()) {
    std::size_t plain = 0;
    while (plain < bytes.size() && is_plain(bytes[plain])) ++plain;
    out += bytes.substr(0, plain);
    if (plain < bytes.size()) append_escape(out, bytes[plain++]);
    bytes.remove_prefix(plain);
  }
  out += '"';
}

// ---- reading canonical lines

/// Walks a canonical line. false: it is not canonical, or not legal, and Fields shall judge.
class Canonical {
 public:
  explicit Canonical(std::string_view line) : at_(line.data()), end_(at_ + line.size()) {}

  bool literal(std::string_view text) {
    if (static_cast<std::size_t>(end_ - at_) < text.size()) return false;
    if (std::memcmp(at_, text.data(), text.size()) != 0) return false;
    at_ += text.size();
    return true;
  }
  template <std::integral T>
  bool number(T& out, T max) {
    const auto [next, error] = std::from_chars(at_, end_, out);
    const char* digits = at_ + (at_ < end_ && *at_ == '-' ? 1 : 0);
    // JSON has no leading zeros.
    if (error != std::errc() || out > max || (*digits == '0' && next != digits + 1)) return false;
    at_ = next;
    return true;
  }
  /// Up to the closing quote, which is taken too. Without escapes, UTF-8, no NUL.
  bool string(std::string& out) {
    const char* end = at_;
    bool ascii = true;
    for (; end < end_ && is_plain(*end); ++end) ascii &= static_cast<unsigned char>(*end) < 0x80;
    if (end == end_ || *end != '"') return false;
    out.assign(at_, end);
    at_ = end + 1;
    return ascii || is_utf8(out);
  }
  bool at_end() const { return at_ == end_; }

 private:
  const char* at_;
  const char* end_;
};

bool read_tail(Canonical& in, Entry& entry) {
  return in.literal(",\"mode\":") && in.number(entry.mode, kMaxMode) && in.literal(",\"mtime\":") &&
         in.number(entry.mtime, INT64_MAX) && in.literal(",\"path\":\"") && in.string(entry.path);
}

bool read_canonical(std::string_view line, Entry& entry) {
  Canonical in(line);
  bool ok = false;
  if (in.literal("{\"allocated\":")) {
    ok = in.number(entry.allocated, kMaxNumber) && in.literal(",\"kind\":\"file\"") &&
         read_tail(in, entry) && in.literal(",\"size\":") && in.number(entry.size, kMaxStreamBytes);
  } else if (in.literal("{\"kind\":\"folder\"")) {
    entry.kind = Kind::folder;
    ok = read_tail(in, entry);
  } else if (in.literal("{\"kind\":\"link\"")) {
    entry.kind = Kind::link;
    ok = read_tail(in, entry) && in.literal(",\"target\":\"") && in.string(entry.target) &&
         !entry.target.empty() && entry.target.size() <= kMaxTargetBytes;
  }
  if (!ok || !in.literal("}") || !in.at_end() || path_fault(entry.path)) return false;
  entry.mode &= kModeMask;
  return true;
}

// ---- reading any JSON

void read_kind(Fields& in, Kind& out) {
  const std::string* kind = in.string("kind", Fields::required);
  if (!kind) return;
  for (const Kind known : {Kind::file, Kind::folder, Kind::link}) {
    if (*kind != to_string(known)) continue;
    out = known;
    return;
  }
  in.refuse("kind", "not file, folder or link");
}

Result<Entry> read_any(std::string_view line) {
  auto object = parse_object(line);
  if (!object) return std::move(object).error();
  std::optional<Error> fault;
  Fields in(*object, "entry", fault);
  Entry entry;
  read_kind(in, entry.kind);
  in.path("path", "path64", entry.path, Fields::required);
  in.number("mode", entry.mode, 0, kMaxMode);
  entry.mode &= kModeMask;
  in.signed_number("mtime", entry.mtime);
  if (entry.kind == Kind::file) {
    in.number("size", entry.size, 0, kMaxStreamBytes);
    in.number("allocated", entry.allocated, 0, kMaxNumber);
  } else if (entry.kind == Kind::link) {
    in.bytes("target", "target64", entry.target, kMaxTargetBytes, Fields::required);
    if (entry.target.empty()) in.refuse("target", "empty");
  }
  if (fault) return std::move(*fault);
  return entry;
}

}  // namespace

std::string encode_entry(const Entry& entry) {
  std::string line;
  line.reserve(112 + entry.path.size() + entry.target.size());
  line += '{';
  if (entry.kind == Kind::file) {
    line += "\"allocated\":";
    append_number(line, entry.allocated);
    line += ',';
  }
  line += "\"kind\":\"";
  line += to_string(entry.kind);
  line += "\",\"mode\":";
  append_number(line, entry.mode);
  line += ",\"mtime\":";
  append_number(line, entry.mtime);
  line += ',';
  append_bytes(line, "path", entry.path);
  if (entry.kind == Kind::file) {
    line += ",\"size\":";
    append_number(line, entry.size);
  } else if (entry.kind == Kind::link) {
    line += ',';
    append_bytes(line, "target", entry.target);
  }
  line += "}\n";
  return line;
}

Result<Entry> decode_entry(std::string_view line) {
  Entry entry;
  if (read_canonical(line, entry)) return entry;
  return read_any(line);
}

}  // namespace peer::protocol
