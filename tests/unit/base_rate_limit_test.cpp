#include <doctest/doctest.h>

#include "base/rate_limit.hpp"

using namespace peer;
using namespace std::chrono_literals;

TEST_SUITE("rate limit") {
  TEST_CASE("what is spent has to be paid by time") {
    base::RateLimit limit;
    const base::RateLimit::Clock::time_point start(1h);
    limit.set(1'000'000);
    limit.spend(100'000, start);  // what was not used before pays for this
    CHECK(limit.debt(start) == 0ns);
    limit.spend(500'000, start);
    CHECK(limit.debt(start) == 500ms);
    CHECK(limit.debt(start + 200ms) == 300ms);
    CHECK(limit.debt(start + 2s) == 0ns);
    // A long pause is no credit for a burst.
    limit.spend(1'000'000, start + 1h);
    CHECK(limit.debt(start + 1h) == 900ms);
  }

  TEST_CASE("a change holds at once, and forgets what was owed") {
    base::RateLimit limit;
    const base::RateLimit::Clock::time_point start(1h);
    limit.spend(1'000'000'000, start);
    CHECK(limit.debt(start) == 0ns);
    limit.set(1000);
    limit.spend(1'000'000, start);
    CHECK(limit.debt(start) > 990s);
    limit.set(0);
    CHECK(limit.debt(start) == 0ns);
    CHECK(limit.get() == 0);
  }

  TEST_CASE("speeds as people write them") {
    CHECK(base::parse_rate("20M") == 20'000'000);
    CHECK(base::parse_rate("500k") == 500'000);
    CHECK(base::parse_rate("500K") == 500'000);
    CHECK(base::parse_rate("1.5MB/s") == 1'500'000);
    CHECK(base::parse_rate("2MiB/s") == 2 * 1024 * 1024);
    CHECK(base::parse_rate("1Gi") == 1024 * 1024 * 1024);
    CHECK(base::parse_rate("1000") == 1000);
    CHECK(base::parse_rate("none") == 0);
    CHECK(base::parse_rate("0") == 0);
    for (const char* wrong : {"", "M", "20x", "20MM", "-5M", "999", "0.9k", "1e9", "5i", "inf",
                              "nan", "20 M", "20M ", "99999999G", "0M", "20M/h"})
      CHECK_MESSAGE(!base::parse_rate(wrong), wrong);
  }
}
