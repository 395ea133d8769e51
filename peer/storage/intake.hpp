#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/message.hpp"
#include "protocol/ranges.hpp"
#include "protocol/result.hpp"
#include "storage/catalogue.hpp"
#include "storage/review.hpp"
#include "storage/space_book.hpp"

namespace peer::storage {

/// The taker's side of one transfer on disk: what is lacking, the staging folder, the journal, and
/// the delivery under final names. Thread-safe: lanes and the session take ranges and store bytes
/// at the same time. All calls may block on the disk except the ones marked quick.
class Intake {
 public:
  struct Progress {
    std::uint64_t chosen_bytes = 0;
    std::uint64_t have_bytes = 0;  ///< verified and written, holes included
    std::uint64_t chosen_files = 0;
    std::uint64_t have_files = 0;
    std::uint64_t failed_entries = 0;  ///< failed here or gone
    std::uint64_t resumed_bytes =
        0;                ///< of have_bytes, what an earlier run of the program had written
    std::string current;  ///< path of a file lately written to
  };
  struct Delivered {
    std::uint64_t files = 0;  ///< in this round
    std::uint64_t bytes = 0;
    std::uint64_t failed = 0;                 ///< entries that could not be stored or placed here
    std::vector<protocol::Failure> failures;  ///< of those, the first kMaxFailuresNamed
    std::uint64_t gone = 0;                   ///< entries that the giver could not send
    std::vector<protocol::Failure> gone_entries;  ///< of those, the first kMaxFailuresNamed
    std::vector<std::string> roots;               ///< absolute final paths, at most 20
    bool complete =
        false;  ///< nothing of this offer is left to be wanted: all here, failed or gone
  };

  /// Opens or resumes: `record` is the offer's folder in our state (catalogue, journal), staging
  /// lies in plan.folder (made if need be) and is named after `id`. `round` > 1 goes on with what
  /// earlier rounds delivered; a new choice within a round takes the place of the old one. Ranges
  /// that the journal claims are believed if they were written since this boot of the machine into
  /// files that nobody touched since the last run; else they are lacking until recheck_step() found
  /// them good. A record that is damaged is an error that says so
  /// (std::errc::state_not_recoverable); a damaged journal only makes ranges lacking or suspect.
  static Result<std::shared_ptr<Intake>> open(const std::string& record,
                                              const protocol::OfferId& id, const LandingPlan& plan,
                                              std::uint64_t round);
  virtual ~Intake() = default;

  /// Quick. The next range to want, at most `max_length`, cut at multiples of kBlockBytes; nothing
  /// while all else is wanted by somebody or here.
  virtual std::optional<protocol::Range> take(std::uint64_t max_length) = 0;
  /// Quick. What is lacking at the front of `hole`, taken whole: zeros are coming for it.
  virtual std::optional<protocol::Range> take_within(protocol::Range hole) = 0;
  /// Quick. A range that was taken and not stored is lacking again.
  virtual void give_back(protocol::Range range) = 0;
  /// Quick. Whether this round has been delivered, by an earlier run perhaps.
  virtual bool round_over() const = 0;
  /// Quick. Whether every chosen byte is stored, failed or gone, and nothing waits to be re-hashed.
  virtual bool all_here() const = 0;
  /// Re-hashes one range that is claimed and not believed: here if it is good, else lacking. False
  /// when nothing is left to re-hash. For a pool thread, beside everything else.
  virtual bool recheck_step() = 0;
  virtual Progress progress() const = 0;  ///< quick
  /// Whether the receiving folder is still the one at its path (Staging::still_there()).
  virtual Result<void> still_there() const = 0;

  class Writer {
   public:
    virtual ~Writer() = default;
    /// Verifies the digest (Errc::bad_digest: nothing was written, give the range back), writes,
    /// completes files whose last byte this was, notes it in the journal. Disk errors carry their
    /// errno (ENOSPC, EDQUOT, EIO) and the path; the caller gives the range back. An entry that
    /// cannot be stored here (its name is too long, say) fails by name and is no error. Of bytes
    /// that nobody lacks any more nothing is written.
    virtual Result<void> store(std::uint64_t offset, std::span<const std::byte> bytes,
                               const protocol::Digest& digest) = 0;
    /// A hole, within one file (Errc::bad_message otherwise).
    virtual Result<void> store_zeros(std::uint64_t offset, std::uint64_t length) = 0;
  };
  /// One per thread.
  virtual std::unique_ptr<Writer> writer() = 0;

  /// The giver cannot send this entry any more, of which `asked` was wanted: nothing of it is
  /// lacking, what was written of it is removed. Errc::bad_state if `asked` does not lie in that
  /// entry.
  virtual Result<void> gone(std::uint64_t entry, protocol::Range asked, const std::string& why) = 0;

  struct Claim {
    protocol::Range range;
    protocol::Digest digest;
  };
  /// What the giver should be asked (`check`) before the rest is trusted to be of the same files:
  /// ranges that an earlier run stored, of files that were here in part when this was opened (holes
  /// apart), each once. Nothing when none is left. Blocks on the disk, and for as long as
  /// recheck_step() has anything to do; one thread, beside everything else but deliver().
  virtual std::optional<Claim> next_claim() = 0;
  /// The giver's file differs there: of the files that were here in part and that overlap the range
  /// nothing is here any more, all of it is lacking. Beside everything else but deliver().
  virtual Result<void> differs(protocol::Range range) = 0;

  /// For an orderly end, when nobody stores any more: the next run can tell what is touched from
  /// now on. A crash loses nothing without it: what store() returned from is in the journal.
  virtual Result<void> flush() = 0;
  /// all_here() holds: folders get their modes and times, everything its final name by the plan's
  /// clash rule, links, empty files and empty folders too. An entry that cannot get it fails by
  /// name; the rest is delivered. An error is the disk's; calling it again, after a crash too, goes
  /// on. Nothing may be stored meanwhile. EAGAIN: somebody changed what lay in staging; what of it
  /// is lacking now is to be taken, the rest re-hashed (recheck_step()). With plan.durable all of
  /// it is on the disk when this returns; files of which the disk said that they did not get there
  /// are lacking after the error (all_here() is false), to be taken and stored anew.
  virtual Result<Delivered> deliver() = 0;
  /// Removes staging and journal: only what this transfer made. With `keep`, complete files (and
  /// links) are delivered first; delivered() tells which. Nothing else may be called after it.
  virtual Result<void> abandon(bool keep) = 0;
  /// What the last deliver() or abandon(true) returned or did.
  virtual Delivered delivered() const = 0;
};

}  // namespace peer::storage
