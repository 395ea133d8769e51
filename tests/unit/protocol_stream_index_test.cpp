#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>
#include <random>
#include <vector>

#include "protocol/stream_index.hpp"

using namespace peer::protocol;

namespace {

/// The index of a manifest, and where each of its entries begins.
struct Stream {
  StreamIndex index;
  std::vector<std::uint64_t> begins;

  void append(std::uint64_t size) {
    begins.push_back(index.bytes());
    index.append(size);
  }
  /// The entry that holds `offset`.
  std::uint64_t holder(std::uint64_t offset) const {
    const auto behind = std::upper_bound(begins.begin(), begins.end(), offset);
    return static_cast<std::uint64_t>(behind - begins.begin()) - 1;
  }
};

void check_marks(const Stream& stream, std::uint64_t offset) {
  CAPTURE(offset);
  const std::uint64_t holder = stream.holder(offset);
  const auto nearest = stream.index.nearest(offset);
  CHECK(nearest.entry <= holder);
  CHECK(holder - nearest.entry < stream.index.stride());
  CHECK(stream.begins[nearest.entry] == nearest.offset);
  const auto floor = stream.index.floor(offset);
  CHECK(floor.offset == nearest.offset);
  CHECK(stream.begins[floor.entry] == floor.offset);
  // No mark of this offset lies before it.
  const bool first =
      floor.entry == 0 || stream.begins[floor.entry - stream.index.stride()] < floor.offset;
  CHECK(first);
}

}  // namespace

TEST_CASE("an empty index begins at the beginning") {
  const StreamIndex index;
  CHECK(index.floor(0) == StreamIndex::Mark{});
  CHECK(index.nearest(100) == StreamIndex::Mark{});
  CHECK(index.before(7) == StreamIndex::Mark{});
  CHECK(index.entries() == 0);
}

TEST_CASE("while the table is not full every entry is found at once") {
  Stream stream;
  for (const std::uint64_t size : {0, 10, 0, 0, 5, 1, 0}) stream.append(size);
  CHECK(stream.index.bytes() == 16);
  CHECK(stream.index.nearest(0) == StreamIndex::Mark{1, 0});
  CHECK(stream.index.floor(0) == StreamIndex::Mark{0, 0});
  CHECK(stream.index.nearest(9) == StreamIndex::Mark{1, 0});
  CHECK(stream.index.nearest(10) == StreamIndex::Mark{4, 10});
  CHECK(stream.index.floor(10) == StreamIndex::Mark{2, 10});
  CHECK(stream.index.nearest(15) == StreamIndex::Mark{5, 15});
  for (std::uint64_t entry = 0; entry < 7; ++entry)
    CHECK(stream.index.before(entry) == StreamIndex::Mark{entry, stream.begins[entry]});
  CHECK(stream.index.before(1000).entry == 6);
}

TEST_CASE("the table halves when it is full, one entry past it") {
  Stream stream;
  for (std::size_t i = 0; i < StreamIndex::kMarks; ++i) stream.append(1);
  CHECK(stream.index.stride() == 1);
  check_marks(stream, StreamIndex::kMarks - 1);
  stream.append(1);
  CHECK(stream.index.stride() == 2);
  for (std::uint64_t offset = 0; offset < stream.index.bytes(); offset += 7)
    check_marks(stream, offset);
  check_marks(stream, stream.index.bytes() - 1);
}

TEST_CASE("millions of entries of any size are found near a mark") {
  std::mt19937_64 random(7);
  Stream stream;
  for (int i = 0; i < 3'000'000; ++i) {
    const auto kind = random() % 10;
    const bool many_empty = i / 100'000 % 5 == 3;
    stream.append(many_empty || kind < 3 ? 0
                  : kind < 9             ? random() % 10'000
                                         : random() % (1u << 30));
  }
  CHECK(stream.index.entries() == 3'000'000);
  CHECK(stream.index.stride() <= 512);
  for (int i = 0; i < 20'000; ++i) check_marks(stream, random() % stream.index.bytes());
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t entry = random() % stream.index.entries();
    const auto mark = stream.index.before(entry);
    CHECK(mark.entry <= entry);
    CHECK(entry - mark.entry < stream.index.stride());
    CHECK(stream.begins[mark.entry] == mark.offset);
  }
}
