#include <doctest/doctest.h>

#include <bitset>
#include <chrono>
#include <ostream>
#include <random>
#include <vector>

#include "protocol/ranges.hpp"

using namespace peer::protocol;

namespace {

constexpr std::size_t kSpace = 256;
using Model = std::bitset<kSpace>;

Model bits(Range range) {
  Model model;
  for (std::uint64_t i = range.begin; i < range.end; ++i) model.set(i);
  return model;
}

std::vector<Range> runs(const Model& model) {
  std::vector<Range> found;
  for (std::size_t i = 0; i < kSpace; ++i) {
    if (!model[i]) continue;
    if (!found.empty() && found.back().end == i)
      ++found.back().end;
    else
      found.push_back({i, i + 1});
  }
  return found;
}

RangeSet set_of(const Model& model) {
  RangeSet set;
  for (const Range range : runs(model)) set.add(range);
  return set;
}

Range any_range(std::mt19937& random) {
  const std::uint64_t begin = random() % kSpace;
  return {begin, std::min<std::uint64_t>(kSpace, begin + random() % 24)};
}

void check_same(const RangeSet& set, const Model& model) {
  CHECK(set.ranges() == runs(model));
  CHECK(set.length() == model.count());
  CHECK(set.empty() == model.none());
}

}  // namespace

TEST_CASE("ranges that touch or overlap become one") {
  RangeSet set;
  set.add({10, 20});
  set.add({30, 40});
  set.add({20, 30});
  CHECK(set.ranges() == std::vector<Range>{{10, 40}});
  set.add({5, 45});
  CHECK(set.ranges() == std::vector<Range>{{5, 45}});
  set.remove({10, 20});
  CHECK(set.ranges() == std::vector<Range>{{5, 10}, {20, 45}});
  CHECK(set.length() == 30);
}

TEST_CASE("empty ranges are no offsets") {
  RangeSet set({7, 7});
  CHECK(set.empty());
  set.add({5, 9});
  set.remove({6, 6});
  set.add({20, 20});
  CHECK(set.ranges() == std::vector<Range>{{5, 9}});
  CHECK_FALSE(set.intersects({6, 6}));
  CHECK(set.intersection({6, 6}).empty());
}

TEST_CASE("the ends of the number space are offsets like others") {
  RangeSet set({0, UINT64_MAX});
  set.remove({1, UINT64_MAX - 1});
  CHECK(set.ranges() == std::vector<Range>{{0, 1}, {UINT64_MAX - 1, UINT64_MAX}});
  set.add({1, UINT64_MAX - 1});
  CHECK(set.length() == UINT64_MAX);
  CHECK(set.contains({0, UINT64_MAX}));
}

TEST_CASE("a set behaves as the offsets it holds") {
  for (unsigned seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    RangeSet set;
    Model model;
    for (int step = 0; step < 400; ++step) {
      const Range range = any_range(random);
      const Model in = bits(range);
      const unsigned action = random() % 8;
      if (action < 3) {
        set.add(range);
        model |= in;
      } else if (action < 5) {
        set.remove(range);
        model &= ~in;
      } else if (action == 5) {
        const std::uint64_t grid = 1 + random() % 8;
        const auto taken = set.take_front(grid + random() % 16, grid);
        REQUIRE(taken.has_value() == model.any());
        if (taken) {
          CHECK(taken->begin == runs(model).front().begin);
          model &= ~bits(*taken);
        }
      } else {
        Model many;
        for (unsigned i = 0; i < random() % 24; ++i) many |= bits(any_range(random));
        if (action == 6) {
          set.add(set_of(many));
          model |= many;
        } else {
          set.remove(set_of(many));
          model &= ~many;
        }
      }
      check_same(set, model);
      const Range probe = any_range(random);
      CHECK(set.contains(probe) == ((bits(probe) & ~model).none()));
      CHECK(set.intersects(probe) == ((bits(probe) & model).any()));
      CHECK(set.intersection(probe) == set_of(model & bits(probe)));
      CHECK(set == set_of(model));
    }
  }
}

TEST_CASE("taking from the front keeps to the grid") {
  RangeSet set;
  set.add({100, 5000});
  set.add({6000, 6001});
  CHECK(set.take_front(1000, 512) == Range{100, 1024});  // 100 + 1000, cut to the grid
  CHECK(set.take_front(1024, 512) == Range{1024, 2048});
  CHECK(set.take_front(4096, 512) == Range{2048, 5000});  // the rest is short enough
  CHECK(set.take_front(4096, 512) == Range{6000, 6001});
  CHECK_FALSE(set.take_front(4096, 512));
}

TEST_CASE("a million ranges taken from the front and given back there cost little") {
  constexpr std::uint64_t kCount = 1'000'000;
  RangeSet set;
  for (std::uint64_t i = 0; i < kCount; ++i) set.add({10 * i, 10 * i + 5});
  CHECK(set.count() == kCount);
  const auto start = std::chrono::steady_clock::now();
  std::vector<Range> window;
  while (const auto taken = set.take_front(16, 1)) {
    window.push_back(*taken);
    if (window.size() < 64) continue;
    // A connection was cut: half of what was asked there is lacking again.
    for (std::size_t i = 0; i < window.size(); i += 2)
      if (window[i].begin % 40 == 0) set.add(window[i]);
    for (std::size_t i = 0; i < window.size(); i += 2)
      if (window[i].begin % 40 == 0) set.remove(window[i]);
    window.clear();
  }
  CHECK(set.empty());
  // Quadratic work would take minutes.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

TEST_CASE("ranges added from the back to the front cost little") {
  constexpr std::uint64_t kCount = 300'000;
  RangeSet set;
  for (std::uint64_t i = kCount; i-- > 0;) set.add({10 * i, 10 * i + 5});
  CHECK(set.count() == kCount);
  CHECK(set.first() == Range{0, 5});
}
