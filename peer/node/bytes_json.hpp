#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

/// Bytes values of the local interface (LOCAL.md): a string when they are UTF-8, else {"base64":
/// ...}. Reading never throws: what is missing or of another type is empty.
namespace peer::node {

nlohmann::json json_bytes(std::string_view bytes);
nlohmann::json json_byte_list(const std::vector<std::string>& list);
std::string bytes_from(const nlohmann::json& value);
std::string bytes_of(const nlohmann::json& object, const char* key);
std::vector<std::string> byte_list_of(const nlohmann::json& object, const char* key);
std::vector<std::uint64_t> numbers_of(const nlohmann::json& object, const char* key);
std::uint64_t number_of(const nlohmann::json& object, const char* key, std::uint64_t otherwise = 0);
bool flag_of(const nlohmann::json& object, const char* key, bool otherwise = false);
/// A text of another peer or of the system that may not be UTF-8, made so by escaping what is not.
std::string json_text(std::string_view text);

}  // namespace peer::node
