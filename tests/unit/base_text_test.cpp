#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <ostream>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "base/unicode.hpp"

using namespace peer::base;
using namespace std::string_literals;
using std::chrono::seconds;

TEST_CASE("what could drive a terminal is shown escaped") {
  struct Case {
    std::string bytes;
    std::string shown;
  };
  const std::vector<Case> cases{
      {"plain.txt", "plain.txt"},
      {"\x1b[2J", "\\e[2J"},
      {"\x1b]52;c;AAAA\x07", "\\e]52;c;AAAA\\x07"},
      {"a\rb\nc\td\be", "a\\rb\\nc\\td\\x08e"},
      {"\x7f", "\\x7F"},
      {"zero\0byte"s, "zero\\x00byte"},
      {"\u009b31m", "\\u{009B}31m"},  // the C1 form of ESC [
      {"\x9b", "\\x9B"},
      {"photo\u202egpj.exe", "photo\\u{202E}gpj.exe"},
      {"\u2066x\u2069", "\\u{2066}x\\u{2069}"},
      {"a\u200bb\u200fc\ufeffd", "a\\u{200B}b\\u{200F}c\\u{FEFF}d"},
      {"one\u2028two\u2029three", "one\\u{2028}two\\u{2029}three"},
      {"tag\U000E0041", "tag\\u{E0041}"},
      {"back\\slash", "back\\slash"},
      {"Grüße 写真 🎉", "Grüße 写真 🎉"},
      {"%n%s{0}$(touch x)", "%n%s{0}$(touch x)"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.shown);
    CHECK(escaped(c.bytes) == c.shown);
  }
}

TEST_CASE("bytes that are not UTF-8 are shown one by one") {
  CHECK(escaped("caf\xe9") == "caf\\xE9");
  CHECK(escaped("\xc0\xae") == "\\xC0\\xAE");                    // overlong
  CHECK(escaped("\xe0\x80\xaf") == "\\xE0\\x80\\xAF");           // overlong
  CHECK(escaped("\xed\xa0\x80") == "\\xED\\xA0\\x80");           // surrogate
  CHECK(escaped("\xf4\x90\x80\x80") == "\\xF4\\x90\\x80\\x80");  // beyond U+10FFFF
  CHECK(escaped("x\xe2\x82") == "x\\xE2\\x82");                  // cut short
  CHECK(escaped("\U0010FFFD") == "\U0010FFFD");
}

TEST_CASE("combining characters are shown up to four on end, and never without a base") {
  const std::string mark = "\u0301";
  CHECK(escaped("e" + mark) == "e" + mark);
  CHECK(escaped("e" + mark + mark + mark + mark) == "e" + mark + mark + mark + mark);
  CHECK(escaped("e" + mark + mark + mark + mark + mark) ==
        "e" + mark + mark + mark + mark + "\\u{0301}");
  CHECK(escaped(mark + "e") == "\\u{0301}e");
}

TEST_CASE("a text is cut to the columns there are") {
  CHECK(escaped("12345", 5) == "12345");
  CHECK(escaped("123456", 5) == "1234…");
  CHECK(escaped("写真写真", 5) == "写真…");
  CHECK(escaped("写真写真", 4) == "写…");
  CHECK(escaped("abc\n", 4) == "abc…");
  CHECK(escaped("abc\n", 5) == "abc\\n");
  CHECK(escaped("ab", 1) == "…");
  CHECK(escaped("", 1).empty());
  const std::string cut = escaped(std::string(4096, 'x') + "\u202e", 40);
  CHECK(columns(cut) == 40);
}

TEST_CASE("shown width counts wide characters twice and combining ones not at all") {
  CHECK(columns("abc") == 3);
  CHECK(columns("写真") == 4);
  CHECK(columns("🎉") == 2);
  CHECK(columns("e\u0301") == 1);
  CHECK(columns("한글") == 4);
  CHECK(columns("\xff\xff") == 2);
  CHECK(columns("") == 0);
}

TEST_CASE("quotes around paths hold them escaped, whatever kind of string they come in") {
  std::string path = "a\nb";
  const std::string fixed = "c";
  CHECK(quoted(path) == "‘a\\nb’");
  CHECK(quoted(fixed) == "‘c’");
  CHECK(quoted("d") == "‘d’");
  CHECK(quoted(std::string_view("e")) == "‘e’");
}

TEST_CASE("commands that are printed can be pasted") {
  CHECK(shell_quoted("photos/2026.tar-1_a:b,c@d%e+f") == "photos/2026.tar-1_a:b,c@d%e+f");
  CHECK(shell_quoted("") == "''");
  CHECK(shell_quoted("two words") == "'two words'");
  CHECK(shell_quoted("it's") == "'it'\\''s'");
  CHECK(shell_quoted("$(touch x)") == "'$(touch x)'");
  CHECK(shell_quoted("~") == "'~'");
  CHECK(shell_quoted("=ls") == "'=ls'");
  CHECK(shell_quoted("Grüße") == "'Grüße'");
  CHECK(shell_quoted("a\nb'c\\d") == "$'a\\012b\\'c\\\\d'");
  CHECK(shell_quoted("\xff"
                     "1") == "$'\\3771'");
  CHECK(shell_quoted("\u202e") == "$'\\342\\200\\256'");
}

TEST_CASE("base64 goes both ways and is read strictly") {
  struct Case {
    std::string bytes;
    std::string text;
  };
  const std::vector<Case> cases{{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                                {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe\xfd", "//79"},
                                {"\0"s, "AA=="}};
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(base64(c.bytes) == c.text);
    CHECK(from_base64(c.text) == c.bytes);
  }
  for (const char* wrong : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zg==Zg==", " Zg==", "Zm9v\n",
                            "Z===", "====", "Zm9-", "Zm9_", "=AAA"})
    CHECK_MESSAGE(!from_base64(wrong), wrong);
}

TEST_CASE("sizes are told in decimal units with two digits that matter") {
  struct Case {
    std::uint64_t bytes;
    const char* text;
  };
  const std::vector<Case> cases{
      {0, "0 bytes"},
      {1, "1 byte"},
      {999, "999 bytes"},
      {1'000, "1 kB"},
      {1'449, "1.4 kB"},
      {1'450, "1.5 kB"},
      {9'949, "9.9 kB"},
      {9'950, "10 kB"},
      {999'499, "999 kB"},
      {999'500, "1 MB"},
      {1'500'000, "1.5 MB"},
      {12'000'000'000, "12 GB"},
      {999'999'999'999, "1 TB"},
      {~std::uint64_t{0}, "18 EB"},
  };
  for (const Case& c : cases) CHECK(size_text(c.bytes) == c.text);
  CHECK(rate_text(112e6) == "112 MB/s");
  CHECK(rate_text(-1) == "0 bytes/s");
  CHECK(rate_text(std::nan("")) == "0 bytes/s");
  CHECK(rate_text(INFINITY) == "0 bytes/s");
}

TEST_CASE("counts have separators and the right number") {
  CHECK(count_text(0) == "0");
  CHECK(count_text(999) == "999");
  CHECK(count_text(1'000) == "1,000");
  CHECK(count_text(38'235'123) == "38,235,123");
  CHECK(count_of(1, "file") == "1 file");
  CHECK(count_of(0, "file") == "0 files");
  CHECK(count_of(1'024, "entry", "entries") == "1,024 entries");
}

TEST_CASE("durations are told in the two units that matter") {
  CHECK(duration_text(seconds(-5)) == "0 s");
  CHECK(duration_text(seconds(8)) == "8 s");
  CHECK(duration_text(seconds(59)) == "59 s");
  CHECK(duration_text(seconds(60)) == "1 min");
  CHECK(duration_text(seconds(192)) == "3 min 12 s");
  CHECK(duration_text(seconds(2 * 3600 + 5 * 60 + 59)) == "2 h 5 min");
  CHECK(duration_text(seconds(86'399)) == "23 h 59 min");
  CHECK(duration_text(seconds(86'400)) == "1 day");
  CHECK(duration_text(seconds(86'400 + 7 * 3600)) == "1 day 7 h");
  CHECK(duration_text(seconds(3 * 86'400 + 3600)) == "3 days");
  CHECK(duration_text(seconds(30 * 86'400 - 1)) == "30 days");
}

TEST_CASE("times are local, and any number has a text") {
  ::setenv("TZ", "UTC", 1);
  CHECK(time_text(0) == "1970-01-01 00:00");
  CHECK(time_text(1'795'356'300) == "2026-11-22 14:05");
  CHECK(!time_text(INT64_MAX).empty());
  CHECK(!time_text(INT64_MIN).empty());
}

TEST_CASE("durations are read with their unit or as seconds") {
  CHECK(parse_duration("45") == seconds(45));
  CHECK(parse_duration("45s") == seconds(45));
  CHECK(parse_duration("10m") == seconds(600));
  CHECK(parse_duration("2h") == seconds(7'200));
  CHECK(parse_duration("30d") == seconds(30 * 86'400));
  CHECK(parse_duration("1w") == seconds(7 * 86'400));
  CHECK(parse_duration("0") == seconds(0));
  CHECK(parse_duration("9223372036854775807") == seconds(INT64_MAX));
  for (const char* wrong : {"", "s", "d", "-1", "+1", "1.5h", "1 d", "1y", "1dd", "0x10",
                            "9223372036854775808", "9223372036854775807w", "99999999999999999999"})
    CHECK_MESSAGE(!parse_duration(wrong), wrong);
}

TEST_CASE("a mistyped word finds the nearest known one within two edits") {
  const std::vector<std::string> known{"offer", "offers", "accept", "reject"};
  CHECK(nearest("ofer", known) == "offer");
  CHECK(nearest("acecpt", known) == "accept");
  CHECK(nearest("rejct", known) == "reject");
  CHECK(nearest("start", known).empty());
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("ab", "ba") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
}
