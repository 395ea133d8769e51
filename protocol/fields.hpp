#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/errors.hpp"
#include "protocol/ids.hpp"
#include "protocol/path.hpp"
#include "protocol/result.hpp"

/// Strict reading of JSON (PROTOCOL.md "JSON"): what a peer wrote is taken as it is or refused,
/// never converted. Used for messages and for the lines of manifests.
namespace peer::protocol {

struct JsonValue;
struct JsonMember;
using JsonArray = std::vector<JsonValue>;

/// Members sorted by key, each key once.
struct JsonObject {
  std::vector<JsonMember> members;
  const JsonValue* find(std::string_view key) const;  ///< null when there is none
};

/// A number that is no integer of 64 bits; its value is of no use here.
struct JsonFraction {};

struct JsonValue {
  /// An integer is unsigned if it is not negative.
  std::variant<std::nullptr_t, bool, std::uint64_t, std::int64_t, JsonFraction, std::string,
               JsonArray, JsonObject>
      is;
};

struct JsonMember {
  std::string key;
  JsonValue value;
};

/// One object in UTF-8 and nothing else. Errc::bad_json for repeated keys at any level, more than
/// kMaxJsonDepth levels, a BOM, invalid UTF-8, lone surrogates, NUL bytes, comments, bytes behind
/// the object, numbers no double can hold.
Result<JsonObject> parse_object(std::string_view json);

/// Reads the fields of one object. The first that is wrong is kept in `fault` as Errc::bad_message
/// (bad_path for a path) with `name.key` and what was expected as context; from then on reading
/// does nothing. An optional field that is absent leaves `out` as it is; null is not absent.
class Fields {
 public:
  enum class Need : std::uint8_t { required, optional };
  static constexpr auto required = Need::required;
  static constexpr auto optional = Need::optional;

  /// `object` and `fault` outlive the reader. `name` begins the names of fields: "offer",
  /// "hello.limits".
  Fields(const JsonObject& object, std::string name, std::optional<Error>& fault)
      : object_(&object), name_(std::move(name)), fault_(&fault) {}

  bool ok() const { return !*fault_; }
  bool has(const char* key) const { return object_->find(key) != nullptr; }
  /// "name.key: what" becomes the fault, if it is the first.
  void refuse(const char* key, const std::string& what, Errc code = Errc::bad_message);

  /// A whole number from `min` to `max`.
  template <std::unsigned_integral T>
  void number(const char* key, T& out, std::uint64_t min, std::uint64_t max, Need need = required) {
    std::uint64_t value = out;
    number64(key, value, min, max, need);
    if (ok()) out = static_cast<T>(value);
  }
  /// A number from `min` up; above `max` it is read as `max`: for limits and wishes.
  template <std::unsigned_integral T>
  void clamped(const char* key, T& out, std::uint64_t min, std::uint64_t max, Need need) {
    std::uint64_t value = out;
    number64(key, value, min, UINT64_MAX, need);
    if (ok()) out = static_cast<T>(value < max ? value : max);
  }
  void signed_number(const char* key, std::int64_t& out);
  void flag(const char* key, bool& out, Need need = required);
  /// At most `max_bytes` of UTF-8 without NUL, maybe empty.
  void text(const char* key, std::string& out, std::size_t max_bytes, Need need = optional);
  /// 1 to kMaxCodeBytes visible ASCII characters.
  void code(const char* key, std::string& out, Need need = required);
  /// Bytes without NUL: text at `key`, or base64 of what is not UTF-8 at `key64`; both absent
  /// leaves `out` as it is.
  void bytes(const char* key, const char* key64, std::string& out, std::size_t max_bytes,
             Need need);
  /// bytes() that are a legal path; absent or empty leaves `out` as it is if it is optional.
  void path(const char* key, const char* key64, std::string& out, Need need);
  /// Anything with parse(): ids and digests. `what` says what is expected.
  template <class T>
  void parsed(const char* key, T& out, const char* what) {
    const std::string* value = string(key, required);
    if (!value) return;
    if (auto parsed = T::parse(*value))
      out = std::move(*parsed);
    else
      refuse(key, what);
  }
  template <class Tag>
  void id(const char* key, RandomId<Tag>& out) {
    parsed(key, out, "not 32 lower-case hexadecimal digits");
  }
  template <class Tag>
  void id(const char* key, std::optional<RandomId<Tag>>& out) {
    if (has(key)) parsed(key, out.emplace(), "not 32 lower-case hexadecimal digits");
  }

  /// Null when it is absent (and optional) or refused.
  const std::string* string(const char* key, Need need);
  const JsonArray* array(const char* key, std::size_t max_items, Need need);
  std::optional<Fields> object(const char* key, Need need);
  /// An array of objects; `read` gets the fields of each.
  template <class Read>
  void each_object(const char* key, std::size_t max_items, Need need, Read read) {
    const JsonArray* items = array(key, max_items, need);
    for (std::size_t i = 0; items && i < items->size() && ok(); ++i) {
      const auto* members = std::get_if<JsonObject>(&(*items)[i].is);
      const std::string item = std::string(key) + "[" + std::to_string(i) + "]";
      if (!members) return refuse(item.c_str(), "not an object");
      Fields fields(*members, name_ + "." + item, *fault_);
      read(fields);
    }
  }
  /// An array of strings; `read` gets each, and returns what is wrong with it or null.
  template <class Read>
  void each_string(const char* key, std::size_t max_items, Need need, Read read,
                   Errc code = Errc::bad_message) {
    const JsonArray* items = array(key, max_items, need);
    for (std::size_t i = 0; items && i < items->size() && ok(); ++i) {
      const auto* value = std::get_if<std::string>(&(*items)[i].is);
      const char* wrong = value ? read(*value) : "not a string";
      if (wrong) refuse((std::string(key) + "[" + std::to_string(i) + "]").c_str(), wrong, code);
    }
  }

 private:
  const JsonValue* find(const char* key, Need need);
  void number64(const char* key, std::uint64_t& out, std::uint64_t min, std::uint64_t max,
                Need need);

  const JsonObject* object_;
  std::string name_;
  std::optional<Error>* fault_;
};

/// What keeps `text` from being a text of the wire, null when nothing does.
const char* text_fault(std::string_view text, std::size_t max_bytes);
/// 1 to kMaxCodeBytes visible ASCII characters.
bool is_code(std::string_view code);
/// The bytes, if `text` is canonical base64 of bytes that are not UTF-8: others travel as text.
std::optional<std::string> bytes_from_base64(std::string_view text);
/// `bytes` for a diagnostic: visible ASCII as it is, all else as \xNN, at most `max_bytes` of it.
std::string printable(std::string_view bytes, std::size_t max_bytes = 64);

}  // namespace peer::protocol
