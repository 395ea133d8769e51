#include <doctest/doctest.h>

#include <ostream>
#include <string>

#include "protocol/errors.hpp"
#include "protocol/fields.hpp"
#include "protocol/limits.hpp"

using namespace peer::protocol;

namespace {

std::string nested(unsigned levels) {
  std::string text = "{\"a\":";
  for (unsigned i = 1; i < levels; ++i) text += '[';
  for (unsigned i = 1; i < levels; ++i) text += ']';
  return text + "}";
}

}  // namespace

TEST_CASE("one object in UTF-8 is read, and nothing else") {
  struct Case {
    const char* name;
    std::string text;
    bool legal;
  };
  const Case cases[] = {
      {"empty object", "{}", true},
      {"white space around it", " \r\n\t{\"a\" : 1} \n", true},
      {"nothing", "", false},
      {"white space alone", " ", false},
      {"array", "[]", false},
      {"string", "\"a\"", false},
      {"null", "null", false},
      {"bytes behind it", "{}x", false},
      {"a second object", "{}{}", false},
      {"NUL behind it", std::string("{}\0", 3), false},
      {"NUL and more behind it", std::string("{}\0x", 4), false},
      {"raw NUL in a string", std::string("{\"a\":\"\0\"}", 9), false},
      {"cut", "{\"a\":1", false},
      {"comma behind the last", "{\"a\":1,}", false},
      {"comment", "{/**/}", false},
      {"single quotes", "{'a':1}", false},
      {"BOM", "\xef\xbb\xbf{}", false},
      {"repeated key", "{\"a\":1,\"b\":2,\"a\":1}", false},
      {"repeated key, escaped", "{\"a\":1,\"\\u0061\":1}", false},
      {"repeated key inside", "{\"x\":[{\"a\":1,\"a\":2}]}", false},
      {"one key in two objects", "{\"x\":{\"a\":1},\"y\":{\"a\":1}}", true},
      {"invalid UTF-8", "{\"a\":\"\xff\"}", false},
      {"overlong UTF-8", "{\"a\":\"\xc0\xae\"}", false},
      {"raw surrogate", "{\"a\":\"\xed\xa0\x80\"}", false},
      {"lone surrogate", "{\"a\":\"\\ud800\"}", false},
      {"lone low surrogate", "{\"a\":\"\\udc00\"}", false},
      {"surrogate pair", "{\"a\":\"\\ud83d\\ude00\"}", true},
      {"raw control character", "{\"a\":\"\n\"}", false},
      {"number with a leading zero", "{\"a\":01}", false},
      {"NaN", "{\"a\":NaN}", false},
      {"number beyond a double", "{\"a\":1e400}", false},
      {"deepest", nested(kMaxJsonDepth), true},
      {"one level too deep", nested(kMaxJsonDepth + 1), false},
      {"200,000 arrays", std::string(200'000, '['), false},
      {"200,000 levels of objects",
       [] {
         std::string text;
         for (int i = 0; i < 50'000; ++i) text += "{\"a\":";
         return text;
       }(),
       false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto object = parse_object(c.text);
    CHECK(static_cast<bool>(object) == c.legal);
    if (!object) CHECK(object.error().code == Errc::bad_json);
  }
}

TEST_CASE("many keys are found and sorted without trouble") {
  std::string text = "{";
  for (int i = 20'000; i > 0; --i)
    text += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  text.back() = '}';
  const auto object = parse_object(text);
  REQUIRE(object);
  const JsonValue* value = object->find("k777");
  REQUIRE(value);
  CHECK(std::get<std::uint64_t>(value->is) == 777);
  CHECK(object->find("k0") == nullptr);
}

TEST_CASE("the first fault is kept and later reads change nothing") {
  const auto object = parse_object(R"({"a":-1,"b":"x","c":5})");
  REQUIRE(object);
  std::optional<peer::Error> fault;
  Fields fields(*object, "thing", fault);
  unsigned a = 7;
  unsigned c = 7;
  fields.number("a", a, 0, 10);
  fields.number("b", a, 0, 10);
  fields.number("c", c, 0, 10);
  REQUIRE(fault);
  CHECK(fault->context.starts_with("thing.a: "));
  CHECK(fault->code == Errc::bad_message);
  CHECK(a == 7);
  CHECK(c == 7);
}

TEST_CASE("an absent optional field leaves the default, null does not") {
  const auto object = parse_object(R"({"n":null})");
  std::optional<peer::Error> fault;
  Fields fields(*object, "thing", fault);
  unsigned value = 7;
  fields.number("absent", value, 0, 10, Fields::optional);
  CHECK(fields.ok());
  CHECK(value == 7);
  fields.number("n", value, 0, 10, Fields::optional);
  CHECK_FALSE(fields.ok());
}

TEST_CASE("codes are visible ASCII") {
  CHECK(is_code("no_space"));
  CHECK(is_code(std::string(kMaxCodeBytes, 'x')));
  CHECK_FALSE(is_code(std::string(kMaxCodeBytes + 1, 'x')));
  CHECK_FALSE(is_code(""));
  CHECK_FALSE(is_code("no space"));
  CHECK_FALSE(is_code("\x1b[2J"));
  CHECK_FALSE(is_code("\u00fc"));
}

TEST_CASE("bytes in diagnostics are printable and bounded") {
  CHECK(printable("a\n\x1b\xff\\") == "a\\x0a\\x1b\\xff\\x5c");
  CHECK(printable("abcdef", 3) == "abc...");
}
