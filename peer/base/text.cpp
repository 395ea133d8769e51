#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <limits>
#include <vector>

#include "base/unicode.hpp"
#include "protocol/base64.hpp"

namespace peer::base {
namespace {

constexpr char kUpperHex[] = "0123456789ABCDEF";
constexpr std::string_view kEllipsis = "…";

std::string byte_escape(unsigned char byte) {
  return {'\\', 'x', kUpperHex[byte >> 4], kUpperHex[byte & 0xF]};
}

std::string escape_of(const Character& c) {
  if (!c.valid) return byte_escape(static_cast<unsigned char>(c.value));
  switch (c.value) {
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    case '\r':
      return "\\r";
    case 0x1B:
      return "\\e";
    default:
      break;
  }
  if (c.value < 0x80) return byte_escape(static_cast<unsigned char>(c.value));
  std::string digits;
  for (char32_t rest = c.value; rest != 0 || digits.size() < 4; rest >>= 4)
    digits.insert(digits.begin(), kUpperHex[rest & 0xF]);
  return std::string("\\u{").append(digits).append("}");
}

// Walks over text as it is shown: gives one character, or the escape of one, at a time.
class Shown {
 public:
  explicit Shown(std::string_view bytes) : bytes_(bytes) {}

  bool next() {
    if (at_ == bytes_.size()) return false;
    const Character c = character_at(bytes_, at_);
    raw_ = bytes_.substr(at_, c.bytes);
    at_ += c.bytes;
    const bool combining = c.valid && is_combining(c.value);
    run_ = combining ? run_ + 1 : 0;
    escaped_ =
        !c.valid || is_invisible(c.value) || run_ > kMaxCombiningRun || (combining && first_);
    first_ = false;
    if (escaped_) {
      escape_ = escape_of(c);
      columns_ = escape_.size();
      run_ = combining ? run_ : 0;
    } else {
      columns_ = columns_of(c.value);
    }
    return true;
  }
  bool is_escape() const { return escaped_; }
  std::string_view raw() const { return raw_; }
  std::string_view text() const { return escaped_ ? std::string_view(escape_) : raw_; }
  std::size_t columns() const { return columns_; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  std::string_view raw_;
  std::string escape_;
  std::size_t columns_ = 0;
  std::size_t run_ = 0;
  bool escaped_ = false;
  bool first_ = true;
};

bool harmless_in_shell(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_@%+:,./-").find(c) != std::string_view::npos;
}

// $'...' as bash, zsh, ksh and POSIX of 2024 know it: the only quoting that can be both shown and
// pasted when there are control characters in it.
std::string ansi_quoted(std::string_view bytes) {
  std::string out = "$'";
  for (Shown shown(bytes); shown.next();) {
    if (!shown.is_escape()) {
      if (shown.raw() == "'" || shown.raw() == "\\") out += '\\';
      out += shown.raw();
      continue;
    }
    // Three octal digits end by themselves; \xNN would swallow a digit that follows.
    for (const char c : shown.raw()) {
      const auto byte = static_cast<unsigned char>(c);
      out += '\\';
      out += static_cast<char>('0' + (byte >> 6));
      out += static_cast<char>('0' + (byte >> 3 & 7));
      out += static_cast<char>('0' + (byte & 7));
    }
  }
  return out + "'";
}

std::string two_units(std::int64_t big, const char* big_unit, std::int64_t small,
                      const char* small_unit) {
  std::string out = std::to_string(big) + " " + big_unit;
  if (small > 0) out.append(" ").append(std::to_string(small)).append(" ").append(small_unit);
  return out;
}

}  // namespace

std::string escaped(std::string_view bytes, std::size_t max_columns) {
  std::string out;
  std::size_t width = 0;
  std::size_t cut_at = 0;  // bytes of `out` that leave room for the ellipsis
  for (Shown shown(bytes); shown.next();) {
    if (max_columns != 0 && width + shown.columns() > max_columns) {
      out.resize(cut_at);
      return out.append(kEllipsis);
    }
    out += shown.text();
    width += shown.columns();
    if (width < max_columns) cut_at = out.size();
  }
  return out;
}

std::string quoted(std::string_view bytes) { return "‘" + escaped(bytes) + "’"; }

std::string shell_quoted(std::string_view bytes) {
  for (Shown shown(bytes); shown.next();)
    if (shown.is_escape()) return ansi_quoted(bytes);
  if (!bytes.empty() && std::all_of(bytes.begin(), bytes.end(), harmless_in_shell))
    return std::string(bytes);
  std::string out = "'";
  for (const char c : bytes) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

std::size_t columns(std::string_view utf8) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const Character c = character_at(utf8, at);
    width += c.valid ? columns_of(c.value) : 1;
    at += c.bytes;
  }
  return width;
}

std::string base64(std::string_view bytes) { return protocol::to_base64(bytes); }

std::optional<std::string> from_base64(std::string_view text) {
  return protocol::from_base64(text);
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1000) return count_of(bytes, "byte");
  static constexpr std::array kUnits{"kB", "MB", "GB", "TB", "PB", "EB"};
  std::uint64_t unit = 1000;
  for (std::size_t i = 0;; ++i, unit *= 1000) {
    const std::uint64_t tenth = unit / 10;
    const std::uint64_t tenths = bytes / tenth + (bytes % tenth >= tenth / 2 ? 1 : 0);
    const std::uint64_t whole = bytes / unit + (bytes % unit >= unit / 2 ? 1 : 0);
    if (whole >= 1000 && i + 1 < kUnits.size()) continue;
    std::string number = std::to_string(whole);
    if (tenths < 100) {
      number = std::to_string(tenths / 10);
      if (tenths % 10 != 0) number.append(".").append(std::to_string(tenths % 10));
    }
    return number.append(" ").append(kUnits[i]);
  }
}

std::string count_text(std::uint64_t n) {
  std::string out = std::to_string(n);
  for (std::size_t at = out.size(); at > 3;) out.insert(at -= 3, 1, ',');
  return out;
}

std::string count_of(std::uint64_t n, std::string_view singular, std::string_view plural) {
  std::string out = count_text(n) + " ";
  if (n == 1) return out.append(singular);
  if (!plural.empty()) return out.append(plural);
  return out.append(singular).append("s");
}

std::string rate_text(double bytes_per_second) {
  constexpr double kMax = 1e19;  // fits in 64 bits
  const bool usable = std::isfinite(bytes_per_second) && bytes_per_second > 0;
  const double rate = usable ? std::min(bytes_per_second, kMax) : 0;
  return size_text(static_cast<std::uint64_t>(rate)) + "/s";
}

std::string duration_text(std::chrono::seconds d) {
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  const std::int64_t s = std::max<std::int64_t>(0, d.count());
  if (s < kMinute) return std::to_string(s) + " s";
  if (s < kHour) return two_units(s / kMinute, "min", s % kMinute, "s");
  if (s < kDay) return two_units(s / kHour, "h", s % kHour / kMinute, "min");
  if (s >= 3 * kDay) return std::to_string((s + kDay / 2) / kDay) + " days";
  return two_units(s / kDay, s < 2 * kDay ? "day" : "days", s % kDay / kHour, "h");
}

std::string time_text(std::int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm local{};
  std::array<char, 64> text{};
  if (::localtime_r(&time, &local) == nullptr) return std::to_string(unix_seconds);
  const std::size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &local);
  return std::string(text.data(), n);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (failed != std::errc{}) return std::nullopt;
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (unit.ends_with('B')) unit.remove_suffix(1);
  const double step = unit.ends_with('i') ? 1024 : 1000;
  if (unit.ends_with('i')) unit.remove_suffix(1);
  if (unit.size() > 1 || (unit.empty() && step == 1024)) return std::nullopt;
  if (unit.size() == 1) {
    constexpr std::string_view kUnits = "kMGT";
    const auto power = kUnits.find(unit == "K" ? 'k' : unit.front());
    if (power == std::string_view::npos) return std::nullopt;
    value *= std::pow(step, static_cast<double>(power + 1));
  }
  constexpr double kMost = 1e18;
  if (!(value >= 0) || value > kMost) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  std::int64_t unit = 1;
  if (!text.empty()) {
    switch (text.back()) {
      case 's':
        break;
      case 'm':
        unit = 60;
        break;
      case 'h':
        unit = 3600;
        break;
      case 'd':
        unit = 24 * 3600;
        break;
      case 'w':
        unit = 7 * 24 * 3600;
        break;
      default:
        unit = 0;
        break;
    }
    if (unit != 0) text.remove_suffix(1);
    unit = std::max<std::int64_t>(unit, 1);
  }
  if (text.empty()) return std::nullopt;
  const std::int64_t most = std::numeric_limits<std::int64_t>::max() / unit;
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    if (value > (most - (c - '0')) / 10) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return std::chrono::seconds(value * unit);
}

// Optimal string alignment.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> before(width), above(width), row(width);
  for (std::size_t j = 0; j < width; ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j < width; ++j) {
      const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace peer::base
