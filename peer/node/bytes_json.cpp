#include "node/bytes_json.hpp"

#include "base/text.hpp"
#include "protocol/path.hpp"

namespace peer::node {

using Json = nlohmann::json;

Json json_bytes(std::string_view bytes) {
  if (protocol::is_utf8(bytes)) return std::string(bytes);
  return Json{{"base64", base::base64(bytes)}};
}

Json json_byte_list(const std::vector<std::string>& list) {
  auto json = Json::array();
  for (const auto& bytes : list) json.push_back(json_bytes(bytes));
  return json;
}

std::string bytes_from(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) return {};
  const auto it = value.find("base64");
  if (it == value.end() || !it->is_string()) return {};
  return base::from_base64(it->get_ref<const std::string&>()).value_or(std::string());
}

std::string bytes_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() ? std::string() : bytes_from(*it);
}

std::vector<std::string> byte_list_of(const Json& object, const char* key) {
  std::vector<std::string> list;
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return list;
  for (const auto& value : *it) list.push_back(bytes_from(value));
  return list;
}

std::vector<std::uint64_t> numbers_of(const Json& object, const char* key) {
  std::vector<std::uint64_t> list;
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return list;
  for (const auto& value : *it) {
    if (const auto* n = value.get_ptr<const std::uint64_t*>()) list.push_back(*n);
  }
  return list;
}

std::uint64_t number_of(const Json& object, const char* key, std::uint64_t otherwise) {
  const auto it = object.find(key);
  const auto* n = it == object.end() ? nullptr : it->get_ptr<const std::uint64_t*>();
  return n ? *n : otherwise;
}

bool flag_of(const Json& object, const char* key, bool otherwise) {
  const auto it = object.find(key);
  return it != object.end() && it->is_boolean() ? it->get<bool>() : otherwise;
}

std::string json_text(std::string_view text) {
  return protocol::is_utf8(text) ? std::string(text) : base::escaped(text);
}

}  // namespace peer::node
