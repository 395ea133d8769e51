#include "cli/json_fields.hpp"

#include "base/text.hpp"
#include "protocol/path.hpp"

namespace peer::cli {
namespace {

const Json* field(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

bool is_base64_value(const Json& value) {
  return value.is_object() && value.size() == 1 && value.contains("base64") &&
         value["base64"].is_string();
}

}  // namespace

std::string text_of(const Json& object, const char* key) {
  const Json* value = field(object, key);
  return value && value->is_string() ? value->get<std::string>() : std::string();
}

std::uint64_t number_of(const Json& object, const char* key) {
  const Json* value = field(object, key);
  if (!value || !value->is_number()) return 0;
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  const double number = value->get<double>();  // a rate, or a time before 1970
  constexpr double kTooLarge = 1.8e19;
  return number > 0 && number < kTooLarge ? static_cast<std::uint64_t>(number) : 0;
}

bool flag_of(const Json& object, const char* key) {
  const Json* value = field(object, key);
  return value && value->is_boolean() && value->get<bool>();
}

const Json& object_of(const Json& object, const char* key) {
  static const Json empty = Json::object();
  const Json* value = field(object, key);
  return value && value->is_object() ? *value : empty;
}

const Json& array_of(const Json& object, const char* key) {
  static const Json empty = Json::array();
  const Json* value = field(object, key);
  return value && value->is_array() ? *value : empty;
}

Json bytes_value(const std::string& bytes) {
  if (protocol::is_utf8(bytes)) return Json(bytes);
  Json value = Json::object();
  value["base64"] = base::base64(bytes);
  return value;
}

Json bytes_values(const std::vector<std::string>& list) {
  Json values = Json::array();
  for (const std::string& bytes : list) values.push_back(bytes_value(bytes));
  return values;
}

std::string bytes_from(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!is_base64_value(value)) return {};
  return base::from_base64(value["base64"].get_ref<const std::string&>()).value_or("");
}

std::string bytes_of(const Json& object, const char* key) {
  const Json* value = field(object, key);
  return value ? bytes_from(*value) : std::string();
}

Json event_body(const Json& event, const char* key) {
  const Json* nested = field(event, key);
  if (nested && nested->is_object()) return *nested;
  Json body = event;
  body.erase("request");
  body.erase("event");
  return body;
}

Json public_json(const Json& value) {
  if (value.is_array()) {
    Json list = Json::array();
    for (const Json& element : value) {
      Json shown = public_json(element);
      if (is_base64_value(element)) shown = Json::object({{"path64", element["base64"]}});
      list.push_back(std::move(shown));
    }
    return list;
  }
  if (!value.is_object()) return value;
  Json object = Json::object();
  for (const auto& [key, member] : value.items()) {
    if (is_base64_value(member))
      object[key + "64"] = member["base64"];
    else
      object[key] = public_json(member);
  }
  return object;
}

}  // namespace peer::cli
