#include "net/endpoint_text.hpp"

#include <algorithm>
#include <asio/error.hpp>
#include <cstdint>

namespace peer::net {

std::string address_text(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

std::string network_text(const asio::ip::address& address) {
  if (!address.is_v6()) return address_text(address);
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped() || v6.is_link_local() || v6.is_loopback()) return address_text(address);
  auto bytes = v6.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return asio::ip::address_v6(bytes).to_string() + "/64";
}

std::string endpoint_text(const asio::ip::tcp::endpoint& endpoint) {
  const std::string host = address_text(endpoint.address());
  const std::string port = std::to_string(endpoint.port());
  if (host.find(':') == std::string::npos) return host + ":" + port;
  return "[" + host + "]:" + port;
}

std::error_code standard(const std::error_code& error) {
  if (error.category() != asio::error::get_system_category()) return error;
  return {error.value(), std::system_category()};
}

}  // namespace peer::net
