#include "storage/holdings.hpp"

#include <algorithm>
#include <bit>

#include "protocol/limits.hpp"

namespace peer::storage {

using protocol::Range;
using protocol::RangeSet;

namespace {

/// Where memory gives out in the middle a range is in both, and so is stored twice, never lost.
void move(const auto& what, RangeSet& from, RangeSet& to) {
  to.add(what);
  from.remove(what);
}

/// Adds the parts of `parts` that lie in `within`.
void add_common(RangeSet& to, const RangeSet& parts, const RangeSet& within) {
  for (const Range& part : parts.ranges()) to.add(within.intersection(part));
}

}  // namespace

void Holdings::begin(Start start) {
  const std::lock_guard lock(mutex_);
  missing_ = std::move(start.missing);
  have_ = std::move(start.have);
  suspect_ = std::move(start.suspect);
  resumed_ = have_;
}

std::optional<Range> Holdings::take(std::uint64_t max_length) {
  if (max_length == 0) return std::nullopt;
  const auto grid = std::min<std::uint64_t>(protocol::kBlockBytes, std::bit_floor(max_length));
  const std::lock_guard lock(mutex_);
  const auto first = missing_.first();
  if (!first) return std::nullopt;
  const auto range = RangeSet(*first).take_front(max_length, grid);
  move(*range, missing_, in_flight_);
  return range;
}

std::optional<Range> Holdings::take_within(Range hole) {
  if (hole.begin >= hole.end) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto range = missing_.intersection(hole).first();
  if (range) move(*range, missing_, in_flight_);
  return range;
}

void Holdings::give_back(Range range) {
  if (range.begin >= range.end) return;
  const std::lock_guard lock(mutex_);
  const RangeSet taken = in_flight_.intersection(range);
  settling_.remove(taken);
  move(taken, in_flight_, missing_);
}

RangeSet Holdings::begin_store(Range range) {
  const std::lock_guard lock(mutex_);
  const RangeSet lacking = missing_.intersection(range);
  if (!lacking.empty()) move(lacking, missing_, in_flight_);
  return in_flight_.intersection(range);
}

std::vector<bool> Holdings::whole(const std::vector<Range>& files) const {
  std::vector<bool> result;
  for (const Range& file : files) {
    RangeSet here = have_.intersection(file);
    here.add(settling_.intersection(file));
    result.push_back(here.contains(file));
  }
  return result;
}

std::vector<bool> Holdings::written(const RangeSet& parts, const std::vector<Range>& files) {
  const std::lock_guard lock(mutex_);
  add_common(settling_, parts, in_flight_);
  return whole(files);
}

void Holdings::settled(const RangeSet& parts) {
  const std::lock_guard lock(mutex_);
  settle(parts, in_flight_);
}

RangeSet Holdings::suspected(Range range) const {
  const std::lock_guard lock(mutex_);
  return suspect_.intersection(range);
}

std::vector<bool> Holdings::rehashed(const RangeSet& parts, const std::vector<Range>& files) {
  const std::lock_guard lock(mutex_);
  add_common(settling_, parts, suspect_);
  return whole(files);
}

void Holdings::settled_rehashed(const RangeSet& parts) {
  const std::lock_guard lock(mutex_);
  resumed_.add(settle(parts, suspect_));
}

RangeSet Holdings::settle(const RangeSet& parts, RangeSet& from) {
  RangeSet good;
  add_common(good, parts, from);
  move(good, from, have_);
  settling_.remove(good);
  return good;
}

bool Holdings::suspect(Range range) {
  const std::lock_guard lock(mutex_);
  if (!have_.contains(range)) return false;
  move(range, have_, suspect_);
  resumed_.remove(range);
  return true;
}

void Holdings::end_of_suspects() {
  const std::lock_guard lock(mutex_);
  settling_.remove(suspect_);
  missing_.add(suspect_);
  suspect_ = RangeSet();
}

void Holdings::drop(Range range) {
  if (range.begin >= range.end) return;
  const std::lock_guard lock(mutex_);
  for (RangeSet* set : {&missing_, &in_flight_, &settling_, &have_, &suspect_, &resumed_})
    set->remove(range);
}

bool Holdings::lose(Range range) {
  if (range.begin >= range.end) return false;
  const std::lock_guard lock(mutex_);
  const bool whole = have_.contains(range);
  for (RangeSet* set : {&have_, &suspect_}) {
    const RangeSet lost = set->intersection(range);
    move(lost, *set, missing_);
  }
  resumed_.remove(range);
  return whole;
}

RangeSet Holdings::resumed(Range range) const {
  const std::lock_guard lock(mutex_);
  return resumed_.intersection(range);
}

bool Holdings::knows(Range range) const {
  const std::lock_guard lock(mutex_);
  return missing_.intersects(range) || in_flight_.intersects(range) || have_.intersects(range) ||
         suspect_.intersects(range);
}

bool Holdings::has(Range range) const {
  const std::lock_guard lock(mutex_);
  return have_.contains(range);
}

bool Holdings::all_here() const {
  const std::lock_guard lock(mutex_);
  return missing_.empty() && in_flight_.empty() && suspect_.empty();
}

std::uint64_t Holdings::have_bytes() const {
  const std::lock_guard lock(mutex_);
  return have_.length();
}

std::uint64_t Holdings::resumed_bytes() const {
  const std::lock_guard lock(mutex_);
  return resumed_.length();
}

}  // namespace peer::storage
