#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
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
/// and adding near the front or the back are cheap; memory is 16 bytes a range. An empty range
/// (begin >= end) given to any of these is no offset.
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
  std::size_t count() const { return ranges_.size() - head_; }  ///< ranges
  std::vector<Range> ranges() const;
  /// The ranges in order; valid until the set changes.
  std::span<const Range> view() const { return std::span(ranges_).subspan(head_); }
  friend bool operator==(const RangeSet& a, const RangeSet& b) {
    return std::ranges::equal(a.view(), b.view());
  }

 private:
  /// Positions in view(): the first range that ends behind `offset`, or at it if `touching`.
  std::size_t first_ending_behind(std::uint64_t offset, bool touching) const;
  /// ... and the first that begins at or behind `offset`, or behind it if `touching`.
  std::size_t first_beginning_at(std::uint64_t offset, bool touching) const;
  /// Puts `with` (at most two ranges) in the place of view()[from, to), moving the shorter side.
  void replace(std::size_t from, std::size_t to, std::span<const Range> with);
  void open_gap(std::size_t at, std::size_t slots);
  void close_gap(std::size_t at, std::size_t slots);

  std::vector<Range> ranges_;  ///< live from head_ on
  std::size_t head_ = 0;
  std::uint64_t length_ = 0;
};

}  // namespace peer::protocol
