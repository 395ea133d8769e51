#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace peer::cli {

using Json = nlohmann::json;

/// Reading what the node said (node/LOCAL.md). An absent field, or one of another type, is the
/// empty value: a newer or older node never breaks a command.
std::string text_of(const Json& object, const char* key);
std::uint64_t number_of(const Json& object, const char* key);
bool flag_of(const Json& object, const char* key);
const Json& object_of(const Json& object, const char* key);
const Json& array_of(const Json& object, const char* key);

/// A bytes value: a string when the bytes are UTF-8, else {"base64":...}.
Json bytes_value(const std::string& bytes);
Json bytes_values(const std::vector<std::string>& list);
std::string bytes_from(const Json& value);
std::string bytes_of(const Json& object, const char* key);

/// The OFFER, or the SCAN, of an event: under `key`, or the event itself.
Json event_body(const Json& event, const char* key);

/// For NDJSON: `"path":{"base64":X}` becomes `"path64":X`; within a list an element becomes
/// `{"path64":X}`.
Json public_json(const Json& value);

}  // namespace peer::cli
