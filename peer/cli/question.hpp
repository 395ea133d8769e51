#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peer::cli {

/// What a person may answer to an offer on the console.
enum class Answer : char {
  accept = 'y',
  reject = 'n',
  some = 's',
  update = 'u',  ///< only what is not there yet
  details = 'd',
  pair = 'p',  ///< accept, and make the stranger a contact
  block = 'b',
  later = 'l',
};

/// Which answers make sense for one offer.
struct Allowed {
  bool rest = false;      ///< some files are there already: `u`
  bool stranger = false;  ///< `p`
};

/// The last line or lines of a question: every key that may be pressed, broken to fit `columns`,
/// ending in "> ".
std::string keys_text(const Allowed& allowed, std::size_t columns);
/// One key (or the first letter's word: "yes", "no"), then Enter. Nothing for anything else, an
/// empty line too.
std::optional<Answer> parse_answer(std::string_view line, const Allowed& allowed);

/// What `s` was answered with: numbers and ranges of the listed entries ("1 4-7"), or patterns.
struct Choice {
  std::vector<std::uint64_t> entries;  ///< ascending, each once
  std::vector<std::string> only;
};
/// Largest number of entries a person may name by ranges.
inline constexpr std::size_t kMaxChosenEntries = 10'000;
/// Of an offer of so many `entries`. Nothing if the line is empty, mixes both kinds, or holds a
/// range that is none or a number that no entry has; `why` says which.
std::optional<Choice> parse_choice(std::string_view line, std::uint64_t entries, std::string& why);

}  // namespace peer::cli
