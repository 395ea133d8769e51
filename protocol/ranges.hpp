#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace peer::protocol {

/// [begin, end) of a stream, begin < end.
struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t length() const { return end - begin; }
  friend bool operator==(const Range&, const Range&) = default;
};

/// A set of offsets, kept as sorted ranges that neither touch nor overlap. Taking from the front
/// and adding near the front or the back are cheap; memory is 16 bytes a range.
class RangeSet {
 public:
  RangeSet() = default;
  explicit RangeSet(Range range);

  void add(Range range);
  void add(const RangeSet& other);
  void remove(Range range);
  void remove(const RangeSet& other);

  /// Takes away and returns up to `max_length` offsets from the front of the first range; if that
  /// range is longer than `max_length`, cut where the absolute offset is a multiple of `grid` (grid
  /// > 0, max_length >= grid).
  std::optional<Range> take_front(std::uint64_t max_length, std::uint64_t grid);

  bool contains(Range range) const;    ///< all of it
  bool intersects(Range range) const;  ///< any of it
  std::optional<Range> first() const;
  RangeSet intersection(Range range) const;
  std::uint64_t length() const { return length_; }  ///< offsets in the set
  bool empty() const { return length_ == 0; }
  std::vector<Range> ranges() const;
  friend bool operator==(const RangeSet& a, const RangeSet& b) { return a.ranges() == b.ranges(); }

 private:
  std::vector<Range> ranges_;  ///< live from head_ on
  std::size_t head_ = 0;
  std::uint64_t length_ = 0;
};

}  // namespace peer::protocol
