#include <doctest/doctest.h>

#include <ostream>

#include "storage/selection.hpp"

using namespace peer::storage;

TEST_SUITE("storage selection") {
  TEST_CASE("globs match as their description says") {
    struct Case {
      const char* glob;
      const char* path;
      bool matches;
    };
    constexpr Case kCases[] = {
        {"*.jpg", "a.jpg", true},
        {"*.jpg", "photos/2024/a.jpg", true},
        {"*.jpg", "photos/a.jpg.txt", false},
        {"a?c", "x/abc", true},
        {"a?c", "x/ac", false},
        {"?", "\xC3\xA4", true},
        {"??", "\xC3\xA4", false},
        {"?", "\xFF", true},
        {"[\xC3\xA4\xC3\xB6]", "\xC3\xB6", true},
        {"[a-c]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[!a-c]x", "dx", true},
        {"[^a-c]x", "ax", false},
        {"[]x]", "]", true},
        {"[!]x]", "]", false},
        {"[a-]", "-", true},
        {"[\\]]", "]", true},
        {"[*]", "*", true},
        {"[*]", "a", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"*", "anything", true},
        {"*", "a/b", true},  // the base name
        {"a/*", "a/b", true},
        {"a/*", "a/b/c", false},
        {"a/*", "x/a/b", false},
        {"/a", "a", true},
        {"/a", "x/a", false},
        {"a/", "x/a", true},
        {"**/c", "c", true},
        {"**/c", "a/b/c", true},
        {"**/c", "a/bc", false},
        {"a/**", "a/b/c", true},
        {"a/**", "a", false},
        {"a/**/c", "a/c", true},
        {"a/**/c", "a/x/y/c", true},
        {"a/**/c", "a/xc", false},
        {"a/**/x*/c", "a/x1/y/x2/c", true},
        {"a/**/b/*.txt", "a/b/c/b/d.txt", true},
        {"a/**/b/*.txt", "a/b/c/d.txt", false},
        {"a?b", "a/b", false},
        {"x/a[!b]c", "x/a/c", false},
        {"*a*b*c", "xxaxxbxxc", true},
        {"*a*b*c", "xxaxxcxxb", false},
        {"**a", "xa", true},
    };
    for (const auto& c : kCases) {
      CAPTURE(c.glob);
      CAPTURE(c.path);
      CHECK(glob_matches(c.glob, c.path) == c.matches);
    }
  }

  TEST_CASE("many stars end in bounded time") {
    std::string glob;
    for (int i = 0; i < 50; ++i) glob += "*a";
    CHECK_FALSE(glob_matches(glob + "b", std::string(4000, 'a')));
    std::string deep;
    for (int i = 0; i < 50; ++i) deep += "**/a*/";
    std::string path;
    for (int i = 0; i < 1000; ++i) path += "aa/";
    CHECK_FALSE(glob_matches(deep + "b", path + "c"));
  }

  TEST_CASE("bad globs are named and match nothing") {
    CHECK(glob_error("[abc") != "");
    CHECK(glob_error("[]") != "");
    CHECK(glob_error("a\\") != "");
    CHECK(glob_error("") != "");
    CHECK(glob_error("/") != "");
    CHECK(glob_error("[a]*.?") == "");
    CHECK_FALSE(glob_matches("[abc", "a"));
    CHECK_FALSE(glob_matches("", ""));
  }

  TEST_CASE("an entry whose folder matches is matched too") {
    Selection only{{"2024"}, {}, {}};
    CHECK(only.chooses("photos/2024/a.jpg"));
    CHECK(only.chooses("photos/2024"));
    CHECK_FALSE(only.chooses("photos/2023/a.jpg"));
    CHECK_FALSE(only.chooses("photos"));
  }

  TEST_CASE("except beats only") {
    Selection both{{"*.jpg", "docs"}, {"tmp", "docs/old*"}, {}};
    CHECK(both.chooses("a.jpg"));
    CHECK(both.chooses("docs/new/x"));
    CHECK_FALSE(both.chooses("docs/older/x"));
    CHECK_FALSE(both.chooses("x/tmp/a.jpg"));
    CHECK(both.excludes("x/tmp/a.jpg"));
    CHECK_FALSE(both.excludes("x/a.txt"));
    CHECK(Selection{}.chooses("anything"));
  }
}
