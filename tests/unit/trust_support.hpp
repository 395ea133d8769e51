#pragma once

#include <cstddef>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace peer::test {

inline std::string unhex(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return out;
}

inline std::string hex(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

/// The lines `name value` of a file in tests/data/spake2, split where the first name comes again.
inline std::vector<std::map<std::string, std::string>> vectors(const std::string& file) {
  std::ifstream in(PEER_TEST_DATA "/spake2/" + file);
  std::vector<std::map<std::string, std::string>> out;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name;
    std::string value;
    words >> name >> value;
    if (name.empty() || name == "#") continue;
    if (out.empty() || out.back().contains(name)) out.emplace_back();
    out.back()[name] = value;
  }
  return out;
}

}  // namespace peer::test
