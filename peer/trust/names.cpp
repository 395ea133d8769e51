#include "trust/names.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"
#include "base/unicode.hpp"

namespace peer::trust {
namespace {

// Of RFC 1035.
constexpr std::size_t kMaxHostBytes = 253;
constexpr std::size_t kMaxLabelBytes = 63;
// A peer ID has 56 letters and digits; what comes near can only be a mistyped one.
constexpr std::size_t kLeastIdCharacters = 50;
constexpr std::size_t kShortIdGroup = 7;

class Category : public std::error_category {
 public:
  const char* name() const noexcept override { return "word"; }
  std::string message(int code) const override {
    switch (static_cast<WordErrc>(code)) {
      case WordErrc::bad_peer:
        return "a peer is named by a contact's name, a peer ID, or an address (an IP, host:port, "
               "[IPv6]:port, or a host name with a dot)";
      case WordErrc::bad_address:
        return "an address is an IP, host:port, [IPv6]:port, or a host name with a dot";
      case WordErrc::bad_port:
        return "a port is a number from 1 to 65535";
    }
    return "unknown error";
  }
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool all_digits(std::string_view text) { return std::all_of(text.begin(), text.end(), is_digit); }

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::size_t characters_in(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) at += base::character_at(text, at).bytes;
  return count;
}

bool looks_like_id(std::string_view word) {
  std::size_t characters = 0;
  for (const char c : word) {
    if (c == '-' || c == ' ') continue;
    if (!is_letter(c) && !is_digit(c)) return false;
    ++characters;
  }
  return characters >= kLeastIdCharacters;
}

// "ABCDEFG-HIJKLMN", as it stands beside the names of strangers.
bool looks_like_short_id(std::string_view word) {
  const auto in_base32 = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7'); };
  if (word.size() != 2 * kShortIdGroup + 1 || word[kShortIdGroup] != '-') return false;
  const auto group = [&](std::size_t at) { return word.substr(at, kShortIdGroup); };
  const auto first = group(0);
  const auto second = group(kShortIdGroup + 1);
  return std::all_of(first.begin(), first.end(), in_base32) &&
         std::all_of(second.begin(), second.end(), in_base32);
}

bool has_space(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto c = base::character_at(text, at);
    if (c.valid && base::is_space(c.value)) return true;
    at += c.bytes;
  }
  return false;
}

// The IP in its shortest form; a link-local one keeps its scope (%eth0).
std::optional<std::string> as_ip(std::string_view text) {
  const std::size_t percent = text.find('%');
  const std::string ip(text.substr(0, percent));
  const std::string_view scope = percent == text.npos ? std::string_view{} : text.substr(percent);
  std::array<char, INET6_ADDRSTRLEN> out{};
  in_addr v4{};
  in6_addr v6{};
  if (ip.find('\0') != ip.npos) return std::nullopt;
  if (percent == text.npos && ::inet_pton(AF_INET, ip.c_str(), &v4) == 1) return ip;
  if (::inet_pton(AF_INET6, ip.c_str(), &v6) != 1) return std::nullopt;
  const auto in_scope_name = [](char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
  };
  const bool scope_ok =
      scope.empty() ||
      (scope.size() > 1 && std::all_of(scope.begin() + 1, scope.end(), in_scope_name));
  if (!scope_ok) return std::nullopt;
  return std::string(::inet_ntop(AF_INET6, &v6, out.data(), out.size())).append(scope);
}

bool is_label(std::string_view label) {
  const auto legal = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; };
  return !label.empty() && label.size() <= kMaxLabelBytes && label.front() != '-' &&
         std::all_of(label.begin(), label.end(), legal);
}

// A name to look up. Its last label is not a number: resolvers read "10.1" as an IP in disguise.
bool is_host_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.size() > kMaxHostBytes) return false;
  for (;;) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == text.npos) return !is_digit(label.front()) || !all_digits(label);
    text.remove_prefix(dot + 1);
  }
}

std::optional<std::uint16_t> as_port(std::string_view text) {
  constexpr std::size_t kMaxDigits = 5;
  if (text.empty() || text.size() > kMaxDigits || !all_digits(text)) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text) value = value * 10 + static_cast<std::uint32_t>(c - '0');
  if (value < 1 || value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(value);
}

struct HostAndPort {
  std::string_view host;
  std::optional<std::string_view> port;  // as written
  bool brackets = false;
};

std::optional<HostAndPort> split(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == text.npos) return std::nullopt;
    const std::string_view behind = text.substr(close + 1);
    const std::string_view host = text.substr(1, close - 1);
    if (behind.empty()) return HostAndPort{host, std::nullopt, true};
    if (behind.front() != ':') return std::nullopt;
    return HostAndPort{host, behind.substr(1), true};
  }
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return HostAndPort{text, std::nullopt, false};
  if (text.find(':', colon + 1) != text.npos) return HostAndPort{text, std::nullopt, false};
  return HostAndPort{text.substr(0, colon), text.substr(colon + 1), false};
}

}  // namespace

std::error_code make_error_code(WordErrc code) {
  static const Category category;
  return {static_cast<int>(code), category};
}

std::string name_error(std::string_view name) {
  if (name.empty() || characters_in(name) > kMaxContactNameCharacters)
    return "a name has 1 to " + std::to_string(kMaxContactNameCharacters) + " characters";
  if (has_space(name)) return "a name has no spaces";
  if (base::escaped(name) != name) return "a name has no control or invisible characters";
  if (name.find_first_of("/:,@") != name.npos) return "a name has none of / : , @";
  if (name.find('.') != name.npos) return "with a dot it would be an address";
  if (name.front() == '-') return "a name does not begin with -";
  if (all_digits(name)) return "a name is not a number alone";
  constexpr std::array<std::string_view, 5> kMeanMany{"anyone", "contacts", "verified", "trusted",
                                                      "strangers"};
  if (std::any_of(kMeanMany.begin(), kMeanMany.end(),
                  [name](std::string_view word) { return same_word(name, word); }))
    return "this word has a meaning of its own";
  if (looks_like_id(name) || looks_like_short_id(name)) return "it has the form of a peer ID";
  return {};
}

std::string folded(std::string_view name) {
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string name_from(std::string_view display_name) {
  std::string out;
  std::size_t characters = 0;
  for (std::size_t at = 0; at < display_name.size() && characters < kMaxContactNameCharacters;) {
    const auto c = base::character_at(display_name, at);
    const std::string_view raw = display_name.substr(at, c.bytes);
    at += c.bytes;
    const bool gap = c.valid && (base::is_space(c.value) || c.value == '.' || c.value == '-');
    if (gap && (out.empty() || out.back() == '-')) continue;
    if (!c.valid || base::is_invisible(c.value) || raw.find_first_of("/:,@") != raw.npos) continue;
    const std::string next = out + (gap ? std::string("-") : std::string(raw));
    if (base::escaped(next) != next) continue;  // a combining character too many
    out = next;
    ++characters;
  }
  while (out.ends_with('-')) out.pop_back();
  return name_error(out).empty() ? out : std::string{};
}

std::string Address::text() const {
  const std::string digits = std::to_string(port);
  if (host.find(':') == host.npos) return host + ":" + digits;
  return std::string("[").append(host).append("]:").append(digits);
}

Result<Address> parse_address(std::string_view text, std::uint16_t default_port) {
  const Error wrong(WordErrc::bad_address, base::quoted(text));
  const auto parts = split(text);
  if (!parts) return wrong;
  Address out{std::string(parts->host), default_port};
  const auto ip = as_ip(parts->host);
  if (ip) out.host = *ip;
  const bool is_v6 = ip && ip->find(':') != ip->npos;
  if (parts->brackets && !is_v6) return wrong;
  // Without a port a name needs a dot: a bare word is a contact's.
  const bool bare = !parts->port && parts->host.find('.') == text.npos;
  if (!ip && (bare || !is_host_name(parts->host))) return wrong;
  if (!parts->port) return out;
  const auto port = as_port(*parts->port);
  if (!port) return Error(WordErrc::bad_port, base::quoted(text));
  out.port = *port;
  return out;
}

Result<PeerWord> parse_peer_word(std::string_view word, std::uint16_t default_port) {
  if (looks_like_id(word)) {
    auto id = protocol::PeerId::parse(word);
    if (!id) return std::move(id).error().within(base::quoted(word));
    return PeerWord(*id);
  }
  if (word.find_first_of(".:") != word.npos) {
    auto address = parse_address(word, default_port);
    if (!address) return std::move(address).error();
    return PeerWord(*std::move(address));
  }
  if (!name_error(word).empty()) return Error(WordErrc::bad_peer, base::quoted(word));
  return PeerWord(ContactName{std::string(word)});
}

}  // namespace peer::trust
