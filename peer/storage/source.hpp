#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "protocol/message.hpp"
#include "protocol/result.hpp"

namespace peer::storage {

/// The files of an offer of ours, as they were when scanned: the giver's only state in a transfer.
/// Opens the folder that scan() wrote. Thread-safe; each thread reads through its own Reader.
class Source {
 public:
  static Result<std::shared_ptr<Source>> open(const std::string& folder);
  virtual ~Source() = default;

  /// What read() found from `offset` on: the next answer to a want.
  struct Piece {
    enum class Kind : std::uint8_t { data, zeros, gone };
    Kind kind = Kind::data;
    std::uint64_t length = 0;    ///< bytes of the stream this answers, at least 1
    std::uint64_t hole_end = 0;  ///< zeros: stream offset where the hole ends in this file
    std::uint64_t entry = 0;     ///< gone: which
    std::string reason;          ///< gone: "changed", "vanished", "unreadable"
    std::string text;            ///< gone: for people, with the errno's text
  };

  class Reader {
   public:
    virtual ~Reader() = default;
    /// Answers the front of [offset, offset + length): fills `buffer` with data of one or many
    /// files, or says that a hole or a lost file begins there. A file's bytes count only if size,
    /// mtime, ctime and inode are those of the record after reading (DESIGN "No byte of another
    /// version leaves"). A file found changed stays gone for good. An error is the disk's (EIO on
    /// the record itself), never one file's.
    virtual Result<Piece> read(std::uint64_t offset, std::uint64_t length,
                               std::span<std::byte> buffer) = 0;
    /// Path of the file that the latest read() ended in; empty before the first.
    virtual const std::string& current() const = 0;
    /// Bytes of the manifest.
    virtual Result<std::size_t> read_manifest(std::uint64_t offset,
                                              std::span<std::byte> buffer) = 0;
    /// For `check`: whether this range still has this digest and its files are those of the record.
    /// The digest is one that the taker got from us: if another one is found the files of this
    /// range are not those that were offered, whatever their size and times say, and are gone for
    /// good.
    virtual Result<bool> still_has(std::uint64_t offset, std::uint64_t length,
                                   const protocol::Digest& digest) = 0;
  };
  virtual std::unique_ptr<Reader> reader() = 0;

  virtual std::uint64_t bytes() const = 0;
  /// Entries found changed, vanished or unreadable so far.
  virtual std::uint64_t gone_count() const = 0;
  /// Whether every file still has the stamp of the record (stat only): what "the same offer again"
  /// needs. Blocking.
  virtual Result<bool> unchanged() = 0;
};

}  // namespace peer::storage
