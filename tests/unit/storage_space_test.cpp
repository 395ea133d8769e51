#include <doctest/doctest.h>
#include <sys/statvfs.h>

#include <ostream>

#include "storage/intake.hpp"

using peer::protocol::OfferId;
using peer::storage::SpaceBook;

namespace {

OfferId id(unsigned char n) {
  OfferId result;
  result.bytes.fill(std::byte{n});
  return result;
}

std::uint64_t free_bytes() {
  struct statvfs space {};
  REQUIRE(::statvfs("/tmp", &space) == 0);
  return std::uint64_t{space.f_bavail} * space.f_frsize;
}

}  // namespace

TEST_SUITE("space book") {
  TEST_CASE("three transfers that only fit singly are not all promised space") {
    SpaceBook book;
    const auto most = free_bytes() / 4 * 3;
    std::uint64_t missing = 1;
    CHECK(book.reserve(id(1), "/tmp/not/there/yet", most, missing));
    CHECK(missing == 0);
    CHECK_FALSE(book.reserve(id(2), "/tmp", most, missing));
    CHECK(missing > 0);
    CHECK(missing < most);
    CHECK_FALSE(book.reserve(id(3), "/tmp", most, missing));

    SUBCASE("a promise can be asked for again") {
      CHECK(book.reserve(id(1), "/tmp", most, missing));
    }
    SUBCASE("what is promised is counted") {
      CHECK(book.promised("/tmp/somewhere/else") == most);
      CHECK(book.promised("/proc") == 0);
      book.update(id(1), 10);
      CHECK(book.promised("/tmp") == 10);
    }
    SUBCASE("what is released is free for others") {
      book.release(id(1));
      CHECK(book.reserve(id(2), "/tmp", most, missing));
    }
    SUBCASE("what is written is promised no more") {
      book.update(id(1), 0);
      CHECK(book.reserve(id(2), "/tmp", most, missing));
    }
  }

  TEST_CASE("more than the disk holds is refused with what is missing") {
    SpaceBook book;
    std::uint64_t missing = 0;
    const auto claim = (std::uint64_t{1} << 63) - 1;
    CHECK_FALSE(book.reserve(id(1), "/tmp", claim, missing));
    CHECK(missing > claim - free_bytes() - (std::uint64_t{1} << 30));
    CHECK(book.reserve(id(2), "/tmp", 0, missing));
  }

  TEST_CASE("the nearest existing folder is found") {
    CHECK(peer::storage::nearest_existing("/tmp/no/such/folder") == "/tmp");
    CHECK(peer::storage::nearest_existing("/nowhere") == "/");
    CHECK(peer::storage::nearest_existing("/") == "/");
  }
}
