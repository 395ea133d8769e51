#include "cli/question.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"
#include "storage/selection.hpp"

namespace peer::cli {
namespace {

struct Key {
  Answer answer;
  const char* word;  ///< also an answer, spelt out
  const char* says;
};
constexpr std::array<Key, 8> kKeys = {{
    {Answer::accept, "yes", "y accept"},
    {Answer::reject, "no", "n reject"},
    {Answer::some, "some", "s some"},
    {Answer::update, "update", "u the rest"},
    {Answer::details, "details", "d details"},
    {Answer::pair, "pair", "p accept and make a contact"},
    {Answer::block, "block", "b block"},
    {Answer::later, "later", "l later"},
}};

bool is_allowed(Answer answer, const Allowed& allowed) {
  if (answer == Answer::update) return allowed.rest;
  if (answer == Answer::pair) return allowed.stranger;
  return true;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : line) {
    if (c != ' ' && c != '\t' && c != '\r') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

bool parse_number(std::string_view text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

/// "4" or "4-7".
bool parse_range(std::string_view word, std::uint64_t& first, std::uint64_t& last) {
  const auto dash = word.find('-');
  if (dash == std::string_view::npos) {
    if (!parse_number(word, first)) return false;
    last = first;
    return true;
  }
  return parse_number(word.substr(0, dash), first) && parse_number(word.substr(dash + 1), last);
}

/// Words, and numbers that stand between commas; a pattern keeps its commas.
std::vector<std::string> choice_words(std::string_view line) {
  std::vector<std::string> words;
  for (const std::string& word : words_of(line)) {
    if (word.find_first_not_of("0123456789-,") != std::string::npos) {
      const bool trailing = word.ends_with(',') && word.size() > 1;
      words.push_back(trailing ? word.substr(0, word.size() - 1) : word);
      continue;
    }
    std::string numbers = word;
    std::replace(numbers.begin(), numbers.end(), ',', ' ');
    for (std::string& number : words_of(numbers)) words.push_back(std::move(number));
  }
  return words;
}

}  // namespace

std::string keys_text(const Allowed& allowed, std::size_t columns) {
  std::string text, line;
  for (const Key& key : kKeys) {
    if (!is_allowed(key.answer, allowed)) continue;
    const std::string_view says = key.says;
    constexpr std::size_t kPromptColumns = 3;  // " > "
    if (!line.empty() && line.size() + 2 + says.size() + kPromptColumns > columns) {
      text += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : "  ") + std::string(says);
  }
  return text + line + " > ";
}

std::optional<Answer> parse_answer(std::string_view line, const Allowed& allowed) {
  const auto words = words_of(line);
  if (words.size() != 1) return std::nullopt;
  std::string word = words[0];
  for (char& c : word)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const Key& key : kKeys) {
    const bool meant =
        word == key.word || (word.size() == 1 && word[0] == static_cast<char>(key.answer));
    if (meant && is_allowed(key.answer, allowed)) return key.answer;
  }
  return std::nullopt;
}

std::optional<Choice> parse_choice(std::string_view line, std::uint64_t entries, std::string& why) {
  Choice choice;
  for (const std::string& word : choice_words(line)) {
    std::uint64_t first = 0, last = 0;
    if (!parse_range(word, first, last)) {
      why = storage::glob_error(word);
      if (!why.empty()) return std::nullopt;
      choice.only.push_back(word);
      continue;
    }
    if (last < first || last - first >= kMaxChosenEntries ||
        choice.entries.size() + (last - first) >= kMaxChosenEntries) {
      why = word + " is no range of at most " + base::count_text(kMaxChosenEntries) + " numbers";
      return std::nullopt;
    }
    if (last >= entries) {
      why = word + ": the numbers go from 0 to " +
            std::to_string(std::max<std::uint64_t>(entries, 1) - 1) + ", as the list shows them";
      return std::nullopt;
    }
    for (auto n = first; n <= last; ++n) choice.entries.push_back(n);
  }
  if (!choice.entries.empty() && !choice.only.empty()) {
    why = "either numbers or patterns, not both";
    return std::nullopt;
  }
  if (choice.entries.empty() && choice.only.empty()) {
    why = "nothing was chosen";
    return std::nullopt;
  }
  std::sort(choice.entries.begin(), choice.entries.end());
  choice.entries.erase(std::unique(choice.entries.begin(), choice.entries.end()),
                       choice.entries.end());
  return choice;
}

}  // namespace peer::cli
