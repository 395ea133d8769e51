#include <doctest/doctest.h>

#include <ostream>
#include <string>

#include "node/speed.hpp"
#include "node/throttle.hpp"
#include "node/time_spent.hpp"

using namespace std::chrono_literals;
using namespace peer::node;
using On = TimeSpent::On;

namespace {

constexpr TimeSpent::Clock::time_point kStart{std::chrono::hours(1)};

TimeSpent::Totals spent(TimeSpent::Clock::duration network, TimeSpent::Clock::duration other,
                        TimeSpent::Clock::duration disk, TimeSpent::Clock::duration limit,
                        TimeSpent::Clock::duration processor = {}) {
  TimeSpent::Totals totals;
  totals.bytes = 100'000'000;
  totals.moving = 1s;
  totals.on = {network, other, disk, limit};
  totals.processor = processor;
  totals.limit = limit > 0s ? 2'000'000 : 0;
  return totals;
}

}  // namespace

TEST_CASE("connections that overlap count once on the wall, and each by itself") {
  TimeSpent time;
  time.add(On::network, kStart, kStart + 100ms);
  time.add(On::disk, kStart + 50ms, kStart + 150ms);
  time.add(On::network, kStart + 20ms, kStart + 40ms);
  time.moved(15'000'000, 10ms);
  const auto totals = time.totals();
  CHECK(totals.moving == 150ms);
  CHECK(totals[On::network] == 120ms);
  CHECK(totals[On::disk] == 100ms);
  CHECK(totals.all() == 220ms);
  CHECK(totals.rate() == 100'000'000);
}

TEST_CASE("the time after the last word until all has arrived goes on as before") {
  TimeSpent time;
  time.arrived(kStart);
  CHECK(time.totals().moving == 0ms);
  time.add(On::other, kStart, kStart + 10ms);
  time.add(On::network, kStart + 10ms, kStart + 30ms);
  time.arrived(kStart + 100ms);
  CHECK(time.totals()[On::network] == 90ms);
  CHECK(time.totals().moving == 100ms);
}

TEST_CASE("what stood still says nothing of the speed") {
  TimeSpent time;
  time.add(On::network, kStart, kStart + 100ms);
  time.add(On::other, kStart + 100ms, kStart + 1h);
  time.add(On::network, kStart + 1h, kStart + 1h + 100ms);
  time.add(On::disk, kStart + 5s, kStart);  // a clock that goes back
  CHECK(time.totals().moving == 200ms);
  CHECK(time.totals()[On::other] == 0ms);
  CHECK(TimeSpent().totals().rate() == 0);
}

TEST_CASE("what held a transfer back most") {
  CHECK(held_back_by(spent(900ms, 50ms, 50ms, 0ms)) == HeldBack::network);
  CHECK(held_back_by(spent(100ms, 800ms, 50ms, 0ms)) == HeldBack::other);
  CHECK(held_back_by(spent(100ms, 50ms, 700ms, 0ms)) == HeldBack::disk);
  CHECK(held_back_by(spent(100ms, 50ms, 100ms, 900ms)) == HeldBack::limit);
  CHECK(held_back_by(spent(500ms, 0ms, 500ms, 0ms, 900ms)) == HeldBack::processor);
  CHECK(held_back_by(spent(500ms, 0ms, 500ms, 0ms, 500ms)) == HeldBack::network);
  auto little = spent(900ms, 0ms, 0ms, 0ms);
  little.bytes = 1000;
  CHECK(held_back_by(little) == HeldBack::unknown);
  CHECK(held_back_by({}) == HeldBack::unknown);
}

TEST_CASE("the same in words") {
  CHECK(speed_text(spent(900ms, 50ms, 50ms, 0ms), "bob") == "100 MB/s, limited by the network");
  CHECK(speed_text(spent(0ms, 900ms, 50ms, 0ms), "bob").find("bob's side") != std::string::npos);
  CHECK(speed_text(spent(0ms, 0ms, 0ms, 900ms), "bob") ==
        "100 MB/s, limited by the limit of 2 MB/s set here");
  CHECK(speed_text({}, "bob") == "too little to tell what limits it");
  const auto json = speed_json(spent(0ms, 0ms, 0ms, 900ms));
  CHECK(json["limited_by"] == "limit");
  CHECK(json["limit"] == 2'000'000);
  CHECK(json["bytes_per_second"] == 100'000'000);
}

TEST_CASE("kept over a restart") {
  TimeSpent time;
  CHECK(time.text() == "");
  time.add(On::network, kStart, kStart + 100ms);
  time.add(On::limit, kStart, kStart + 50ms);
  time.moved(1'000'000, 3ms);
  time.limited_to(5000);
  TimeSpent after;
  after.restore(time.text());
  after.add(On::network, kStart + 1h, kStart + 1h + 100ms);
  const auto totals = after.totals();
  CHECK(totals.bytes == 1'000'000);
  CHECK(totals.moving == 200ms);
  CHECK(totals[On::network] == 200ms);
  CHECK(totals[On::limit] == 50ms);
  CHECK(totals.processor == 3ms);
  CHECK(totals.limit == 5000);
  for (const char* bad : {"", "{", "[]", "7", "{\"bytes\":-1}", "{\"bytes\":\"x\"}"}) {
    CAPTURE(bad);
    CHECK(TimeSpent::parse(bad).bytes == 0);
  }
}

TEST_CASE("a lap goes to what it was spent on, and a limit says which") {
  peer::base::RateLimit node;
  const auto own = std::make_shared<peer::base::RateLimit>();
  const auto time = std::make_shared<TimeSpent>();
  own->set(2000);
  const Throttle throttle(own, node, time);
  Lap lap;
  const auto began = lap.since();
  lap.charge_until(*time, On::other, began + 5ms);
  CHECK(time->totals()[On::other] == 5ms);
  lap.charge_until(*time, On::network, began);  // earlier than what was charged: nothing
  CHECK(time->totals()[On::network] == 0ms);
  lap.skip();
  while (TimeSpent::Clock::now() < lap.since() + 2ms) {
  }
  throttle.waited(lap);
  CHECK(time->totals()[On::limit] >= 2ms);
  CHECK(time->totals().limit == 2000);
  node.set(1500);
  throttle.waited(lap);
  CHECK(time->totals().limit == 1500);
}

TEST_CASE("what is measured costs little beside a block of a MiB") {
  TimeSpent time;
  Lap lap;
  constexpr int kBlocks = 10'000;
  const auto began = TimeSpent::Clock::now();
  for (int i = 0; i < kBlocks; ++i) {
    lap.charge(time, On::other);
    lap.charge(time, On::network);
    lap.charge(time, On::disk);
    time.moved(1 << 20);
  }
  // At 1 GB/s a block lasts a millisecond; this is a hundredth of that, and far more than it takes.
  CHECK((TimeSpent::Clock::now() - began) / kBlocks < 10us);
  CHECK(time.totals().bytes == std::uint64_t{kBlocks} << 20);
}
