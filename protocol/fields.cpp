#include "protocol/fields.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "protocol/base64.hpp"
#include "protocol/errors.hpp"
#include "protocol/limits.hpp"

namespace peer::protocol {
namespace {

/// Takes the events of nlohmann's parser, which checks UTF-8, surrogates and grammar, and builds
/// values; refuses depth and repeated keys while the text is read.
class Builder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  bool null() { return put({nullptr}); }
  bool boolean(bool value) { return put({value}); }
  bool number_unsigned(number_unsigned_t value) { return put({std::uint64_t{value}}); }
  bool number_integer(number_integer_t value) { return put({std::int64_t{value}}); }
  bool number_float(number_float_t, const string_t&) { return put({JsonFraction{}}); }
  bool string(string_t& value) { return put({std::move(value)}); }
  bool binary(binary_t&) { return false; }  // not in JSON text
  bool key(string_t& value) {
    key_ = value;
    std::get<JsonObject>(open_.back().is).members.push_back({std::move(value), {nullptr}});
    return true;
  }
  bool start_object(std::size_t) { return begin({JsonObject{}}); }
  bool start_array(std::size_t) { return begin({JsonArray{}}); }
  bool end_object() {
    auto& members = std::get<JsonObject>(open_.back().is).members;
    std::sort(members.begin(), members.end(),
              [](const JsonMember& a, const JsonMember& b) { return a.key < b.key; });
    const auto twice =
        std::adjacent_find(members.begin(), members.end(),
                           [](const JsonMember& a, const JsonMember& b) { return a.key == b.key; });
    if (twice != members.end()) return fail("the key " + printable(twice->key) + " is repeated");
    return end();
  }
  bool end_array() { return end(); }
  bool parse_error(std::size_t position, const string_t&, const nlohmann::json::exception& error) {
    constexpr int kNumberOverflow = 406;
    if (error.id == kNumberOverflow) return fail(printable(key_) + ": the number is out of range");
    return fail("at byte " + std::to_string(position));
  }

  const std::string& fault() const { return fault_; }
  JsonObject* root() { return std::get_if<JsonObject>(&root_.is); }

 private:
  bool fail(std::string fault) {
    fault_ = std::move(fault);
    return false;
  }
  bool put(JsonValue value) {
    if (open_.empty())
      root_ = std::move(value);
    else if (auto* items = std::get_if<JsonArray>(&open_.back().is))
      items->push_back(std::move(value));
    else
      std::get<JsonObject>(open_.back().is).members.back().value = std::move(value);
    return true;
  }
  bool begin(JsonValue value) {
    if (open_.size() == kMaxJsonDepth)
      return fail("more than " + std::to_string(kMaxJsonDepth) + " levels");
    open_.push_back(std::move(value));
    return true;
  }
  bool end() {
    JsonValue whole = std::move(open_.back());
    open_.pop_back();
    return put(std::move(whole));
  }

  std::vector<JsonValue> open_;  ///< objects and arrays that have begun and not ended
  JsonValue root_{nullptr};
  std::string key_;  ///< the latest
  std::string fault_;
};

std::string bounds(std::uint64_t min, std::uint64_t max) {
  return "not a whole number from " + std::to_string(min) + " to " + std::to_string(max);
}

}  // namespace

const JsonValue* JsonObject::find(std::string_view key) const {
  const auto at = std::lower_bound(
      members.begin(), members.end(), key,
      [](const JsonMember& member, std::string_view wanted) { return member.key < wanted; });
  return at != members.end() && at->key == key ? &at->value : nullptr;
}

Result<JsonObject> parse_object(std::string_view json) {
  if (json.empty()) return Error(Errc::bad_json, "nothing where an object should be");
  // The parser would skip a BOM and take NUL for the end.
  if (json.starts_with("\xef\xbb\xbf")) return Error(Errc::bad_json, "a byte order mark");
  if (std::memchr(json.data(), '\0', json.size())) return Error(Errc::bad_json, "a NUL byte");
  Builder builder;
  if (!nlohmann::json::sax_parse(json.data(), json.data() + json.size(), &builder))
    return Error(Errc::bad_json, builder.fault());
  JsonObject* root = builder.root();
  if (!root) return Error(Errc::bad_json, "not an object");
  return std::move(*root);
}

void Fields::refuse(const char* key, const std::string& what, Errc code) {
  if (ok()) fault_->emplace(code, name_ + "." + key + ": " + what);
}

const JsonValue* Fields::find(const char* key, Need need) {
  if (!ok()) return nullptr;
  const JsonValue* value = object_->find(key);
  if (!value && need == required) refuse(key, "missing");
  return value;
}

void Fields::number64(const char* key, std::uint64_t& out, std::uint64_t min, std::uint64_t max,
                      Need need) {
  const JsonValue* value = find(key, need);
  if (!value) return;
  const auto* number = std::get_if<std::uint64_t>(&value->is);
  if (number && *number >= min && *number <= max)
    out = *number;
  else
    refuse(key, bounds(min, max));
}

void Fields::signed_number(const char* key, std::int64_t& out) {
  const JsonValue* value = find(key, required);
  if (!value) return;
  if (const auto* negative = std::get_if<std::int64_t>(&value->is))
    out = *negative;
  else if (const auto* number = std::get_if<std::uint64_t>(&value->is);
           number && *number <= static_cast<std::uint64_t>(INT64_MAX))
    out = static_cast<std::int64_t>(*number);
  else
    refuse(key, "not a whole number of 64 bits");
}

void Fields::flag(const char* key, bool& out, Need need) {
  const JsonValue* value = find(key, need);
  if (!value) return;
  if (const auto* flag = std::get_if<bool>(&value->is))
    out = *flag;
  else
    refuse(key, "not true or false");
}

void Fields::text(const char* key, std::string& out, std::size_t max_bytes, Need need) {
  const std::string* value = string(key, need);
  if (!value) return;
  if (const char* fault = text_fault(*value, max_bytes))
    refuse(key, fault);
  else
    out = *value;
}

void Fields::code(const char* key, std::string& out, Need need) {
  const std::string* value = string(key, need);
  if (!value) return;
  if (is_code(*value))
    out = *value;
  else
    refuse(key, "not 1 to 64 visible ASCII characters");
}

void Fields::bytes(const char* key, const char* key64, std::string& out, std::size_t max_bytes,
                   Need need) {
  if (!has(key64)) {
    text(key, out, max_bytes, need);
    return;
  }
  if (has(key)) return refuse(key64, std::string("not beside ") + key);
  const std::string* value = string(key64, need);
  if (!value) return;
  auto bytes = bytes_from_base64(*value);
  if (!bytes)
    refuse(key64, "not base64 of bytes that are not UTF-8");
  else if (bytes->size() > max_bytes || bytes->find('\0') != std::string::npos)
    refuse(key64, "too long, or holds NUL");
  else
    out = std::move(*bytes);
}

void Fields::path(const char* key, const char* key64, std::string& out, Need need) {
  std::string path;
  bytes(key, key64, path, kMaxPathBytes, need);
  if (!ok() || (path.empty() && need == optional)) return;
  if (const char* fault = path_fault(path))
    refuse(has(key64) ? key64 : key, fault, Errc::bad_path);
  else
    out = std::move(path);
}

const std::string* Fields::string(const char* key, Need need) {
  const JsonValue* value = find(key, need);
  if (!value) return nullptr;
  const auto* string = std::get_if<std::string>(&value->is);
  if (!string) refuse(key, "not a string");
  return string;
}

const JsonArray* Fields::array(const char* key, std::size_t max_items, Need need) {
  const JsonValue* value = find(key, need);
  if (!value) return nullptr;
  const auto* items = std::get_if<JsonArray>(&value->is);
  if (items && items->size() <= max_items) return items;
  refuse(key, "not an array of at most " + std::to_string(max_items));
  return nullptr;
}

std::optional<Fields> Fields::object(const char* key, Need need) {
  const JsonValue* value = find(key, need);
  if (!value) return std::nullopt;
  if (const auto* members = std::get_if<JsonObject>(&value->is))
    return Fields(*members, name_ + "." + key, *fault_);
  refuse(key, "not an object");
  return std::nullopt;
}

const char* text_fault(std::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes) return "too long";
  if (text.find('\0') != std::string_view::npos) return "holds NUL";
  return is_utf8(text) ? nullptr : "not UTF-8";
}

bool is_code(std::string_view code) {
  return !code.empty() && code.size() <= kMaxCodeBytes &&
         std::all_of(code.begin(), code.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::optional<std::string> bytes_from_base64(std::string_view text) {
  auto bytes = from_base64(text);
  if (bytes && is_utf8(*bytes)) return std::nullopt;
  return bytes;
}

std::string printable(std::string_view bytes, std::size_t max_bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes.substr(0, max_bytes)) {
    if (c >= ' ' && c < 0x7f && c != '\\') {
      text += c;
      continue;
    }
    const auto value = static_cast<unsigned char>(c);
    text += "\\x";
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  if (bytes.size() > max_bytes) text += "...";
  return text;
}

}  // namespace peer::protocol
