#include "protocol/stream_index.hpp"

#include <algorithm>

namespace peer::protocol {

void StreamIndex::append(std::uint64_t size) {
  if (entries_ % stride_ == 0) {
    if (offsets_.size() == kMarks) {
      for (std::size_t i = 0; i < kMarks / 2; ++i) offsets_[i] = offsets_[2 * i];
      offsets_.resize(kMarks / 2);
      stride_ *= 2;
    }
    // kMarks is even: with the stride doubled this entry is still due.
    offsets_.push_back(bytes_);
  }
  ++entries_;
  bytes_ += size;
}

StreamIndex::Mark StreamIndex::floor(std::uint64_t offset) const {
  // Whoever holds `offset` begins at or before it, and the entries between the marks of one offset
  // are empty: the first of these marks is not behind the holder.
  const auto found = nearest(offset);
  const auto first = std::lower_bound(offsets_.begin(), offsets_.end(), found.offset);
  return mark(static_cast<std::size_t>(first - offsets_.begin()));
}

StreamIndex::Mark StreamIndex::nearest(std::uint64_t offset) const {
  const auto above = std::upper_bound(offsets_.begin(), offsets_.end(), offset);
  return above == offsets_.begin() ? Mark{}
                                   : mark(static_cast<std::size_t>(above - offsets_.begin()) - 1);
}

StreamIndex::Mark StreamIndex::before(std::uint64_t entry) const {
  if (offsets_.empty()) return {};
  const std::uint64_t number = std::min<std::uint64_t>(entry / stride_, offsets_.size() - 1);
  return mark(static_cast<std::size_t>(number));
}

StreamIndex::Mark StreamIndex::mark(std::size_t number) const {
  if (number >= offsets_.size()) return {};
  return {number * stride_, offsets_[number]};
}

}  // namespace peer::protocol
