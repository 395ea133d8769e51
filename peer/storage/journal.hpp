#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/ids.hpp"
#include "protocol/ranges.hpp"
#include "protocol/result.hpp"
#include "storage/folder.hpp"

namespace peer::storage {

/// One line of a transfer's journal. What `a`, `b`, `aux` mean depends on the type.
struct JournalRecord {
  enum class Type : std::uint32_t {
    stored = 1,  ///< stream range a, length b is written; aux the digest's kind, rest the digest
    zeros,       ///< stream range a, length b is a hole
    dropped,     ///< what was claimed of the range a, length b is not there
    fresh,       ///< a new, empty staging folder: nothing claimed before counts
    plan,        ///< round a began or went on, with the choice whose hash is b
    gone,        ///< entry a cannot be sent; b the round, rest a text
    failed,      ///< entries a to a + aux cannot be stored here; b the round, rest a text
    root,        ///< root entry a, inode b, device and round in rest, gets its name numbered aux
    merging,     ///< root entry a is being merged into the root numbered aux, else as `root`
    delivered,   ///< entries a to b have their final names
    round_done,  ///< round a ended; b files, in rest bytes, failed, gone, complete
    suspect,     ///< what was claimed of the range a, length b is to be re-hashed
    opened,      ///< a run began to look at staging; a and b are for storage/touched.hpp
    surveyed,    ///< it has noted here all that it found lost or suspect
  };
  Type type = Type::stored;
  std::uint32_t aux = 0;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint64_t boot = 0;  ///< which start of the machine this was written in
  std::array<std::byte, 56> rest{};

  static JournalRecord stored(protocol::Range range, const protocol::Digest& digest);
  static JournalRecord of(Type type, std::uint64_t a, std::uint64_t b, std::uint32_t aux = 0);
  protocol::Range range() const { return {a, a + b}; }
  protocol::Digest digest() const;
  std::string text() const;
  void set_text(std::string_view text);       ///< cut to what fits, between UTF-8 characters
  std::uint64_t number(std::size_t i) const;  ///< the i-th 64-bit number in rest, i < 7
  void set_number(std::size_t i, std::uint64_t value);
};

/// When a file was last written to, in nanoseconds: its mtime, which a new link or mode leaves as
/// it is, but nothing that somebody set ahead.
std::int64_t write_time(const struct stat& st);

/// A hash of the kernel's boot id: the same until the machine starts again.
std::uint64_t current_boot();

/// The append-only journal of a transfer: records of one size, each with a checksum. A record is
/// written by one write(2) as soon as it is appended, so a crash of the program loses none; the
/// caller appends only after the data is written. A torn end and damaged records are passed over. A
/// file of another version or without our header counts as empty and is begun anew; what is no file
/// at all gives way to one. Native byte order: it never leaves the machine. Thread-safe.
class Journal {
 public:
  static constexpr std::size_t kRecordBytes = 96;
  static constexpr char kName[] = "journal";

  static Result<std::unique_ptr<Journal>> open(const Folder& record,
                                               std::uint64_t boot = current_boot());
  std::uint64_t boot() const { return boot_; }
  int fd() const { return fd_.get(); }
  /// The journal's write_time() before open() wrote anything; 0 if it was made or begun anew.
  std::int64_t last_written() const { return last_written_; }
  /// From now on each append sets the times of this file too. For a staging folder on another file
  /// system, whose times are another machine's perhaps.
  void set_witness(Fd file) { witness_ = std::move(file); }
  /// Sets the times of the journal, or its witness, to now, which is behind those of all files
  /// written before. Waits for the next tick of the clock if need be.
  void mark_time();
  /// What was appended is on the disk.
  Result<void> sync();

  /// With this boot filled in. On an error nothing was appended.
  Result<void> append(JournalRecord record);
  Result<void> append(std::vector<JournalRecord> records);

  /// Reads the records that are there when it is made, in order. One thread; the journal outlives
  /// it.
  class Reader {
   public:
    explicit Reader(const Journal& journal);
    Result<bool> next(JournalRecord& out);  ///< false at the end
    /// Whether records were damaged just before the one next() gave (or before the end).
    bool passed_damage() const { return damage_; }

   private:
    const Journal& journal_;
    std::uint64_t at_;
    std::uint64_t end_;
    std::vector<std::byte> buffer_;
    std::size_t used_ = 0;  ///< of buffer_
    bool damage_ = false;
  };

 private:
  Journal(Fd fd, std::string shown, std::uint64_t end, std::uint64_t boot,
          std::int64_t last_written)
      : fd_(std::move(fd)),
        shown_(std::move(shown)),
        end_(end),
        boot_(boot),
        last_written_(last_written) {}
  Result<void> append(std::span<const std::byte> bytes);  ///< of whole records

  Fd fd_;
  std::string shown_;
  mutable std::mutex mutex_;
  std::uint64_t end_;  ///< where the next record goes
  std::uint64_t boot_;
  std::int64_t last_written_;
  Fd witness_;
};

}  // namespace peer::storage
