#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "protocol/ids.hpp"
#include "protocol/message.hpp"
#include "protocol/ranges.hpp"
#include "storage/catalogue.hpp"
#include "storage/folder.hpp"
#include "storage/holdings.hpp"
#include "storage/intake.hpp"
#include "storage/journal.hpp"
#include "storage/new_names.hpp"
#include "storage/review.hpp"
#include "storage/staging.hpp"

/// What the parts of an intake share: its loader, its writers, its delivery.
namespace peer::storage {

/// What became of single entries. Thread-safe, quick.
class EntryMarks {
 public:
  /// From the journal. Failures of an earlier round are tried again when chosen again.
  void load_gone(std::uint64_t entry, const std::string& why, bool this_round);
  void load_failed(std::uint64_t first, std::uint64_t count, const std::string& why,
                   bool this_round);
  void load_delivered(std::uint64_t begin, std::uint64_t end);

  /// False if it was settled already.
  bool gone(std::uint64_t entry, const std::string& why);
  bool failed(std::uint64_t entry, const std::string& why);
  void there(std::uint64_t entry);     ///< by the clash rule what stands there stays
  void left_out(std::uint64_t entry);  ///< not whole when the transfer was given up
  void delivered(const protocol::RangeSet& entries);

  /// Nothing is to be fetched or placed for it in this round (any more).
  bool settled(std::uint64_t entry) const;
  /// Gone, failed or left out: nothing of it may get a final name.
  bool unfit(std::uint64_t entry) const;
  /// Failed in an earlier round and not tried in this one.
  bool failed_before(std::uint64_t entry) const;

  protocol::RangeSet delivered_now() const;  ///< in this round, by this run
  struct Summary {
    std::uint64_t failed = 0;
    std::uint64_t gone = 0;
    std::vector<protocol::Failure> failures;
    std::vector<protocol::Failure> gone_entries;
  };
  Summary summary() const;  ///< of this round
  std::uint64_t failed_count() const;

 private:
  mutable std::mutex mutex_;
  protocol::RangeSet gone_;
  protocol::RangeSet failed_;
  protocol::RangeSet failed_before_;
  protocol::RangeSet there_;
  protocol::RangeSet left_out_;
  protocol::RangeSet delivered_;
  protocol::RangeSet delivered_now_;
  Summary summary_;
};

/// Which name a root was given, and which file or folder that is.
struct RootMark {
  std::uint64_t entry = 0;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  std::uint64_t boot = 0;   ///< device numbers hold for one start of the machine only
  std::uint32_t round = 0;  ///< cut to 32 bits: only compared
  std::uint32_t number = 0;
  bool merging = false;  ///< in this round entries are moved into it one by one
};

/// The marks of all roots, by entry. One thread at a time.
class RootMarks {
 public:
  void set(const RootMark& mark);
  const RootMark* find(std::uint64_t entry) const;

 private:
  std::vector<RootMark> marks_;  ///< ascending
};

/// How a round ended, as the journal tells.
struct RoundEnd {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  bool complete = false;
};

/// Blocks are stored side by side; what was stored is taken back alone. Who waits for that goes
/// before those who come to store later.
class StoreGate {
 public:
  std::shared_lock<std::shared_mutex> side_by_side() {
    const std::lock_guard turn(turn_);
    return std::shared_lock(all_);
  }
  std::unique_lock<std::shared_mutex> alone() {
    const std::lock_guard turn(turn_);
    return std::unique_lock(all_);
  }

 private:
  std::mutex turn_;
  std::shared_mutex all_;
};

inline constexpr std::size_t kMaxRootsNamed = 20;  ///< in Intake::Delivered

struct IntakeState {
  protocol::OfferId id;
  LandingPlan plan;
  std::uint64_t round = 1;
  std::shared_ptr<const Catalogue> catalogue;
  Folder record;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<Staging> staging;  ///< null once the round has ended
  StoreGate gate;
  Holdings holdings;
  /// Files that were claimed in part when this was opened, or not believed, less what differs() has
  /// taken back. Changed with the gate held alone, read beside it.
  protocol::RangeSet in_part;
  /// Files of which re-hashing has found all that was claimed: their times tell nothing more.
  /// Changed by Recheck, read while nothing is re-hashed.
  protocol::RangeSet proven;
  EntryMarks marks;
  RootMarks roots;
  std::optional<RoundEnd> ended;
  /// The choice was changed within the round: staging may hold what is not chosen any more.
  bool sweep = false;

  // What this run has delivered in this round so far, over several calls of deliver().
  std::uint64_t delivered_files = 0;
  std::uint64_t delivered_bytes = 0;
  std::vector<std::string> delivered_roots;  ///< absolute, the first kMaxRootsNamed
  NewNames new_names;                        ///< for plan.durable

  std::atomic<std::uint64_t> chosen_bytes{0};
  std::atomic<std::uint64_t> chosen_files{0};
  std::atomic<std::uint64_t> have_files{0};

  // Of files that are not whole yet, the holes in them; and whole ones that looked as if somebody
  // had been at them.
  mutable std::mutex doubts_mutex;
  protocol::RangeSet zeros;
  protocol::RangeSet doubted;

  /// The name that a root wants here.
  std::string wished_name(const PlacedEntry& root) const;
  /// The name numbered `n`.
  std::string final_name(const PlacedEntry& root, std::uint32_t n) const;
  /// Whether what the mark tells of is still under its name.
  Result<bool> still_there(const PlacedEntry& root, const RootMark& mark) const;
  /// Whether the root was moved whole in this round, before the program ended.
  Result<bool> moved_already(const PlacedEntry& root) const;

  /// One entry cannot be stored here: named, nothing of it is lacking any more.
  Result<void> fail(const PlacedEntry& entry, const std::string& why);
  /// As fail() for errors that are the entry's own; other errors are handed back.
  Result<void> fail_or_return(const PlacedEntry& entry, Error error);
  void forget_bytes(const PlacedEntry& entry);
  /// What was stored of this file cannot be believed: removed, all of it lacking again. Nothing is
  /// stored meanwhile. Does nothing to a file that is settled.
  Result<void> lose(const PlacedEntry& file);
  /// A whole file that somebody may have changed: to be re-hashed before it counts as here again.
  Result<void> suspect(const PlacedEntry& file);
  Result<void> note_suspect(protocol::Range range) const;  ///< in the journal only

  void add_zeros(protocol::Range hole);
  protocol::RangeSet zeros_of(const PlacedEntry& file) const;
  /// It is whole: its holes need not be known any more.
  void completed(const PlacedEntry& file, bool unbroken);
  bool is_doubted(const PlacedEntry& file) const;
};

/// Whether what stands at `st` is this entry as offered: kind, size and mtime (a link: its target).
Result<bool> is_same(const protocol::Entry& entry, const Folder& parent, std::string_view name,
                     const struct stat& st);

/// The same of what bears `name`; false when nothing does.
Result<bool> has_same(const protocol::Entry& entry, const Folder& parent, std::string_view name);

/// Why an error of one entry, for people: "permission denied".
std::string reason_of(const Error& error);

}  // namespace peer::storage
