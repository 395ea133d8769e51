#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <ostream>
#include <utility>
#include <vector>

#include "base/block_pool.hpp"

using peer::base::BlockPool;
using namespace std::chrono_literals;

TEST_SUITE("block pool") {
  TEST_CASE("no more blocks than allowed, each of its own memory") {
    BlockPool pool(1000, 2);
    CHECK(pool.block_bytes() == 1000);
    auto first = pool.try_take();
    auto second = pool.try_take();
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first.bytes().size() == 1000);
    CHECK(first.bytes().data() != second.bytes().data());
    const auto third = pool.try_take();
    CHECK(!third);
    CHECK(third.bytes().empty());
    const auto in_vain = pool.take_for(1ms);
    CHECK(!in_vain);
  }

  TEST_CASE("a block goes back when it is destroyed, moved over or emptied") {
    BlockPool pool(64, 2);
    {
      auto block = pool.try_take();
      CHECK(block);
    }
    auto first = pool.try_take();
    auto second = pool.try_take();
    CHECK(!pool.try_take());
    first = std::move(second);
    CHECK(first);
    CHECK(!second);  // NOLINT: moved from, which the class defines
    CHECK(pool.try_take());
    first = {};
    auto one = pool.try_take();
    auto two = pool.try_take();
    CHECK(one);
    CHECK(two);
  }

  TEST_CASE("a moved block is still the pool's one block") {
    BlockPool pool(64, 1);
    auto block = pool.take();
    const auto* data = block.bytes().data();
    auto moved = std::move(block);
    CHECK(moved.bytes().data() == data);
    CHECK(!pool.try_take());
  }

  TEST_CASE("who waits for a block gets the next that comes back") {
    BlockPool pool(64, 1);
    auto block = pool.take();
    auto waiting = std::async(std::launch::async, [&] { return static_cast<bool>(pool.take()); });
    block = {};
    CHECK(waiting.get());
  }

  TEST_CASE("many threads share few blocks") {
    BlockPool pool(64, 3);
    std::vector<std::future<int>> threads;
    for (int t = 0; t < 4; ++t)
      threads.push_back(std::async(std::launch::async, [&pool, t] {
        int whole = 0;
        for (int i = 0; i < 500; ++i) {
          auto block = pool.take();
          for (auto& byte : block.bytes()) byte = static_cast<std::byte>(t);
          bool same = true;
          for (const auto byte : block.bytes()) same = same && byte == static_cast<std::byte>(t);
          whole += same ? 1 : 0;
        }
        return whole;
      }));
    for (auto& thread : threads) CHECK(thread.get() == 500);
  }
}
