#include "trust/link.hpp"

#include <algorithm>
#include <system_error>

#include "base/text.hpp"

namespace peer::trust {

namespace {

constexpr std::string_view kScheme = "peer://";

Error wrong(const std::string& what) {
  return Error(std::make_error_code(std::errc::invalid_argument), what);
}

}  // namespace

std::string Link::text() const {
  std::string out = std::string(kScheme) + id.text();
  for (const auto& address : addresses)
    out += (&address == &addresses.front() ? "@" : ",") + address.text();
  return out;
}

bool is_link(std::string_view word) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(word.substr(0, kScheme.size()), kScheme, {}, lower);
}

Result<Link> parse_link(std::string_view text, std::uint16_t default_port) {
  if (!is_link(text)) return wrong("a link begins with peer://");
  text.remove_prefix(kScheme.size());
  const auto at = text.find('@');
  auto id = protocol::PeerId::parse(text.substr(0, at));
  if (!id) return wrong(base::quoted(text.substr(0, at)) + " is no peer ID: " + id.error().context);
  Link link{*id, {}};
  while (at != text.npos) {
    text.remove_prefix(link.addresses.empty() ? at + 1 : 0);
    const auto comma = text.find(',');
    auto address = parse_address(text.substr(0, comma), default_port);
    if (!address) return wrong(address.error().text());
    if (link.addresses.size() == kMaxLinkAddresses)
      return wrong("more than " + std::to_string(kMaxLinkAddresses) + " addresses");
    link.addresses.push_back(*std::move(address));
    if (comma == text.npos) break;
    text.remove_prefix(comma + 1);
  }
  return link;
}

}  // namespace peer::trust
