#include <doctest/doctest.h>

#include <ostream>
#include <string>

#include "cli/qr.hpp"

using namespace peer::cli;

TEST_CASE("a code is drawn two rows a line, black on white, light all around") {
  const QrCode code{3, {true, false, true, false, true, false, true, true, false}};
  const auto lines = qr_lines(code);
  const std::string begin = "\x1b[38;5;16;48;5;231m";
  const std::string end = "\x1b[0m";
  REQUIRE(lines.size() == 6);
  const std::string light = begin + std::string(11, ' ') + end;
  CHECK(lines[0] == light);
  CHECK(lines[1] == light);
  CHECK(lines[2] == begin + "    ▀▄▀    " + end);
  CHECK(lines[3] == begin + "    ▀▀     " + end);
  CHECK(lines[4] == light);
  CHECK(lines[5] == light);
  CHECK(qr_columns(code) == 11);
}

TEST_CASE("a link of an ID and four addresses fits a terminal of 80 columns") {
  if (!has_qr()) return;
  const std::string text = "peer://" + std::string(63, 'A') +
                           "@192.168.100.100:56744,10.100.100.100:56744,"
                           "[2001:db8:1111:2222:3333:4444:5555:6666]:56744,172.17.100.100:56744";
  const auto code = qr_code(text);
  REQUIRE(code);
  CHECK(code->dark.size() == code->width * code->width);
  CHECK(qr_columns(*code) <= 80);
  for (std::size_t x = 0; x < 7; ++x) CHECK(code->dark[x]);  // the upper edge of a finder
  CHECK(!qr_code(std::string(5000, 'x')));
}
