#include "protocol/ranges.hpp"

#include <array>
#include <cassert>

namespace peer::protocol {
namespace {

constexpr std::size_t kLeastGap = 16;  ///< slots freed before the first range at a time
/// Sets of up to this many ranges are added and removed one by one, larger ones in one pass.
constexpr std::size_t kFewRanges = 8;

/// Appends to sorted ranges one that does not begin before the last.
void append(std::vector<Range>& ranges, Range range) {
  if (!ranges.empty() && range.begin <= ranges.back().end)
    ranges.back().end = std::max(ranges.back().end, range.end);
  else
    ranges.push_back(range);
}

std::uint64_t total(std::span<const Range> ranges) {
  std::uint64_t sum = 0;
  for (const Range range : ranges) sum += range.length();
  return sum;
}

std::ptrdiff_t distance(std::size_t n) { return static_cast<std::ptrdiff_t>(n); }

}  // namespace

RangeSet::RangeSet(Range range) { add(range); }

std::size_t RangeSet::first_ending_behind(std::uint64_t offset, bool touching) const {
  const auto live = view();
  const auto at = std::partition_point(live.begin(), live.end(), [=](const Range& range) {
    return touching ? range.end < offset : range.end <= offset;
  });
  return static_cast<std::size_t>(at - live.begin());
}

std::size_t RangeSet::first_beginning_at(std::uint64_t offset, bool touching) const {
  const auto live = view();
  const auto at = std::partition_point(live.begin(), live.end(), [=](const Range& range) {
    return touching ? range.begin <= offset : range.begin < offset;
  });
  return static_cast<std::size_t>(at - live.begin());
}

void RangeSet::add(Range range) {
  if (range.begin >= range.end) return;
  const std::size_t from = first_ending_behind(range.begin, true);
  const std::size_t to = first_beginning_at(range.end, true);
  if (from < to) {
    range.begin = std::min(range.begin, view()[from].begin);
    range.end = std::max(range.end, view()[to - 1].end);
  }
  replace(from, to, std::span(&range, 1));
}

void RangeSet::remove(Range range) {
  if (range.begin >= range.end) return;
  const std::size_t from = first_ending_behind(range.begin, false);
  const std::size_t to = first_beginning_at(range.end, false);
  if (from >= to) return;
  std::array<Range, 2> rest;
  std::size_t count = 0;
  if (const Range left = view()[from]; left.begin < range.begin)
    rest[count++] = {left.begin, range.begin};
  if (const Range right = view()[to - 1]; right.end > range.end)
    rest[count++] = {range.end, right.end};
  replace(from, to, std::span(rest).first(count));
}

void RangeSet::replace(std::size_t from, std::size_t to, std::span<const Range> with) {
  const std::size_t old = to - from;
  const std::uint64_t length = length_ + total(with) - total(view().subspan(from, old));
  if (with.size() > old)
    open_gap(to, with.size() - old);
  else
    close_gap(from + with.size(), old - with.size());
  std::copy(with.begin(), with.end(), ranges_.begin() + distance(head_ + from));
  length_ = length;
}

void RangeSet::open_gap(std::size_t at, std::size_t slots) {
  const std::size_t live = count();
  if (at >= live / 2 && live > 0) {
    ranges_.insert(ranges_.begin() + distance(head_ + at), slots, Range{});
    return;
  }
  if (head_ < slots) {
    const std::size_t gap = slots + std::max(live / 2, kLeastGap);
    ranges_.insert(ranges_.begin(), gap, Range{});
    head_ += gap;
  }
  const auto front = ranges_.begin() + distance(head_);
  std::copy(front, front + distance(at), front - distance(slots));
  head_ -= slots;
}

void RangeSet::close_gap(std::size_t at, std::size_t slots) {
  if (slots == 0) return;
  const std::size_t live = count();
  const auto front = ranges_.begin() + distance(head_);
  if (at >= live / 2) {
    ranges_.erase(front + distance(at), front + distance(at + slots));
    return;
  }
  std::copy_backward(front, front + distance(at), front + distance(at + slots));
  head_ += slots;
  // Half of the table before the head is enough room for what comes back.
  if (head_ > 2 * (count() + kLeastGap)) {
    ranges_.erase(ranges_.begin(), ranges_.begin() + distance(head_));
    ranges_.shrink_to_fit();
    head_ = 0;
  }
}

void RangeSet::add(const RangeSet& other) {
  if (other.count() <= kFewRanges) {
    for (const Range range : other.ranges()) add(range);
    return;
  }
  std::vector<Range> all;
  all.reserve(count() + other.count());
  const auto mine = view();
  const auto others = other.view();
  for (std::size_t i = 0, j = 0; i < mine.size() || j < others.size();) {
    const bool take_mine =
        j == others.size() || (i < mine.size() && mine[i].begin <= others[j].begin);
    append(all, take_mine ? mine[i++] : others[j++]);
  }
  ranges_ = std::move(all);
  head_ = 0;
  length_ = total(ranges_);
}

void RangeSet::remove(const RangeSet& other) {
  if (other.count() <= kFewRanges) {
    for (const Range range : other.ranges()) remove(range);
    return;
  }
  std::vector<Range> rest;
  const auto others = other.view();
  std::size_t j = 0;
  for (Range range : view()) {
    while (j < others.size() && others[j].end <= range.begin) ++j;
    for (std::size_t k = j; k < others.size() && others[k].begin < range.end; ++k) {
      if (others[k].begin > range.begin) rest.push_back({range.begin, others[k].begin});
      range.begin = others[k].end;
      if (range.begin >= range.end) break;
      j = k;
    }
    if (range.begin < range.end) rest.push_back(range);
  }
  ranges_ = std::move(rest);
  head_ = 0;
  length_ = total(ranges_);
}

std::optional<Range> RangeSet::take_front(std::uint64_t max_length, std::uint64_t grid) {
  assert(grid > 0 && max_length >= grid);
  const auto front = first();
  if (!front) return std::nullopt;
  Range taken = *front;
  if (taken.length() > max_length) {
    const std::uint64_t end = taken.begin + max_length;
    taken.end = end - end % grid;
  }
  remove(taken);
  return taken;
}

bool RangeSet::contains(Range range) const {
  if (range.begin >= range.end) return true;
  const std::size_t at = first_ending_behind(range.begin, false);
  return at < count() && view()[at].begin <= range.begin && range.end <= view()[at].end;
}

bool RangeSet::intersects(Range range) const {
  if (range.begin >= range.end) return false;
  const std::size_t at = first_ending_behind(range.begin, false);
  return at < count() && view()[at].begin < range.end;
}

std::optional<Range> RangeSet::first() const {
  if (empty()) return std::nullopt;
  return view().front();
}

RangeSet RangeSet::intersection(Range range) const {
  RangeSet both;
  if (range.begin >= range.end) return both;
  const std::size_t from = first_ending_behind(range.begin, false);
  const std::size_t to = first_beginning_at(range.end, false);
  for (std::size_t i = from; i < to; ++i)
    both.ranges_.push_back(
        {std::max(range.begin, view()[i].begin), std::min(range.end, view()[i].end)});
  both.length_ = total(both.ranges_);
  return both;
}

std::vector<Range> RangeSet::ranges() const { return {view().begin(), view().end()}; }

}  // namespace peer::protocol
