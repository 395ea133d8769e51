#include <ostream>
// <ostream> first: doctest prints with it.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/text.hpp"
#include "cli/question.hpp"
#include "cli/review_text.hpp"

using namespace peer::cli;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n')
      lines.emplace_back();
    else
      lines.back() += c;
  }
  return lines;
}

/// An offer whose every text is hostile: as long as allowed, with escapes and line breaks.
Json hostile_offer() {
  const std::string text = "\x1b[2J\nAccept? [Y/n] " + std::string(4000, 'n');
  Json offer = {{"number", 7},  {"direction", "in"}, {"from_stranger", true},  {"title", text},
                {"note", text}, {"files", 10'000},   {"bytes", 5'000'000'000U}};
  offer["peer"] = {{"name", ""}, {"short", "ABCDEFG-HIJKLMN"}, {"calls_itself", text}};
  return offer;
}

Json hostile_review() {
  const std::string name(4000, 'x');
  Json review = {{"to", "/home/u/" + std::string(200, 'd')},
                 {"hidden_count", 12},
                 {"executable_count", 3},
                 {"refused_count", 2},
                 {"already_there", 812},
                 {"there_but_different", 1},
                 {"clashing_root_count", 1},
                 {"free_bytes", 120'000'000'000U},
                 {"needed_bytes", 5'000'000'000U},
                 {"folder_exists", true},
                 {"folder_writable", true}};
  review["all"] = {{"files", 10'000}, {"folders", 12}, {"links", 0}, {"bytes", 5'000'000'000U}};
  review["chosen"] = review["all"];
  review["hidden"] = {name, "." + name};
  review["executable"] = {name};
  review["refused"] = {name + ": why"};
  review["clashing_roots"] = {name};
  review["largest"] = Json::array();
  for (int i = 0; i < 5; ++i)
    review["largest"].push_back({{"path", "a\x1b]0;x\a" + name}, {"size", 1'000'000'000U}});
  return review;
}

bool any_has(const std::vector<std::string>& lines, const std::string& part) {
  for (const std::string& line : lines)
    if (line.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_SUITE("cli question") {
  TEST_CASE("who asks, totals and place stay visible on any screen") {
    for (const std::size_t columns : {20U, 40U, 79U, 200U}) {
      for (const std::size_t rows : {5U, 10U, 21U, 60U}) {
        CAPTURE(columns);
        CAPTURE(rows);
        const auto lines = question_lines(hostile_offer(), hostile_review(), columns, rows);
        CHECK(lines.size() <= rows);
        for (const std::string& line : lines) {
          CHECK(peer::base::columns(line) <= columns);
          CHECK(line.find('\x1b') == std::string::npos);
          CHECK(line.find('\n') == std::string::npos);
        }
        CHECK(lines.front().starts_with("offer 7 from a str"));
        CHECK(any_has(lines, "10,000 files"));
        CHECK(any_has(lines, "120 GB free"));
      }
    }
  }

  TEST_CASE("with room enough everything worth knowing is there") {
    const auto lines = question_lines(hostile_offer(), hostile_review(), 120, 40);
    for (const char* part : {"ABCDEFG-HIJKLMN", "who calls itself ‘", "title: ", "note: ", "1 GB",
                             "hidden: 12", "executable: 3", "cannot be stored here: 2",
                             "812 of 10,000 files are already there", "into ‘/home/u/"})
      CHECK_MESSAGE(any_has(lines, part), part);
  }

  TEST_CASE("too little space is said with both numbers") {
    Json review = hostile_review();
    review["free_bytes"] = 1'000'000'000U;
    const auto lines = review_lines(review, 120);
    CHECK(any_has(lines, "only 1 GB free there, 5 GB needed"));
  }

  TEST_CASE("what a rule does to files that are there is said") {
    Json review = hostile_review();
    review["on_clash"] = "rename";
    CHECK(any_has(review_lines(review, 200), "--on-clash skip leaves them as they are"));
    review["on_clash"] = "update";
    CHECK(any_has(review_lines(review, 200), "1 file is there but different and is replaced"));
    CHECK_FALSE(any_has(review_lines(review, 200), "leaves them as they are"));
    CHECK(any_has(question_lines(hostile_offer(), review, 120, 40), "u leaves"));
    review["on_clash"] = "overwrite";
    CHECK(any_has(review_lines(review, 200),
                  "813 of 10,000 files are there already and are replaced"));
    review["on_clash"] = "skip";
    CHECK(any_has(review_lines(review, 200), "there but different: it stays as it is"));
  }

  TEST_CASE("every key that may be pressed is shown, and fits 40 columns") {
    for (const std::size_t columns : {39U, 79U, 200U}) {
      const std::string keys = keys_text({true, true}, columns);
      CHECK(keys.ends_with("> "));
      for (const std::string& line : lines_of(keys)) CHECK(line.size() <= columns);
      for (const char* key : {"y ", "n ", "s ", "u ", "d ", "p ", "b ", "l "})
        CHECK_MESSAGE(keys.find(key) != std::string::npos, key);
    }
    CHECK(keys_text({false, false}, 200).find("u the rest") == std::string::npos);
    CHECK(keys_text({false, false}, 200).find("p accept") == std::string::npos);
  }

  TEST_CASE("an answer is one key or its word; Enter alone is none") {
    const Allowed all{true, true};
    CHECK(parse_answer("y", all) == Answer::accept);
    CHECK(parse_answer(" Y \r", all) == Answer::accept);
    CHECK(parse_answer("yes", all) == Answer::accept);
    CHECK(parse_answer("n", all) == Answer::reject);
    CHECK(parse_answer("l", all) == Answer::later);
    for (const char* none : {"", " ", "yy", "y n", "ja", "\x1b[A", "1"})
      CHECK_FALSE(parse_answer(none, all));
    CHECK_FALSE(parse_answer("u", {false, true}));
    CHECK_FALSE(parse_answer("p", {true, false}));
  }

  TEST_CASE("a choice is numbers and ranges, or patterns") {
    std::string why;
    const std::vector<std::uint64_t> four = {1, 2, 3, 4};
    for (const char* line : {"4 1-3 2", "1-3,4", "1-3, 4", " 1,2 ,3-4,"}) {
      CAPTURE(line);
      const auto choice = parse_choice(line, 5, why);
      REQUIRE(choice);
      CHECK(choice->entries == four);
    }
    CHECK(parse_choice("*.jpg  notes.md", 5, why)->only ==
          std::vector<std::string>{"*.jpg", "notes.md"});
    CHECK(parse_choice("*.jpg, a,b.md", 5, why)->only ==
          std::vector<std::string>{"*.jpg", "a,b.md"});
    CHECK(parse_choice("0-9999", 20'000, why)->entries.size() == kMaxChosenEntries);
    for (const char* wrong : {"", "  ", ",", "1 *.jpg", "7-4", "0-10000", "0-18446744073709551615",
                              "20000", "19999-20000"}) {
      CAPTURE(wrong);
      why.clear();
      CHECK_FALSE(parse_choice(wrong, 20'000, why));
      CHECK_FALSE(why.empty());
    }
    CHECK_FALSE(parse_choice("0-12, 400", 400, why));
    CHECK(why.find("from 0 to 399") != std::string::npos);
  }
}
