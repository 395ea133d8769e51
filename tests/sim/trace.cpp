#include "trace.hpp"

#include <chrono>
#include <iomanip>
#include <iostream>

namespace peer::sim {
namespace {

/// Ids that were numbered, by their number.
std::string shortened(std::string_view json) {
  std::string out;
  for (std::size_t at = 0; at < json.size();) {
    const auto digits = json.substr(at).find_first_not_of("0123456789abcdef");
    const auto length = digits == std::string_view::npos ? json.size() - at : digits;
    if (length == 32 && json.substr(at + 4, 28).find_first_not_of('0') == std::string_view::npos) {
      const auto low = std::stoul(std::string(json.substr(at, 2)), nullptr, 16);
      const auto high = std::stoul(std::string(json.substr(at + 2, 2)), nullptr, 16);
      out += '#' + std::to_string(high * 256 + low);
    } else if (length >= 32) {
      out += json.substr(at, 4);
      out += "..";
    } else {
      out += json.substr(at, length + 1);
      at += length + 1;
      continue;
    }
    at += length;
  }
  return out;
}

}  // namespace

void Trace::line(protocol::Time now, const std::string& text) const {
  if (!on_) return;
  const std::chrono::duration<double> at = now.time_since_epoch() - std::chrono::hours(1);
  std::cerr << std::fixed << std::setprecision(3) << std::setw(10) << at.count() << "  " << text
            << '\n';
}

void Trace::messages(protocol::Time now, const std::string& who, std::string_view bytes) const {
  if (!on_) return;
  while (bytes.size() > 4) {
    std::size_t length = 0;
    for (const char c : bytes.substr(0, 4)) length = length << 8 | static_cast<unsigned char>(c);
    line(now, who + ' ' + shortened(bytes.substr(4, length)));
    if (bytes.substr(4, length).find("\"type\":\"data\"") != std::string_view::npos) return;
    bytes.remove_prefix(std::min(bytes.size(), 4 + length));
  }
}

}  // namespace peer::sim
