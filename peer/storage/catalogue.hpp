#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "protocol/manifest.hpp"
#include "protocol/ranges.hpp"
#include "protocol/result.hpp"
#include "protocol/stream_index.hpp"

namespace peer::storage {

/// What the giver noted about a file when it was offered, beside size and mtime; never leaves the
/// machine.
struct SourceStamp {
  std::uint64_t inode = 0;
  std::int64_t ctime = 0;  ///< nanoseconds since 1970 UTC
};

/// An entry with its place.
struct PlacedEntry {
  protocol::Entry entry;
  std::uint64_t index = 0;  ///< in the manifest
  std::uint64_t offset =
      0;  ///< in the stream; for folders, links and empty files where the next byte would be
  SourceStamp stamp;  ///< giver's side only
  protocol::Range range() const { return {offset, offset + entry.size}; }
};

/// A manifest turned into fixed-size records on disk, so that an entry is found by number or by
/// stream offset without reading JSON again. Two files, `catalogue` and `names`, in the folder of
/// an offer. Memory is a few buffers, whatever the number of entries. Written by one thread; then
/// immutable.
class CatalogueWriter {
 public:
  static Result<CatalogueWriter> create(const std::string& folder);
  CatalogueWriter(CatalogueWriter&&) noexcept;
  CatalogueWriter& operator=(CatalogueWriter&&) noexcept;
  ~CatalogueWriter();
  /// In the manifest's order; sums have been judged.
  Result<void> add(const protocol::Entry& entry, const SourceStamp& stamp = {});
  /// Until this returned, open() refuses the folder.
  Result<void> finish();

 private:
  struct Impl;
  explicit CatalogueWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Reading one. Thread-safe; each thread has its own cursors.
class Catalogue {
 public:
  /// Reads all records once. One that was not finished, or that lost bytes in a crash, is an error
  /// (damaged()); names are judged when a cursor comes to them.
  static Result<std::shared_ptr<const Catalogue>> open(const std::string& folder);
  virtual ~Catalogue() = default;

  std::uint64_t entries() const { return index_.entries(); }
  std::uint64_t bytes() const { return index_.bytes(); }

  /// Walks entries in order, at first from the first one. next() gives the entry at the cursor and
  /// moves on; false at the end. A cursor may outlive its catalogue.
  class Cursor {
   public:
    virtual ~Cursor() = default;
    virtual Result<bool> next(PlacedEntry& out) = 0;
    /// Goes to an entry by number (entries() is the end), or to the file that holds a stream offset
    /// (offset < bytes()). EINVAL past that.
    virtual Result<void> to_entry(std::uint64_t index) = 0;
    virtual Result<void> to_offset(std::uint64_t offset) = 0;
  };
  virtual std::unique_ptr<Cursor> cursor() const = 0;

 protected:
  protocol::StreamIndex index_;
};

}  // namespace peer::storage
