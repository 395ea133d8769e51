#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "protocol/errors.hpp"
#include "protocol/limits.hpp"
#include "protocol/path.hpp"

using namespace peer::protocol;

namespace {

/// `depth` parts of one byte.
std::string deep(std::size_t depth) {
  std::string path = "a";
  for (std::size_t i = 1; i < depth; ++i) path += "/a";
  return path;
}

std::vector<std::string> parts(const std::string& path) {
  std::vector<std::string> split(1);
  for (const char c : path) {
    if (c == '/')
      split.emplace_back();
    else
      split.back() += c;
  }
  return split;
}

}  // namespace

TEST_CASE("what climbs, is absolute, empty, too long or holds NUL is refused") {
  for (const std::string& path :
       {std::string(), std::string("/"), std::string("/abs"), std::string("//x"),
        std::string("a//b"), std::string("a/"), std::string("."), std::string(".."),
        std::string("../x"), std::string("a/.."), std::string("a/../../x"), std::string("./a"),
        std::string("a/./b"), std::string("a\0b", 3), std::string("\0", 1),
        std::string(kMaxPartBytes + 1, 'x'), "a/" + std::string(kMaxPartBytes + 1, 'x') + "/b",
        deep(2049)}) {
    CAPTURE(path);
    const auto parsed = RelativePath::parse(path);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Errc::bad_path);
    CHECK_FALSE(parsed.error().context.empty());
  }
}

TEST_CASE("any other bytes are a name and stay as they are") {
  for (const std::string& path :
       {std::string("a"), std::string("..."), std::string("..x"), std::string("~"),
        std::string("~/x"), std::string("..\\x"), std::string("C:\\x"), std::string("x:ads"),
        std::string("%2e%2e%2f"), std::string("\xc0\xae\xc0\xae/x"), std::string("-rf"),
        std::string("\x1b[2J\r\n"), std::string("\xff\xfe"), std::string(" "),
        std::string(kMaxPartBytes, 'x'), deep(2048)}) {
    CAPTURE(path);
    const auto parsed = RelativePath::parse(path);
    REQUIRE(parsed);
    CHECK(parsed->bytes() == path);
  }
}

TEST_CASE("a path is taken up to its longest") {
  const auto of_length = [](std::size_t length) {
    std::string path;
    while (path.size() + 256 < length) path += std::string(254, 'x') + "/";
    return path + std::string(length - path.size(), 'y');
  };
  REQUIRE(of_length(kMaxPathBytes).size() == kMaxPathBytes);
  CHECK(RelativePath::parse(of_length(kMaxPathBytes)));
  const auto longer = RelativePath::parse(of_length(kMaxPathBytes + 1));
  REQUIRE_FALSE(longer);
  CHECK(longer.error().context.find("4095") != std::string::npos);
}

TEST_CASE("a path falls into its parts") {
  const auto path = *RelativePath::parse("photos/lake/a.jpg");
  CHECK(path.root() == "photos");
  CHECK(path.parent() == "photos/lake");
  CHECK(path.name() == "a.jpg");
  CHECK(path.depth() == 3);
  const auto root = *RelativePath::parse("notes.md");
  CHECK(root.root() == "notes.md");
  CHECK(root.parent() == "");
  CHECK(root.name() == "notes.md");
  CHECK(root.depth() == 1);
}

TEST_CASE("paths are ordered part by part, by unsigned bytes") {
  CHECK(compare_paths("a", "a/b") < 0);
  CHECK(compare_paths("a/b", "a!") < 0);
  CHECK(compare_paths("a/z", "a!/a") < 0);
  CHECK(compare_paths("a\x7f", "a\x80") < 0);
  CHECK(compare_paths("a\xff", "b") < 0);
  CHECK(compare_paths("A", "a") < 0);
  CHECK(compare_paths("a/b", "a/b") == 0);
  CHECK(*RelativePath::parse("a/b") < *RelativePath::parse("a!"));

  const std::vector<std::string> alphabet{"a", "!", "/", "\x01", "\xff", "b"};
  std::vector<std::string> paths;
  for (const auto& x : alphabet)
    for (const auto& y : alphabet)
      for (const auto& z : alphabet)
        for (const std::string& path : {x, x + y, x + y + z})
          if (!path_fault(path)) paths.push_back(path);
  for (const auto& a : paths) {
    for (const auto& b : paths) {
      CAPTURE(a);
      CAPTURE(b);
      // std::string compares its characters as unsigned, vectors part by part.
      CHECK((compare_paths(a, b) < 0) == (parts(a) < parts(b)));
      CHECK((compare_paths(a, b) == 0) == (a == b));
    }
  }
}

TEST_CASE("UTF-8 is told from other bytes") {
  struct Case {
    const char* text;
    bool well_formed;
  };
  constexpr Case kCases[] = {
      {"", true},
      {"plain ASCII of some length", true},
      {"\u00fc\u20ac\U0001f600", true},
      {"\xf4\x8f\xbf\xbf", true},   // U+10FFFF
      {"\xf4\x90\x80\x80", false},  // past it
      {"\xed\x9f\xbf", true},       // U+D7FF
      {"\xed\xa0\x80", false},      // a surrogate
      {"\xee\x80\x80", true},       // U+E000
      {"\xc0\xae", false},          // overlong '.'
      {"\xc1\xbf", false},
      {"\xc2\x80", true},
      {"\xe0\x9f\xbf", false},  // overlong
      {"\xe0\xa0\x80", true},
      {"\xf0\x8f\xbf\xbf", false},  // overlong
      {"\xf0\x90\x80\x80", true},
      {"\xf5\x80\x80\x80", false},
      {"\x80", false},
      {"a\xff", false},
      {"\xc3", false},
      {"\xe2\x82", false},
      {"\xf0\x9f\x98", false},
      {"12345678\xe2\x82\xac"
       "12345678\xc3(",
       false},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.text);
    CHECK(is_utf8(c.text) == c.well_formed);
  }
}
