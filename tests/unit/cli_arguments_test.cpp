#include <ostream>
// <ostream> first: doctest prints with it.
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/command_error.hpp"

using namespace peer::cli;

namespace {

const Spec& spec() {
  static const Spec instance{"thing",
                             "thing PATH... [--as NAME]",
                             "Does a thing.",
                             {{"as", "NAME", "a name"},
                              {"only", "GLOB", "a pattern", true},
                              {"port", "P", "a port"},
                              {"n,dry-run", nullptr, "only say"}},
                             "peer thing x",
                             "10 no such thing",
                             1,
                             3};
  return instance;
}

std::optional<Arguments> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "thing");
  std::vector<char*> args;
  for (std::string& word : words) args.push_back(word.data());
  return Arguments::parse(spec(), args);
}

/// The code and text a command line is refused with.
std::pair<ExitCode, std::string> refusal(const std::vector<std::string>& words) {
  try {
    parse(words);
  } catch (const CommandError& error) {
    return {error.code(), error.what()};
  }
  return {ExitCode::done, {}};
}

}  // namespace

TEST_SUITE("cli arguments") {
  TEST_CASE("options may come before, between and after the words") {
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"--as", "b", "x", "y"}, {"x", "--as", "b", "y"}, {"x", "y", "--as=b"}}) {
      const auto arguments = parse(words);
      REQUIRE(arguments);
      CHECK(arguments->words() == std::vector<std::string>{"x", "y"});
      CHECK(arguments->text("as") == "b");
      CHECK_FALSE(arguments->flag("dry-run"));
    }
  }

  TEST_CASE("what follows -- is a word, whatever it looks like") {
    const auto arguments = parse({"-n", "--", "--as", "-"});
    REQUIRE(arguments);
    CHECK(arguments->words() == std::vector<std::string>{"--as", "-"});
    CHECK(arguments->flag("dry-run"));
  }

  TEST_CASE("a single dash is a word") {
    CHECK(parse({"-"})->words() == std::vector<std::string>{"-"});
  }

  TEST_CASE("commas and odd bytes stay in one value") {
    const auto arguments = parse({"a,b", "--only", "x,y", "--only", "", "--as", "\xff\n"});
    REQUIRE(arguments);
    CHECK(arguments->words() == std::vector<std::string>{"a,b"});
    CHECK(arguments->list("only") == std::vector<std::string>{"x,y", ""});
    CHECK(arguments->bytes("as") == "\xff\n");
    CHECK_THROWS_AS(arguments->text("as"), CommandError);
  }

  TEST_CASE("a very long word is taken") {
    const std::string word(200'000, 'a');
    CHECK(parse({word})->words().front() == word);
  }

  TEST_CASE("too few or too many words, and unknown options, are usage errors") {
    CHECK(refusal({}).first == ExitCode::usage);
    CHECK(refusal({"1", "2", "3"}).first == ExitCode::done);
    CHECK(refusal({"1", "2", "3", "4"}).first == ExitCode::usage);
    CHECK(refusal({"1", "--nonsense"}).first == ExitCode::usage);
    CHECK(refusal({"1", "--as"}).first == ExitCode::usage);
    CHECK(refusal({"1", "--as", "a", "--as", "b"}).first == ExitCode::usage);
  }

  TEST_CASE("a mistyped option names the one that was meant") {
    CHECK(refusal({"1", "--dry-rnu"}).second.find("--dry-run") != std::string::npos);
    CHECK(refusal({"1", "--jsn"}).second.find("--json") != std::string::npos);
  }

  TEST_CASE("ports at the limits and one past") {
    CHECK(parse({"x", "--port", "65535"})->port("port") == 65535);
    CHECK(parse({"x", "--port", "0"})->port("port") == 0);
    CHECK_FALSE(parse({"x"})->port("port"));
    for (const char* wrong : {"65536", "-1", "", "12x", "0x10", " 1"})
      CHECK_THROWS_AS(parse({"x", std::string("--port=") + wrong})->port("port"), CommandError);
  }

  TEST_CASE("--timeout takes a time, and no time is none") {
    CHECK(parse({"x", "--timeout", "2m"})->common().timeout == std::chrono::minutes(2));
    CHECK(refusal({"x", "--timeout", "0"}).first == ExitCode::usage);
    CHECK(refusal({"x", "--timeout", "soon"}).first == ExitCode::usage);
  }

  TEST_CASE("printed commands repeat --home, fit to be typed") {
    CHECK(parse({"x"})->common().command("accept 3") == "peer accept 3");
    CHECK(parse({"x", "--home", "/a b"})->common().command("accept 3") ==
          "peer accept 3 --home '/a b'");
  }

  TEST_CASE("help shows usage, options, examples and codes within 80 columns") {
    const std::string help = help_text(spec());
    for (const char* part : {"usage: peer thing PATH... [--as NAME]", "Does a thing.", "--as NAME",
                             "-n, --dry-run", "--timeout T", "peer thing x", "10 no such thing"})
      CHECK_MESSAGE(help.find(part) != std::string::npos, part);
    std::size_t longest = 0;
    for (std::size_t at = 0; at < help.size();) {
      const auto end = help.find('\n', at);
      longest = std::max(longest, end - at);
      at = end + 1;
    }
    CHECK(longest <= 80);
  }
}
