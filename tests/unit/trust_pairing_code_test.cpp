#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <variant>

#include "base/text.hpp"
#include "trust/pairing_code.hpp"
#include "trust/pairing_words.hpp"

using peer::trust::CodeFault;
using peer::trust::kPairingWordList;
using peer::trust::make_pairing_code;
using peer::trust::pairing_words_starting;
using peer::trust::PairingCode;
using peer::trust::parse_pairing_code;

namespace {

bool is_word(std::string_view word) {
  return std::binary_search(kPairingWordList.begin(), kPairingWordList.end(), word);
}

std::string read(std::string_view typed) {
  const auto parsed = parse_pairing_code(typed);
  const auto* code = std::get_if<PairingCode>(&parsed);
  return code != nullptr ? code->text() : "";
}

CodeFault fault(std::string_view typed) {
  auto parsed = parse_pairing_code(typed);
  REQUIRE(std::holds_alternative<CodeFault>(parsed));
  return std::get<CodeFault>(std::move(parsed));
}

}  // namespace

TEST_SUITE("pairing words") {
  TEST_CASE("1,024 of them, sorted, short, in plain letters") {
    CHECK(kPairingWordList.size() == 1024);
    CHECK(std::is_sorted(kPairingWordList.begin(), kPairingWordList.end()));
    for (const auto word : kPairingWordList) {
      CAPTURE(word);
      CHECK(word.size() >= 3);
      CHECK(word.size() <= 7);
      CHECK(std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; }));
    }
  }

  TEST_CASE("no two are one typing mistake apart, and four letters tell them apart") {
    std::set<std::string_view> starts;
    for (std::size_t i = 0; i < kPairingWordList.size(); ++i) {
      const auto word = kPairingWordList[i];
      CHECK_MESSAGE(starts.insert(word.substr(0, 4)).second, word);
      for (std::size_t j = 0; j < i; ++j)
        if (peer::base::edit_distance(word, kPairingWordList[j]) < 2)
          FAIL_CHECK(word, " and ", kPairingWordList[j]);
    }
  }

  TEST_CASE("none can be taken by ear for another word, or is spelled in two ways") {
    for (const auto word :
         {"bare",   "bear",  "blue",   "blew",  "board",   "brake",  "break",  "cell",  "cent",
          "cereal", "chord", "colour", "color", "dear",    "deer",   "fair",   "flour", "flower",
          "grey",   "gray",  "hair",   "hare",  "honor",   "honour", "knight", "night", "mail",
          "male",   "meat",  "meet",   "pair",  "pear",    "peace",  "piece",  "plain", "plane",
          "pyjama", "rain",  "reign",  "right", "write",   "rose",   "sail",   "sale",  "sea",
          "see",    "son",   "sun",    "tail",  "tale",    "tide",   "tire",   "tyre",  "waist",
          "waste",  "whale", "wood",   "would", "yoghurt", "yogurt"})
      CHECK_MESSAGE(!is_word(word), word);
  }

  TEST_CASE("none could be written as a number or a sign") {
    for (const auto word :
         {"zero",  "one",  "two",    "three",  "four",   "five",   "six",    "seven",
          "eight", "nine", "ten",    "eleven", "twelve", "twenty", "thirty", "sixty",
          "dot",   "dash", "hyphen", "slash",  "space",  "comma"})
      CHECK_MESSAGE(!is_word(word), word);
  }
}

TEST_SUITE("pairing codes") {
  TEST_CASE("a made code reads back, and is never the same") {
    std::set<std::string> words;
    std::set<unsigned> slots;
    for (int i = 0; i < 2000; ++i) {
      const auto code = make_pairing_code();
      REQUIRE(code.slot >= 1);
      REQUIRE(code.slot <= 99);
      const auto parsed = parse_pairing_code(code.text());
      REQUIRE(std::holds_alternative<PairingCode>(parsed));
      CHECK(std::get<PairingCode>(parsed) == code);
      words.insert(code.words);
      slots.insert(code.slot);
    }
    CHECK(words.size() >= 1999);  // two alike among 2^30: once in 500 runs
    CHECK(slots.size() == 99);
  }

  TEST_CASE("every word can come first, second and third") {
    std::array<std::set<std::string>, 3> seen;
    for (int i = 0; i < 20'000; ++i) {
      std::string left = make_pairing_code().words;
      for (auto& place : seen) {
        const auto dash = std::min(left.find('-'), left.size());
        place.insert(left.substr(0, dash));
        left.erase(0, dash + 1);
      }
    }
    for (const auto& place : seen) CHECK(place.size() == kPairingWordList.size());
  }

  TEST_CASE("capitals, spaces and dashes do not matter") {
    const std::string code = "7-guitar-otter-lamp";
    for (const auto typed : {"7-guitar-otter-lamp", "7 guitar otter lamp", "7 Guitar Otter Lamp",
                             "7-GUITAR-OTTER-LAMP", "  7 - guitar  otter - lamp \n",
                             "07-guitar-otter-lamp", "\t7--guitar--otter--lamp-"}) {
      CAPTURE(typed);
      CHECK(read(typed) == code);
    }
    CHECK(read("999-guitar-guitar-guitar") == "999-guitar-guitar-guitar");
  }

  TEST_CASE("a word that is not in the list is named, with the nearest that is") {
    const std::map<std::string, std::string> mistyped{
        {"gitar", "guitar"}, {"guitarr", "guitar"}, {"giutar", "guitar"}, {"ottre", "otter"},
        {"lampp", "lamp"},   {"Gutiar", "guitar"},  {"xylophone", ""},    {"lämp", "lamp"},
    };
    for (const auto& [typed, nearest] : mistyped) {
      CAPTURE(typed);
      const auto what = fault("7-" + typed + "-otter-lamp");
      CHECK(what.nearest == nearest);
      CHECK(what.word.size() == typed.size());
      CHECK(what.text.find(what.word) != std::string::npos);
      if (!nearest.empty()) CHECK(what.text.find("‘" + nearest + "’?") != std::string::npos);
    }
    CHECK(fault("7-guitar-otter-lmap").word == "lmap");
    CHECK(fault("7-guitar-otter-lamp-extra").word == "extra");
  }

  TEST_CASE("what is no code says what is lacking") {
    CHECK(fault("").text.find("7-guitar-otter-lamp") != std::string::npos);
    CHECK(fault(" - ").text.find("number") != std::string::npos);
    CHECK(fault("guitar-otter-lamp").text.find("number") != std::string::npos);
    CHECK(fault("7").text.find("0 words") != std::string::npos);
    CHECK(fault("7-guitar-otter").text.find("2 words") != std::string::npos);
    CHECK(fault("7-guitar-otter-lamp-lamp").text.find("4 words") != std::string::npos);
    for (const auto slot : {"0", "1000", "99999999999999999999"})
      CHECK(fault(std::string(slot) + "-guitar-otter-lamp").text.find("1 to 999") !=
            std::string::npos);
    CHECK(fault("-7-guitarotterlamp").nearest.empty());
  }

  TEST_CASE("whatever is typed is shown escaped and costs no time") {
    const auto what = fault("7-\x1b[31mred\x1b[0m-otter-lamp");
    CHECK(what.text.find('\x1b') == std::string::npos);
    const auto much = fault("7-" + std::string(1 << 20, 'a'));
    CHECK(much.nearest.empty());
    CHECK(much.text.size() < 1000);
    fault(std::string(1 << 20, '1'));
    fault(std::string(1 << 20, '-'));
    std::string many = "7";
    for (int i = 0; i < 100'000; ++i) many += "-lamp";
    CHECK(fault(many).text.find("100,000 words") != std::string::npos);
  }

  TEST_CASE("completion knows the words that begin so") {
    const auto some = pairing_words_starting("GUI");
    REQUIRE(!some.empty());
    CHECK(std::find(some.begin(), some.end(), "guitar") != some.end());
    for (const auto word : some) CHECK(word.starts_with("gui"));
    CHECK(pairing_words_starting("zzz").empty());
    CHECK(pairing_words_starting("").size() == kPairingWordList.size());
  }
}
