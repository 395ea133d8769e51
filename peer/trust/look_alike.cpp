#include "trust/look_alike.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/unicode.hpp"

namespace peer::trust {

namespace {

struct Double {
  char32_t letter;
  std::string_view like;
};

// Sorted by letter. Of other scripts only what is drawn as a Latin letter in common fonts.
constexpr std::array kDoubles{
    Double{U'0', "o"},      Double{U'1', "l"},      Double{U'5', "s"},      Double{U'i', "l"},
    Double{U'|', "l"},      Double{U'à', "a"},      Double{U'á', "a"},      Double{U'â', "a"},
    Double{U'ã', "a"},      Double{U'ä', "a"},      Double{U'å', "a"},      Double{U'ç', "c"},
    Double{U'è', "e"},      Double{U'é', "e"},      Double{U'ê', "e"},      Double{U'ë', "e"},
    Double{U'ì', "l"},      Double{U'í', "l"},      Double{U'î', "l"},      Double{U'ï', "l"},
    Double{U'ñ', "n"},      Double{U'ò', "o"},      Double{U'ó', "o"},      Double{U'ô', "o"},
    Double{U'õ', "o"},      Double{U'ö', "o"},      Double{U'ø', "o"},      Double{U'ù', "u"},
    Double{U'ú', "u"},      Double{U'û', "u"},      Double{U'ü', "u"},      Double{U'ý', "y"},
    Double{U'ÿ', "y"},      Double{U'\u0131', "l"}, Double{U'\u0142', "l"}, Double{U'\u0251', "a"},
    Double{U'\u0261', "g"}, Double{U'\u0269', "l"}, Double{U'\u03B1', "a"}, Double{U'\u03B3', "y"},
    Double{U'\u03B5', "e"}, Double{U'\u03B7', "n"}, Double{U'\u03B9', "l"}, Double{U'\u03BA', "k"},
    Double{U'\u03BD', "v"}, Double{U'\u03BF', "o"}, Double{U'\u03C1', "p"}, Double{U'\u03C3', "o"},
    Double{U'\u03C4', "t"}, Double{U'\u03C5', "u"}, Double{U'\u03C7', "x"}, Double{U'\u03C9', "w"},
    Double{U'\u0430', "a"}, Double{U'\u0432', "b"}, Double{U'\u0433', "r"}, Double{U'\u0435', "e"},
    Double{U'\u0437', "3"}, Double{U'\u043A', "k"}, Double{U'\u043C', "m"}, Double{U'\u043D', "h"},
    Double{U'\u043E', "o"}, Double{U'\u043F', "n"}, Double{U'\u0440', "p"}, Double{U'\u0441', "c"},
    Double{U'\u0442', "t"}, Double{U'\u0443', "y"}, Double{U'\u0445', "x"}, Double{U'\u044C', "b"},
    Double{U'\u0455', "s"}, Double{U'\u0456', "l"}, Double{U'\u0457', "l"}, Double{U'\u0458', "j"},
    Double{U'\u04AF', "y"}, Double{U'\u04BB', "h"}, Double{U'\u04CF', "l"}, Double{U'\u0501', "d"},
    Double{U'\u051B', "q"}, Double{U'\u051D', "w"}, Double{U'\u2010', "-"}, Double{U'\u2011', "-"},
    Double{U'\u2012', "-"}, Double{U'\u2013', "-"}, Double{U'\u2014', "-"}, Double{U'\u2212', "-"},
};
static_assert(std::ranges::is_sorted(kDoubles, {}, &Double::letter));

/// Upper to lower case, as far as the table above goes; full-width to plain.
char32_t lower(char32_t c) {
  constexpr char32_t kFullWidth = 0xFEE0;  // U+FF01 to U+FF5E are '!' to '~'
  if (c >= 0xFF01 && c <= 0xFF5E) c -= kFullWidth;
  if ((c >= U'A' && c <= U'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7)) return c + 0x20;
  if (c >= 0x391 && c <= 0x3A9) return c + 0x20;
  if (c >= 0x410 && c <= 0x42F) return c + 0x20;
  if (c >= 0x400 && c <= 0x40F) return c + 0x50;
  const bool pair =
      c == 0x141 || c == 0x4AE || c == 0x4BA || c == 0x500 || c == 0x51A || c == 0x51C;
  if (c == 0x4C0) return 0x4CF;
  if (c == 0x130) return U'i';
  return pair ? c + 1 : c;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

}  // namespace

std::string skeleton(std::string_view name) {
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    const auto c = base::character_at(name, at);
    const auto raw = name.substr(at, c.bytes);
    at += c.bytes;
    if (c.valid && base::is_combining(c.value)) continue;
    const auto letter = c.valid ? lower(c.value) : c.value;
    const auto found = std::ranges::lower_bound(kDoubles, letter, {}, &Double::letter);
    if (c.valid && found != kDoubles.end() && found->letter == letter) {
      out += found->like;
    } else if (letter < 0x80) {
      out += static_cast<char>(letter == U'_' ? U'-' : letter);
    } else {
      out += raw;
    }
  }
  replace_all(out, "rn", "m");
  replace_all(out, "vv", "w");
  return out;
}

}  // namespace peer::trust
