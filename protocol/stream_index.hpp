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
  };

  /// The next entry, `size` bytes of the stream long (0 for folders and links). The caller has
  /// checked that sums fit.
  void append(std::uint64_t size);
  /// The last mark whose offset is <= `offset`; of several with one offset (empty entries) the
  /// first such that no entry holding `offset` lies before it.
  Mark floor(std::uint64_t offset) const;
  std::uint64_t entries() const { return entries_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::uint64_t stride_ = 1;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  std::vector<std::uint64_t> offsets_;
};

}  // namespace peer::protocol
