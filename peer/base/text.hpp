#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace peer::base {

/// Any bytes made safe to show on a terminal or in a log line: control characters, DEL, C1, invalid
/// UTF-8, bidi controls, zero-width and other invisible characters, line and paragraph separators
/// appear as \n, \t, \r, \e, \xNN or \u{NNNN}, and so do combining characters with nothing before
/// them or more than kMaxCombiningRun on end; a backslash stays itself. Never wider than
/// `max_columns` columns (cut with an ellipsis) unless 0.
std::string escaped(std::string_view bytes, std::size_t max_columns = 0);
/// A path in ‘quotes’, escaped. The overloads for strings keep std::quoted, found through the
/// argument's namespace, from fitting better.
std::string quoted(std::string_view bytes);
inline std::string quoted(std::string& bytes) { return quoted(std::string_view(bytes)); }
inline std::string quoted(const std::string& bytes) { return quoted(std::string_view(bytes)); }
inline std::string quoted(const char* bytes) { return quoted(std::string_view(bytes)); }
/// For commands we print: 'it'\''s'; unquoted where harmless; $'...' if it holds what may not be
/// shown as it is.
std::string shell_quoted(std::string_view bytes);
/// Shown width on a terminal of text without control characters: wide characters count 2, combining
/// ones 0, invalid bytes 1.
std::size_t columns(std::string_view utf8);

std::string base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);  ///< strict: padding, no spaces

std::string size_text(
    std::uint64_t bytes);  ///< "512 bytes", "1.5 MB", "12 GB": decimal units, as disks are sold
std::string count_text(std::uint64_t n);  ///< "38,235"
std::string count_of(std::uint64_t n, std::string_view singular,
                     std::string_view plural = {});  ///< "1 file", "3 files"
std::string rate_text(double bytes_per_second);      ///< "112 MB/s"
/// "8 s", "3 min 12 s", "2 h 5 min", "1 day 7 h", "3 days"; below zero as zero.
std::string duration_text(std::chrono::seconds d);
std::string time_text(std::int64_t unix_seconds);  ///< local time "2026-11-22 14:05"
/// "20M", "500k", "1.5GB", "2GiB", "1000" (k, M, G and T are powers of 1000) as bytes; nothing for
/// anything else.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// "30d", "10m", "45s", "2h", "1w" or plain seconds; whole numbers only.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);
/// The nearest of `known` within an edit distance of 2, if any: for "did you mean". The view is
/// into `known`.
template <class Range>
std::string_view nearest(std::string_view word, const Range& known);
/// Letters left out, added, replaced, or two neighbours swapped.
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
