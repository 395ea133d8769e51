#include "trust/pairing_code.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>

#include "base/random.hpp"
#include "base/text.hpp"
#include "trust/pairing_words.hpp"

namespace peer::trust {

namespace {

constexpr unsigned kMaxOurSlot = 99;
constexpr char kForm[] = "a code is a number and three words, like 7-guitar-otter-lamp";

std::uint16_t random_number() {
  std::array<std::byte, 2> bytes{};
  base::random_bytes(bytes);
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[0]) << 8 |
                                    std::to_integer<unsigned>(bytes[1]));
}

std::string_view random_word() {
  static_assert(65536 % kPairingWordCount == 0, "every word is as likely as any other");
  return kPairingWordList[random_number() % kPairingWordCount];
}

unsigned random_slot() {
  constexpr unsigned kFair = 65536 - 65536 % kMaxOurSlot;
  for (;;)
    if (const unsigned n = random_number(); n < kFair) return n % kMaxOurSlot + 1;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// What stands between spaces and dashes, in lower case.
std::vector<std::string> parts_of(std::string_view typed) {
  constexpr std::string_view kBetween = " \t\r\n-";
  std::vector<std::string> out;
  for (;;) {
    const auto begin = typed.find_first_not_of(kBetween);
    if (begin == typed.npos) return out;
    const auto end = std::min(typed.find_first_of(kBetween, begin), typed.size());
    out.push_back(lower(typed.substr(begin, end - begin)));
    typed.remove_prefix(end);
  }
}

bool is_number(std::string_view part) {
  return std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// 0 if it is none.
unsigned slot_of(std::string_view part) {
  unsigned out = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), out);
  const bool whole = error == std::errc() && end == part.data() + part.size();
  return whole && out <= kMaxPairingSlot ? out : 0;
}

CodeFault unknown(const std::string& word) {
  // Longer ones are no mistyped word, and comparing them takes long.
  constexpr std::size_t kMaxCompared = 16;
  constexpr std::size_t kMaxShown = 40;
  const std::string shown = "‘" + base::escaped(word, kMaxShown) + "’";
  CodeFault out{shown + " is none of the words of codes", word, {}};
  if (word.size() <= kMaxCompared) out.nearest = base::nearest(word, kPairingWordList);
  if (!out.nearest.empty()) out.text += "; is it ‘" + out.nearest + "’?";
  return out;
}

}  // namespace

std::string PairingCode::text() const { return std::to_string(slot) + "-" + words; }

PairingCode make_pairing_code() {
  PairingCode out{random_slot(), std::string(random_word())};
  for (std::size_t i = 1; i < kPairingWords; ++i) (out.words += '-') += random_word();
  return out;
}

std::variant<PairingCode, CodeFault> parse_pairing_code(std::string_view typed) {
  const auto parts = parts_of(typed);
  if (parts.empty() || !is_number(parts[0]))
    return CodeFault{"the number at its front is missing: " + std::string(kForm), {}, {}};
  PairingCode out{slot_of(parts[0]), {}};
  if (out.slot == 0)
    return CodeFault{"its number is 1 to " + std::to_string(kMaxPairingSlot), {}, {}};
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto& word = parts[i];
    if (!std::binary_search(kPairingWordList.begin(), kPairingWordList.end(), word))
      return unknown(word);
    if (!out.words.empty()) out.words += '-';
    out.words += word;
  }
  if (parts.size() != kPairingWords + 1)
    return CodeFault{
        "that holds " + base::count_of(parts.size() - 1, "word") + ": " + kForm, {}, {}};
  return out;
}

std::vector<std::string_view> pairing_words_starting(std::string_view start) {
  const std::string wanted = lower(start);
  std::vector<std::string_view> out;
  for (const auto word : kPairingWordList)
    if (word.starts_with(wanted)) out.push_back(word);
  return out;
}

}  // namespace peer::trust
