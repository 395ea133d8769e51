#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace peer::base {

/// Any bytes made safe to show on a terminal or in a log line: control characters, DEL, C1, invalid
/// UTF-8, bidi controls, zero-width and other invisible characters, line and paragraph separators
/// appear as \n, \t, \e, \xNN or \u{NNNN}; a backslash stays itself. Never longer than
/// `max_columns` shown characters (cut with an ellipsis) unless 0.
std::string escaped(std::string_view bytes, std::size_t max_columns = 0);
/// A path in ‘quotes’, escaped.
std::string quoted(std::string_view bytes);
std::string shell_quoted(
    std::string_view bytes);  ///< for commands we print: 'it'\''s'; unquoted where harmless
std::size_t columns(std::string_view utf8);  ///< shown width on a terminal, wide characters count 2

std::string base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);  ///< strict: padding, no spaces

std::string size_text(
    std::uint64_t bytes);  ///< "512 bytes", "1.5 MB", "12 GB": decimal units, as disks are sold
std::string count_text(std::uint64_t n);  ///< "38,235"
std::string count_of(std::uint64_t n, std::string_view singular,
                     std::string_view plural = {});  ///< "1 file", "3 files"
std::string rate_text(double bytes_per_second);      ///< "112 MB/s"
std::string duration_text(std::chrono::seconds d);   ///< "8 s", "3 min 12 s", "2 h 5 min", "3 days"
std::string time_text(std::int64_t unix_seconds);    ///< local time "2026-11-22 14:05"
/// "30d", "10m", "45s", "2h", "1w" or plain seconds.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);
/// The nearest of `known` within an edit distance of 2, if any: for "did you mean".
template <class Range>
std::string_view nearest(std::string_view word, const Range& known);
std::size_t edit_distance(std::string_view a, std::string_view b);

template <class Range>
std::string_view nearest(std::string_view word, const Range& known) {
  std::string_view best;
  std::size_t best_distance = 3;
  for (std::string_view candidate : known) {
    if (const auto d = edit_distance(word, candidate); d < best_distance)
      best = candidate, best_distance = d;
  }
  return best;
}

}  // namespace peer::base
