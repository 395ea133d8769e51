#include <doctest/doctest.h>

#include <cstdlib>
#include <new>
#include <ostream>
#include <random>

#include "storage/holdings.hpp"

using peer::protocol::Range;
using peer::storage::Holdings;

namespace {

thread_local int allocations_left = -1;  ///< of this thread; -1: as many as it likes

void* allocate(std::size_t bytes) {
  if (allocations_left == 0) throw std::bad_alloc();
  if (allocations_left > 0) --allocations_left;
  if (void* memory = std::malloc(bytes > 0 ? bytes : 1)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// For this whole program.
void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(bytes > 0 ? bytes : 1);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

constexpr std::uint64_t kBytes = 64;

/// One thing that is done with the books, at random.
void do_something(Holdings& books, std::mt19937& random) {
  const std::uint64_t at = random() % kBytes;
  const Range range{at, std::min<std::uint64_t>(kBytes, at + 1 + random() % 8)};
  switch (random() % 7) {
    case 0:
    case 1: {
      if (const auto taken = books.take(1 + random() % 8); taken && random() % 2 == 0) {
        const auto parts = books.begin_store(*taken);
        (void)books.written(parts, {*taken});
        books.settled(parts);
      }
      break;
    }
    case 2:
      books.give_back(range);
      break;
    case 3: {
      const auto parts = books.begin_store(range);
      (void)books.written(parts, {range});
      if (random() % 4 != 0) books.settled(parts);
      break;
    }
    case 4:
      (void)books.suspect(range);
      break;
    case 5:
      (void)books.lose(range);
      break;
    default: {
      const auto parts = books.suspected(range);
      (void)books.rehashed(parts, {range});
      books.settled_rehashed(parts);
      if (random() % 8 == 0) books.end_of_suspects();
    }
  }
}

}  // namespace

TEST_SUITE("holdings") {
  TEST_CASE("wherever memory gives out, no byte falls out of the books") {
    for (unsigned seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      Holdings books;
      Holdings::Start start;
      start.missing.add(Range{0, kBytes});
      books.begin(std::move(start));
      for (int step = 0; step < 60; ++step) {
        CAPTURE(step);
        allocations_left = static_cast<int>(random() % 12);
        try {
          do_something(books, random);
        } catch (const std::bad_alloc&) {
        }
        allocations_left = -1;
        for (std::uint64_t i = 0; i < kBytes; ++i) {
          const Range byte{i, i + 1};
          REQUIRE(books.knows(byte));
          if (books.all_here()) REQUIRE(books.has(byte));
        }
      }
    }
  }
}
