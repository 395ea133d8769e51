#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <utility>

#include "protocol/base64.hpp"

using namespace peer::protocol;

TEST_CASE("the examples of RFC 4648 hold both ways") {
  constexpr std::pair<const char*, const char*> kExamples[] = {{"", ""},
                                                               {"f", "Zg=="},
                                                               {"fo", "Zm8="},
                                                               {"foo", "Zm9v"},
                                                               {"foob", "Zm9vYg=="},
                                                               {"fooba", "Zm9vYmE="},
                                                               {"foobar", "Zm9vYmFy"},
                                                               {"\xff\xfe", "//4="}};
  for (const auto& [bytes, text] : kExamples) {
    CAPTURE(text);
    CHECK(to_base64(bytes) == text);
    CHECK(from_base64(text) == bytes);
  }
}

TEST_CASE("forms that are not canonical are refused") {
  for (const char* text : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n", "Zm 9",
                           "_-8=", "Zg==Zg==", "=Zg="}) {
    CAPTURE(text);
    CHECK_FALSE(from_base64(text));
  }
}
