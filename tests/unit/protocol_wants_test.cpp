#include <ostream>
// doctest wants <ostream> first

#include <doctest/doctest.h>

#include "protocol/errors.hpp"
#include "protocol/wants.hpp"

using namespace peer::protocol;

namespace {

OfferId offer(int n) {
  OfferId id;
  id.bytes[0] = static_cast<std::byte>(n);
  return id;
}

Want want(int n, std::uint64_t offset, std::uint64_t length, Of of = Of::stream) {
  return {offer(n), of, offset, length};
}

Data block(int n, std::uint64_t offset, std::uint64_t length, Of of = Of::stream) {
  return {offer(n), of, offset, length, Digest{}, {}};
}

Data zeros(int n, std::uint64_t offset, std::uint64_t length, std::uint64_t until) {
  return {offer(n), Of::stream, offset, length, {}, until};
}

Gone gone(int n, std::uint64_t offset, std::uint64_t length) {
  return {offer(n), 0, offset, length, "changed", ""};
}

}  // namespace

TEST_SUITE("wants") {
  TEST_CASE("answers must come in order and stay within what was asked") {
    AskedWants asked;
    asked.add(want(1, 100, 50));
    asked.add(want(1, 300, 10));
    CHECK_FALSE(asked.answered(block(1, 101, 10)));
    CHECK_FALSE(asked.answered(block(1, 100, 51)));
    CHECK_FALSE(asked.answered(block(1, 300, 10)));
    CHECK_FALSE(asked.answered(block(2, 100, 10)));
    CHECK_FALSE(asked.answered(block(1, 100, 10, Of::manifest)));
    CHECK_FALSE(asked.answered(block(1, 100, 0)));
    CHECK(asked.answered(block(1, 100, 20)));
    CHECK(asked.open() == std::vector<Want>{want(1, 120, 30), want(1, 300, 10)});
    CHECK_FALSE(asked.answered(block(1, 100, 20)));
    CHECK(asked.answered(gone(1, 120, 30)));
    CHECK(asked.answered(block(1, 300, 10)));
    CHECK(asked.answer_wanted());
    CHECK(asked.open_count() == 0);
    CHECK(asked.open_bytes() == 0);
    CHECK_FALSE(asked.answered(block(1, 310, 1)));
  }

  TEST_CASE("an offer's manifest and other offers have an order of their own") {
    AskedWants asked;
    asked.add(want(1, 0, 10));
    asked.add(want(1, 0, 20, Of::manifest));
    asked.add(want(2, 5, 10));
    CHECK(asked.answered(block(2, 5, 10)));
    CHECK(asked.answered(block(1, 0, 20, Of::manifest)));
    CHECK(asked.has_open(offer(1), Of::stream));
    CHECK_FALSE(asked.has_open(offer(1), Of::manifest));
    CHECK(asked.answered(block(1, 0, 10)));
  }

  TEST_CASE("wants are limited in length, number and bytes, each exactly") {
    AskedWants asked;
    CHECK(asked.room(kMaxWantBytes));
    CHECK_FALSE(asked.room(kMaxWantBytes + 1));
    CHECK_FALSE(asked.room(std::uint64_t{0}));
    for (std::size_t i = 0; i < 4; ++i)
      asked.add(want(1, i * kMaxWantBytes, kMaxWantBytes - (i == 3 ? 1 : 0)));
    CHECK(asked.room(1));
    CHECK_FALSE(asked.room(2));

    AskedWants many;
    for (std::size_t i = 0; i < kMaxOpenWants; ++i) {
      REQUIRE(many.room(1));
      many.add(want(1, i, 1));
    }
    CHECK_FALSE(many.room(1));
    CHECK(many.answered(block(1, 0, 1)));
    CHECK(many.room(1));
  }

  TEST_CASE("the other side lowers the limits and never raises them") {
    PeerLimits limits;
    limits.open_wants = 2;
    limits.open_want_bytes = 100;
    limits.block_bytes = 10;
    AskedWants asked(limits);
    CHECK(asked.room(100));
    CHECK_FALSE(asked.room(101));
    asked.add(want(1, 0, 20));
    asked.add(want(1, 20, 20));
    CHECK_FALSE(asked.room(1));
    const auto large = asked.answered(block(1, 0, 11));
    REQUIRE_FALSE(large);
    CHECK(large.error().code == Errc::too_much);
    CHECK(asked.answered(block(1, 0, 10)));

    limits.open_wants = 1'000;
    limits.open_want_bytes = kMaxOpenWantBytes * 2;
    AskedWants raised(limits);
    for (std::size_t i = 0; i < kMaxOpenWants; ++i) raised.add(want(1, i, 1));
    CHECK_FALSE(raised.room(1));
  }

  TEST_CASE("what is left of a named hole is free to want, however long") {
    constexpr std::uint64_t kEnd = std::uint64_t{1} << 40;
    AskedWants asked;
    asked.add(want(1, 0, 100));
    CHECK_FALSE(asked.room(want(1, 100, kEnd - 100)));
    CHECK(asked.answered(zeros(1, 0, 100, kEnd)));
    CHECK(asked.room(want(1, 100, kEnd - 100)));
    CHECK_FALSE(asked.room(want(1, 100, kEnd - 99)));
    CHECK_FALSE(asked.room(want(2, 100, kEnd - 100)));
    asked.add(want(1, 100, kEnd - 100));
    CHECK(asked.open_bytes() == 0);
    CHECK(asked.open_count() == 0);
    CHECK(asked.open().size() == 1);
    CHECK(asked.answered(zeros(1, 100, kEnd - 100, kEnd)));
    CHECK(asked.open().empty());
    CHECK_FALSE(asked.room(want(1, 100, kEnd - 100)));
  }

  TEST_CASE("blocks of dropped wants are let in once, and marked") {
    AskedWants asked;
    asked.add(want(1, 0, 30));
    asked.add(want(1, 50, 10));
    CHECK(asked.answered(block(1, 0, 10)));
    CHECK(asked.drop(offer(1)) == std::vector<Want>{want(1, 10, 20), want(1, 50, 10)});
    CHECK(asked.open().empty());
    CHECK(asked.open_count() == 0);
    CHECK(asked.answered(block(1, 10, 20)));
    CHECK_FALSE(asked.answer_wanted());
    CHECK(asked.answered(block(1, 50, 10)));
    CHECK_FALSE(asked.answer_wanted());
    CHECK_FALSE(asked.answered(block(1, 50, 10)));
  }

  TEST_CASE("what was dropped and is wanted again is told apart") {
    AskedWants asked;
    asked.add(want(1, 0, 30));
    asked.drop(offer(1));
    asked.add(want(1, 0, 30));
    asked.add(want(1, 30, 30));
    CHECK(asked.answered(block(1, 0, 30)));  // whichever it answers, these bytes are wanted
    CHECK(asked.answer_wanted());
    SUBCASE("the dropped want was answered too") {
      CHECK(asked.answered(block(1, 0, 30)));
      CHECK_FALSE(asked.answer_wanted());
      CHECK(asked.answered(block(1, 30, 30)));
      CHECK(asked.answer_wanted());
    }
    SUBCASE("it was not, and a later answer proves that it never will") {
      CHECK(asked.answered(block(1, 30, 30)));
      CHECK(asked.answer_wanted());
      CHECK_FALSE(asked.answered(block(1, 0, 30)));
    }
  }

  TEST_CASE("the giver serves an offer in order and lets offers take turns") {
    ServedWants served;
    REQUIRE(served.add(want(1, 0, 30)));
    REQUIRE(served.add(want(1, 100, 5)));
    REQUIRE(served.add(want(2, 7, 10)));
    CHECK(*served.next() == want(1, 0, 30));
    served.advance(10);
    CHECK(*served.next() == want(2, 7, 10));
    served.advance(4);
    CHECK(*served.next() == want(1, 10, 20));
    served.advance(20);
    CHECK(*served.next() == want(2, 11, 6));
    served.advance(6);
    CHECK(*served.next() == want(1, 100, 5));
    served.advance(5);
    CHECK_FALSE(served.next());
    CHECK(served.empty());
  }

  TEST_CASE("the giver refuses a want too many, too long or too much") {
    ServedWants lengths;
    CHECK_FALSE(lengths.add(want(1, 0, kMaxWantBytes + 1)));
    CHECK(lengths.add(want(1, 0, kMaxWantBytes)));

    ServedWants bytes;
    for (std::size_t i = 0; i < kServedSlack * kMaxOpenWantBytes / kMaxWantBytes; ++i)
      CHECK(bytes.add(want(1, 0, kMaxWantBytes)));
    const auto one_more = bytes.add(want(1, 0, 1));
    REQUIRE_FALSE(one_more);
    CHECK(one_more.error().code == Errc::too_much);
    bytes.advance(1);
    CHECK(bytes.add(want(1, 0, 1)));

    ServedWants number;
    for (std::size_t i = 0; i < kServedSlack * kMaxOpenWants; ++i) CHECK(number.add(want(1, i, 1)));
    CHECK_FALSE(number.add(want(1, 0, 1)));
    number.drop(offer(1));
    CHECK(number.empty());
    CHECK(number.add(want(1, 0, 1)));
  }

  TEST_CASE("a hole stays free after an error, not after the end of the offer") {
    constexpr std::uint64_t kEnd = std::uint64_t{1} << 40;
    ServedWants served;
    REQUIRE(served.add(want(1, 0, 10)));
    served.advance(10);
    served.name_hole(offer(1), Range{10, kEnd});
    CHECK_FALSE(served.add(want(1, 9, kEnd - 9)));
    CHECK(served.add(want(1, 10, kEnd - 10)));
    served.drop(offer(1));
    CHECK(served.add(want(1, 10, kEnd - 10)));
    served.end(offer(1));
    CHECK(served.empty());
    CHECK_FALSE(served.add(want(1, 10, kEnd - 10)));
  }

  TEST_CASE("wants inside holes are not without number either") {
    constexpr std::uint64_t kEnd = std::uint64_t{1} << 40;
    ServedWants served;
    served.name_hole(offer(1), Range{0, kEnd});
    for (std::size_t i = 0; i < kMaxHoleWantsServed; ++i) REQUIRE(served.add(want(1, 0, kEnd)));
    CHECK_FALSE(served.add(want(1, 0, kEnd)));
  }

  TEST_CASE("a giver that names holes without end is not remembered without end") {
    NamedHoles holes(4);
    for (std::uint64_t i = 0; i < 4; ++i) holes.add(offer(1), 10 * i, 10 * i + 5);
    CHECK(holes.contains(want(1, 30, 5)));
    CHECK_FALSE(holes.contains(want(1, 30, 5, Of::manifest)));
    holes.add(offer(2), 40, 45);
    CHECK_FALSE(holes.contains(want(1, 0, 5)));  // the oldest
    CHECK(holes.contains(want(1, 10, 5)));
    CHECK(holes.contains(want(2, 40, 5)));
    holes.answered(offer(1), 12, 13);  // its middle makes two of one
    CHECK_FALSE(holes.contains(want(1, 10, 5)));
    CHECK(holes.contains(want(1, 13, 2)));
    CHECK(holes.contains(want(1, 30, 5)));
    CHECK(holes.contains(want(2, 40, 5)));
    holes.forget(offer(1));
    CHECK_FALSE(holes.contains(want(1, 30, 5)));
    CHECK(holes.contains(want(2, 40, 5)));
  }

  TEST_CASE("the latest of thousands of holes is free for both sides") {
    AskedWants asked;
    ServedWants served;
    const std::uint64_t step = 10'000;
    const auto answer_one = [&](std::uint64_t at) {
      asked.add(want(1, at, 1));
      REQUIRE(served.add(want(1, at, 1)));
      REQUIRE(asked.answered(zeros(1, at, 1, at + step)));
      served.advance(1);
      served.name_hole(offer(1), Range{at + 1, at + step});
    };
    for (std::uint64_t i = 0; i <= kMaxHolesServed; ++i) answer_one(i * step);
    const auto rest = want(1, kMaxHolesServed * step + 1, step - 1);
    CHECK(asked.room(rest));
    asked.add(rest);
    CHECK(served.add(rest));
    CHECK(asked.open_count() == 0);
  }

  TEST_CASE("an offer that has to wait lets the others take their turn") {
    ServedWants served;
    served.pass();
    REQUIRE(served.add(want(1, 0, 10)));
    served.pass();
    CHECK(served.next()->id == offer(1));
    REQUIRE(served.add(want(2, 0, 10)));
    CHECK(served.turns() == 2);
    served.pass();
    CHECK(served.next()->id == offer(2));
    served.advance(10);
    CHECK(served.next()->id == offer(1));
    CHECK(served.turns() == 1);
  }

  TEST_CASE("zeros reach the end of their hole or of the want") {
    AskedWants asked;
    asked.add(want(1, 0, 100));
    CHECK(asked.answered(zeros(1, 0, 40, 40)));
    CHECK_FALSE(asked.answered(zeros(1, 40, 10, 80)));
    AskedWants other;
    other.add(want(1, 0, 100));
    CHECK(other.answered(zeros(1, 0, 100, 500)));
  }
}
