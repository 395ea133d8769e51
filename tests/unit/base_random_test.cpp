#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>
#include <set>
#include <vector>

#include "base/random.hpp"

TEST_SUITE("random") {
  TEST_CASE("ids do not repeat") {
    std::set<peer::protocol::OfferId> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(peer::base::random_offer_id());
    CHECK(seen.size() == 1000);
    CHECK(peer::base::random_instance() != peer::base::random_instance());
    CHECK(peer::base::random_request_id() != peer::base::random_request_id());
  }

  TEST_CASE("all of a large buffer is filled, and an empty one is fine") {
    std::vector<std::byte> large(1 << 20);
    peer::base::random_bytes(large);
    const auto zeros = std::count(large.end() - 4096, large.end(), std::byte{0});
    CHECK(zeros < 100);  // 16 are expected
    peer::base::random_bytes({});
  }
}
