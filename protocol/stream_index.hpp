#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace peer::protocol {

/// Where entries lie in the stream: the offset of every k-th, k doubling when the table is full, so
/// that millions of entries take bounded memory (kMarks * 8 bytes). The rest is found by walking on
/// from a mark.
class StreamIndex {
 public:
  static constexpr std::size_t kMarks = 16'384;

  struct Mark {
    std::uint64_t entry = 0;   ///< index in the manifest
    std::uint64_t offset = 0;  ///< in the stream, where this entry begins
    friend bool operator==(const Mark&, const Mark&) = default;
  };

  /// The next entry, `size` bytes of the stream long (0 for folders and links). The caller has
  /// checked that sums fit.
  void append(std::uint64_t size);
  /// The last mark whose offset is <= `offset`; of several with one offset (empty entries) the
  /// first such that no entry holding `offset` lies before it. Walking on from it meets the empty
  /// entries at that offset too, however many.
  Mark floor(std::uint64_t offset) const;
  /// The last mark such that no entry holding `offset` lies before it: at most stride() entries are
  /// walked to the one that does.
  Mark nearest(std::uint64_t offset) const;
  /// The last mark at or before an entry.
  Mark before(std::uint64_t entry) const;
  std::uint64_t entries() const { return entries_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t stride() const { return stride_; }  ///< entries from one mark to the next

 private:
  Mark mark(std::size_t number) const;

  std::uint64_t stride_ = 1;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  std::vector<std::uint64_t> offsets_;
};

}  // namespace peer::protocol
