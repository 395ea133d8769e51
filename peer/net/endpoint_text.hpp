#pragma once

#include <asio/ip/tcp.hpp>
#include <string>
#include <system_error>

namespace peer::net {

/// "192.168.1.7", "2001:db8::1", "fe80::1%eth0"; an IPv4 address mapped into IPv6 as IPv4.
std::string address_text(const asio::ip::address& address);
/// What bounds per address count by: an IPv6 host has a whole /64 of addresses, "2001:db8::/64".
/// Else address_text().
std::string network_text(const asio::ip::address& address);
/// "192.168.1.7:56744", "[2001:db8::1]:56744".
std::string endpoint_text(const asio::ip::tcp::endpoint& endpoint);

/// A code of Asio's own category of system errors as the standard's: Asio 1.22 does not let its own
/// be compared with std::errc. Others stay as they are.
std::error_code standard(const std::error_code& error);

}  // namespace peer::net
