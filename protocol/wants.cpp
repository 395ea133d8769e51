#include "protocol/wants.hpp"

#include <algorithm>
#include <cassert>

#include "protocol/errors.hpp"

namespace peer::protocol {
namespace {

/// The other side may lower a limit, never raise it.
PeerLimits at_most_ours(PeerLimits limits) {
  limits.open_wants = std::min<std::uint64_t>(limits.open_wants, kMaxOpenWants);
  limits.open_want_bytes = std::min(limits.open_want_bytes, kMaxOpenWantBytes);
  limits.block_bytes = std::min<std::uint64_t>(limits.block_bytes, kMaxBlockBytes);
  return limits;
}

bool same_stream(const Want& a, const Want& b) { return a.id == b.id && a.of == b.of; }

/// Whether `answer` begins where `want` begins and does not go beyond it.
bool begins(const Want& answer, const Want& want) {
  return answer.offset == want.offset && answer.length <= want.length;
}

bool holds(const Want& want, std::uint64_t offset) {
  return offset >= want.offset && offset - want.offset < want.length;
}

void advance_by(Want& want, std::uint64_t length) {
  want.offset += length;
  want.length -= length;
}

}  // namespace

// ---- holes

void NamedHoles::add(const OfferId& id, std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  holes_.push_back({id, {begin, end}});
  if (holes_.size() > max_ranges_) holes_.pop_front();
}

void NamedHoles::answered(const OfferId& id, std::uint64_t begin, std::uint64_t end) {
  for (auto hole = holes_.begin(); hole != holes_.end();) {
    auto& range = hole->range;
    if (hole->id != id || end <= range.begin || range.end <= begin) {
      ++hole;
      continue;
    }
    const Range before{range.begin, std::max(range.begin, begin)};
    const Range behind{std::min(range.end, end), range.end};
    hole = holes_.erase(hole);
    for (const Range rest : {behind, before})
      if (rest.begin < rest.end) hole = holes_.insert(hole, {id, rest});
    hole += (before.begin < before.end) + (behind.begin < behind.end);
  }
  while (holes_.size() > max_ranges_) holes_.pop_front();
}

bool NamedHoles::contains(const Want& want) const {
  return want.of == Of::stream && std::ranges::any_of(holes_, [&](const Hole& hole) {
           return hole.id == want.id && hole.range.begin <= want.offset &&
                  want.offset + want.length <= hole.range.end;
         });
}

void NamedHoles::forget(const OfferId& id) {
  std::erase_if(holes_, [&](const Hole& hole) { return hole.id == id; });
}

// ---- the taker's side

AskedWants::AskedWants(const PeerLimits& limits) : limits_(at_most_ours(limits)) {}

bool AskedWants::room(std::uint64_t length) const {
  return length > 0 && length <= kMaxWantBytes && count_ < limits_.open_wants &&
         length <= limits_.open_want_bytes && bytes_ <= limits_.open_want_bytes - length;
}

bool AskedWants::room(const Want& want) const {
  if (want.length > 0 && hole_count_ < kMaxHoleWantsAsked && holes_.contains(want)) return true;
  return room(want.length);
}

void AskedWants::add(const Want& want) {
  assert(want.length > 0 && room(want));
  const bool in_hole = hole_count_ < kMaxHoleWantsAsked && holes_.contains(want);
  if (in_hole) {
    ++hole_count_;
  } else {
    ++count_;
    bytes_ += want.length;
  }
  open_[{want.id, want.of}].push_back({want, in_hole});
}

void AskedWants::uncount(const Asked& asked) {
  if (asked.in_hole) {
    --hole_count_;
  } else {
    --count_;
    bytes_ -= asked.left.length;
  }
}

bool AskedWants::take_open(const Want& answer) {
  const auto it = open_.find({answer.id, answer.of});
  if (it == open_.end() || !begins(answer, it->second.front().left)) return false;
  Asked& asked = it->second.front();
  if (!asked.in_hole) bytes_ -= answer.length;
  advance_by(asked.left, answer.length);
  want_done_ = asked.left.length == 0;
  if (want_done_) {
    uncount(asked);
    it->second.pop_front();
    if (it->second.empty()) open_.erase(it);
  }
  return true;
}

bool AskedWants::take_late(const Want& answer) {
  const auto it = std::find_if(late_.begin(), late_.end(), [&](const Want& late) {
    return same_stream(answer, late) && begins(answer, late);
  });
  if (it == late_.end()) return false;
  advance_by(*it, answer.length);
  want_done_ = it->length == 0;
  if (want_done_) late_.erase(it);
  return true;
}

Result<void> AskedWants::take(const Want& answer, const char* what) {
  answer_wanted_ = false;
  if (answer.length == 0) return Error(Errc::bad_state, std::string(what) + " of no bytes");
  if (take_open(answer)) {
    answer_wanted_ = true;
    // Answers come in the order of the wants: those dropped before this one will not be answered
    // any more, unless what just came was asked twice.
    std::erase_if(late_, [&](const Want& late) {
      return same_stream(answer, late) && !holds(late, answer.offset);
    });
  } else if (!take_late(answer)) {
    return Error(Errc::bad_state, std::string(what) + " at " + std::to_string(answer.offset) +
                                      " that was not wanted there");
  }
  if (answer.of == Of::stream)
    holes_.answered(answer.id, answer.offset, answer.offset + answer.length);
  return {};
}

Result<void> AskedWants::answered(const Data& data) {
  if (data.payload() > limits_.block_bytes)
    return Error(Errc::too_much, "a block of " + std::to_string(data.length) + " bytes");
  if (data.zeros() && (data.of != Of::stream || *data.until < data.offset + data.length))
    return Error(Errc::bad_state, "zeros at " + std::to_string(data.offset));
  auto fits = take({data.id, data.of, data.offset, data.length}, "data");
  if (fits && data.zeros() && *data.until > data.offset + data.length && !want_done_)
    return Error(Errc::bad_state, "zeros that end before the hole and before the want");
  if (fits && data.zeros()) holes_.add(data.id, data.offset + data.length, *data.until);
  return fits;
}

Result<void> AskedWants::answered(const Gone& gone) {
  return take({gone.id, Of::stream, gone.offset, gone.length}, "gone");
}

std::vector<Want> AskedWants::drop(const OfferId& id) {
  std::vector<Want> dropped;
  for (const Of of : {Of::stream, Of::manifest}) {
    const auto it = open_.find({id, of});
    if (it == open_.end()) continue;
    for (const Asked& asked : it->second) {
      uncount(asked);
      dropped.push_back(asked.left);
    }
    open_.erase(it);
  }
  late_.insert(late_.end(), dropped.begin(), dropped.end());
  while (late_.size() > kMaxLateWants) late_.pop_front();
  return dropped;
}

std::vector<Want> AskedWants::open() const {
  std::vector<Want> all;
  for (const auto& [key, queue] : open_)
    for (const Asked& asked : queue) all.push_back(asked.left);
  return all;
}

bool AskedWants::has_open(const OfferId& id, Of of) const { return open_.contains({id, of}); }

// ---- the giver's side

ServedWants::ServedWants(const PeerLimits& ours) : limits_(at_most_ours(ours)) {}

Result<void> ServedWants::add(const Want& want) {
  const bool in_hole = hole_count_ < kMaxHoleWantsServed && holes_.contains(want);
  if (!in_hole) {
    if (want.length > kMaxWantBytes)
      return Error(Errc::too_much, "a want of " + std::to_string(want.length) + " bytes");
    if (count_ >= kServedSlack * limits_.open_wants)
      return Error(Errc::too_much, "more than " + std::to_string(limits_.open_wants) + " wants");
    if (bytes_ + want.length > kServedSlack * limits_.open_want_bytes)
      return Error(Errc::too_much,
                   "more than " + std::to_string(limits_.open_want_bytes) + " bytes wanted");
    ++count_;
    bytes_ += want.length;
  } else {
    ++hole_count_;
  }
  const Key key{want.id, want.of};
  auto& queue = open_[key];
  if (queue.empty()) turns_.push_back(key);
  queue.push_back({want, in_hole});
  return {};
}

std::optional<Want> ServedWants::next() const {
  if (turns_.empty()) return std::nullopt;
  return open_.at(turns_.front()).front().left;
}

void ServedWants::uncount(const Asked& asked) {
  if (asked.in_hole) {
    --hole_count_;
  } else {
    --count_;
    bytes_ -= asked.left.length;
  }
}

void ServedWants::pass() {
  if (turns_.size() < 2) return;
  turns_.push_back(turns_.front());
  turns_.pop_front();
}

void ServedWants::advance(std::uint64_t length) {
  assert(!turns_.empty());
  const Key key = turns_.front();
  auto& queue = open_.at(key);
  Asked& asked = queue.front();
  assert(length > 0 && length <= asked.left.length);
  if (key.second == Of::stream)
    holes_.answered(key.first, asked.left.offset, asked.left.offset + length);
  if (!asked.in_hole) bytes_ -= length;
  advance_by(asked.left, length);
  if (asked.left.length == 0) {
    uncount(asked);
    queue.pop_front();
  }
  turns_.pop_front();
  if (queue.empty())
    open_.erase(key);
  else
    turns_.push_back(key);
}

void ServedWants::name_hole(const OfferId& id, Range hole) { holes_.add(id, hole.begin, hole.end); }

void ServedWants::drop(const Key& key) {
  const auto it = open_.find(key);
  if (it == open_.end()) return;
  for (const Asked& asked : it->second) uncount(asked);
  open_.erase(it);
  std::erase(turns_, key);
}

void ServedWants::drop(const OfferId& id) {
  drop(Key{id, Of::stream});
  drop(Key{id, Of::manifest});
}

void ServedWants::end(const OfferId& id) {
  drop(id);
  holes_.forget(id);
}

}  // namespace peer::protocol
