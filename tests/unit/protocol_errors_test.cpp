#include <doctest/doctest.h>

#include <ostream>
#include <set>
#include <string>

#include "protocol/errors.hpp"
#include "protocol/fields.hpp"

using namespace peer::protocol;

TEST_CASE("every error has a code of the wire that leads back to it, and words for people") {
  std::set<std::string> codes;
  for (int value = 1; value <= static_cast<int>(Errc::internal); ++value) {
    const auto code = static_cast<Errc>(value);
    CAPTURE(value);
    const auto wire = wire_code(code);
    CHECK(is_code(wire));
    CHECK(from_wire_code(wire) == code);
    CHECK(codes.insert(std::string(wire)).second);
    CHECK_FALSE(make_error_code(code).message().empty());
    CHECK(make_error_code(code).message().find("unknown error") == std::string::npos);
  }
}

TEST_CASE("codes of later versions are none of ours") {
  CHECK_FALSE(from_wire_code("quantum"));
  CHECK_FALSE(from_wire_code(""));
  CHECK_FALSE(from_wire_code("BUSY"));
}

TEST_CASE("an error code compares with the enumeration and names its category") {
  const std::error_code code = Errc::no_space;
  CHECK(code == Errc::no_space);
  CHECK(code != Errc::disk);
  CHECK(&code.category() == &category());
  CHECK(std::error_code(9999, category()).message() == "unknown error 9999");
}
