#include <doctest/doctest.h>

#include "node/offers.hpp"

using namespace std::chrono_literals;
using peer::node::RateMeter;

TEST_CASE("the speed is that of the last seconds in which something moved") {
  RateMeter meter;
  std::chrono::steady_clock::time_point now{};
  std::uint64_t total = 0;
  CHECK(meter.rate(now) == 0);
  for (int i = 0; i < 100; ++i, now += 100ms) meter.sample(total += 1'000'000, now);
  CHECK(meter.rate(now) == doctest::Approx(10e6).epsilon(0.05));

  // Nothing moves for a while: then there is no speed, and what goes on is not spread over that.
  for (int i = 0; i < 100; ++i, now += 100ms) meter.sample(total, now);
  CHECK(meter.rate(now) == 0);
  for (int i = 0; i < 5; ++i, now += 100ms) meter.sample(total += 500'000, now);
  CHECK(meter.rate(now) == doctest::Approx(5e6).epsilon(0.05));

  meter.begin();
  CHECK(meter.rate(now) == 0);
  meter.sample(10, now);
  CHECK(meter.rate(now) == 0);
}
