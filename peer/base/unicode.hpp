#pragma once

#include <cstddef>
#include <string_view>

/// What a terminal does with a character. Independent of the locale; tables of Unicode 14.
namespace peer::base {

/// The longest run of combining characters that is shown as it is; no language needs more, and a
/// long run paints over the lines above and below.
inline constexpr std::size_t kMaxCombiningRun = 4;

struct Character {
  char32_t value = 0;     ///< of an invalid byte: the byte
  std::size_t bytes = 1;  ///< that it takes
  bool valid = true;      ///< false: the byte at this place is no part of well-formed UTF-8
};

/// The character that begins at `at` (< bytes.size()).
Character character_at(std::string_view bytes, std::size_t at);

bool is_invisible(char32_t c);       ///< controls, bidi controls, zero-width, line separators, tags
bool is_combining(char32_t c);       ///< drawn over the character before it
bool is_space(char32_t c);           ///< takes place but shows nothing
std::size_t columns_of(char32_t c);  ///< 0 (combining), 1 or 2; 1 for controls

}  // namespace peer::base
