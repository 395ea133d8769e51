#include <doctest/doctest.h>

#include <deque>

#include "node/want_window.hpp"

using namespace peer;
using namespace std::chrono_literals;
using node::WantWindow;

namespace {

constexpr std::uint64_t kBlock = protocol::kBlockBytes;

/// A giver behind a path of this round trip and speed, and a taker who keeps its window full.
struct Path {
  std::chrono::duration<double> round_trip;
  double rate;

  /// Bytes a second over `time`.
  double run(WantWindow& window, std::chrono::duration<double> time) {
    struct Coming {
      std::uint64_t left;
      double asked;
    };
    std::deque<Coming> open;
    const WantWindow::Time start(1h);
    const auto at = [&](double seconds) {
      return start + std::chrono::duration_cast<WantWindow::Time::duration>(
                         std::chrono::duration<double>(seconds));
    };
    double now = 0;
    double busy_until = 0;  // the link
    std::uint64_t ahead = 0;
    double moved = 0;
    while (now < time.count()) {
      while (ahead < window.bytes()) {
        window.wanted(window.want_bytes(), at(now));
        open.push_back({window.want_bytes(), now});
        ahead += window.want_bytes();
      }
      auto& next = open.front();
      now = busy_until = std::max(busy_until, next.asked + round_trip.count()) +
                         static_cast<double>(kBlock) / rate;
      window.answered(kBlock, kBlock, at(now));
      moved += static_cast<double>(kBlock);
      ahead -= kBlock;
      next.left -= kBlock;
      if (next.left == 0) open.pop_front();
    }
    return moved / now;
  }
};

}  // namespace

TEST_SUITE("want window") {
  TEST_CASE("a short path needs no more than the least") {
    WantWindow window;
    CHECK(Path{100us, 1e9}.run(window, 2s) > 0.95e9);
    CHECK(window.bytes() <= 2 * node::kLaneWindowLeast);
  }

  TEST_CASE("a long one is filled within a second") {
    for (const double rate : {12.5e6, 31e6, 125e6, 250e6}) {
      WantWindow window;
      Path path{100ms, rate};
      path.run(window, 1s);
      CHECK(path.run(window, 4s) > 0.9 * rate);
    }
  }

  TEST_CASE("never beyond its bounds") {
    WantWindow window;
    Path{2s, 1e9}.run(window, 60s);
    CHECK(window.bytes() == node::kLaneWindowMost);
    CHECK(window.want_bytes() == node::kLaneWantBytes);
    WantWindow slow;
    Path{1ms, 1e5}.run(slow, 60s);
    CHECK(slow.bytes() == node::kLaneWindowLeast);
    CHECK(slow.want_bytes() == kBlock);
  }

  TEST_CASE("holes, and what is gone, carry no bytes") {
    WantWindow window;
    const WantWindow::Time start(1h);
    for (int i = 0; i < 100; ++i) {
      window.wanted(std::uint64_t{1} << 40, start + i * 1s);
      window.answered(std::uint64_t{1} << 40, 0, start + i * 1s + 100ms);
    }
    CHECK(window.bytes() == node::kLaneWindowLeast);
  }
}
