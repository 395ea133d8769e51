#include "storage/intake.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "protocol/errors.hpp"
#include "protocol/limits.hpp"
#include "protocol/path.hpp"
#include "storage/chooser.hpp"
#include "storage/confirm.hpp"
#include "storage/delivery.hpp"
#include "storage/digest.hpp"
#include "storage/disk_error.hpp"
#include "storage/inspect.hpp"
#include "storage/intake_state.hpp"
#include "storage/recheck.hpp"
#include "storage/staged_tree.hpp"
#include "storage/survey.hpp"

namespace peer::storage {
namespace {

using protocol::Kind;
using protocol::Range;
using protocol::RangeSet;

class OpenIntake;

/// Writes blocks of one thread.
class BlockWriter final : public Intake::Writer {
 public:
  explicit BlockWriter(std::shared_ptr<OpenIntake> intake);
  Result<void> store(std::uint64_t offset, std::span<const std::byte> bytes,
                     const protocol::Digest& digest) override;
  Result<void> store_zeros(std::uint64_t offset, std::uint64_t length) override;

 private:
  Result<void> write(Range part, std::span<const std::byte> bytes);
  Result<void> write(const PlacedEntry& file, Range part, std::span<const std::byte> bytes);
  Result<void> finish(const RangeSet& parts, const std::vector<JournalRecord>& records);

  std::shared_ptr<OpenIntake> intake_;
  IntakeState& s_;
  std::unique_ptr<Catalogue::Cursor> cursor_;
  std::optional<StagedTree> tree_;  ///< none once the round has ended: then nothing is lacking
  // of the block being stored
  std::vector<PlacedEntry> edges_;  ///< files that also have bytes outside of it
  std::uint64_t whole_files_ = 0;
};

class OpenIntake final : public Intake, public std::enable_shared_from_this<OpenIntake> {
 public:
  std::optional<Range> take(std::uint64_t max_length) override {
    return s.holdings.take(max_length);
  }
  std::optional<Range> take_within(Range hole) override { return s.holdings.take_within(hole); }
  void give_back(Range range) override { s.holdings.give_back(range); }
  bool round_over() const override { return round_over_; }
  bool all_here() const override { return s.holdings.all_here(); }
  bool recheck_step() override { return recheck_.step(); }

  Progress progress() const override {
    Progress now;
    now.chosen_bytes = s.chosen_bytes;
    now.have_bytes = s.holdings.have_bytes();
    now.chosen_files = s.chosen_files;
    now.have_files = s.have_files;
    now.failed_entries = s.marks.failed_count();
    now.resumed_bytes = s.holdings.resumed_bytes();
    const std::lock_guard lock(current_mutex_);
    now.current = current_;
    return now;
  }

  Result<void> still_there() const override {
    return s.staging ? s.staging->still_there() : Result<void>();
  }

  std::unique_ptr<Writer> writer() override {
    return std::make_unique<BlockWriter>(shared_from_this());
  }

  Result<void> gone(std::uint64_t entry, protocol::Range asked, const std::string& why) override {
    const Error nonsense(protocol::Errc::bad_state,
                         "gone: the bytes asked for are not this entry's");
    if (entry >= s.catalogue->entries()) return nonsense;
    if (s.ended) return {};
    const auto cursor = s.catalogue->cursor();
    auto at = cursor->to_entry(entry);
    if (!at) return at;
    PlacedEntry file;
    auto more = cursor->next(file);
    if (!more) return std::move(more).error();
    const auto whole = file.range();
    if (file.entry.kind != Kind::file || asked.begin < whole.begin || asked.end > whole.end)
      return nonsense;
    const auto alone = s.gate.alone();
    if (!s.marks.gone(entry, why)) return {};
    s.forget_bytes(file);
    StagedTree tree(*s.staging);
    auto removed = tree.remove(file);
    if (!removed) return removed;
    auto record = JournalRecord::of(JournalRecord::Type::gone, entry, s.round);
    record.set_text(why);
    return s.journal->append(record);
  }

  std::optional<Claim> next_claim() override { return confirm_.next(); }
  Result<void> differs(protocol::Range range) override { return confirm_.differs(range); }

  Result<void> flush() override {
    if (s.journal) s.journal->mark_time();
    return {};
  }

  Result<Delivered> deliver() override {
    const std::lock_guard lock(delivery_mutex_);
    auto intact = s.ended ? Result<bool>(true) : inspect_staged(s);
    if (!intact) return std::move(intact).error();
    if (!*intact) {
      recheck_.begin_again();
      return errno_error("deliver what somebody changed in", s.staging->name(), EAGAIN);
    }
    auto result = deliver_all(s, true);
    if (result) delivered_ = *result;
    if (result) round_over_ = true;
    return result;
  }

  Result<void> abandon(bool keep) override {
    const std::lock_guard lock(delivery_mutex_);
    if (keep && !s.ended) {
      while (recheck_.step()) {
      }
      auto inspected = inspect_all();
      if (!inspected) return inspected;
      auto marked = leave_out_unfinished();
      if (!marked) return marked;
      auto result = deliver_all(s, false);
      if (!result) return std::move(result).error();
      delivered_ = std::move(*result);
    }
    s.holdings.begin({});
    if (s.staging) {
      auto removed = s.staging->remove();
      if (!removed) return removed;
    } else if (auto left = Staging::leave(s.record); !left) {
      return std::move(left).error();
    }
    auto forgotten = s.record.remove_file(Journal::kName);
    if (!forgotten && !is_errno(forgotten.error().code, ENOENT)) return forgotten;
    return {};
  }

  Delivered delivered() const override {
    const std::lock_guard lock(delivery_mutex_);
    return delivered_;
  }

  void now_at(const std::string& path) {
    const std::lock_guard lock(current_mutex_);
    current_ = path;
  }

  Result<void> begin() {
    auto surveyed = survey(s);
    if (surveyed) confirm_.begin();
    return surveyed;
  }

  void opened() { round_over_ = s.ended.has_value(); }

  IntakeState s;

 private:
  /// Until what counts as here is what was stored.
  Result<void> inspect_all() {
    for (;;) {
      auto intact = inspect_staged(s);
      if (!intact) return std::move(intact).error();
      if (*intact) return {};
      recheck_.begin_again();
      while (recheck_.step()) {
      }
    }
  }

  Result<void> leave_out_unfinished() {
    const auto cursor = s.catalogue->cursor();
    Chooser chooser(s.plan.selection);
    for (PlacedEntry entry;;) {
      auto more = cursor->next(entry);
      if (!more) return std::move(more).error();
      if (!*more) return {};
      if (chooser.chooses(entry) && entry.entry.kind == Kind::file && entry.entry.size > 0 &&
          !s.marks.settled(entry.index) && !s.holdings.has(entry.range()))
        s.marks.left_out(entry.index);
    }
  }

  Recheck recheck_{s};
  Confirm confirm_{s, recheck_};
  mutable std::mutex current_mutex_;
  std::string current_;
  mutable std::mutex delivery_mutex_;
  Delivered delivered_;
  std::atomic<bool> round_over_{false};
};

BlockWriter::BlockWriter(std::shared_ptr<OpenIntake> intake)
    : intake_(std::move(intake)), s_(intake_->s), cursor_(s_.catalogue->cursor()) {
  if (s_.staging) tree_.emplace(*s_.staging, s_.plan.durable);
}

Result<void> BlockWriter::store(std::uint64_t offset, std::span<const std::byte> bytes,
                                const protocol::Digest& digest) {
  const auto all = s_.catalogue->bytes();
  if (bytes.empty() || offset >= all || bytes.size() > all - offset)
    return Error(protocol::Errc::bad_message, "a block outside of the stream");
  if (!(digest_of(digest.kind, bytes) == digest))
    return Error(protocol::Errc::bad_digest, "block at " + std::to_string(offset));
  const auto beside = s_.gate.side_by_side();
  const Range block{offset, offset + bytes.size()};
  const RangeSet parts = s_.holdings.begin_store(block);
  edges_.clear();
  whole_files_ = 0;
  std::vector<JournalRecord> records;
  for (const Range& part : parts.ranges()) {
    const auto piece = bytes.subspan(static_cast<std::size_t>(part.begin - offset),
                                     static_cast<std::size_t>(part.length()));
    auto written = write(part, piece);
    if (!written) return written;
    records.push_back(JournalRecord::stored(
        part, part == block ? digest : digest_of(protocol::Digest::Kind::xxh3, piece)));
  }
  return finish(parts, records);
}

Result<void> BlockWriter::write(Range part, std::span<const std::byte> bytes) {
  auto at = cursor_->to_offset(part.begin);
  if (!at) return at;
  PlacedEntry entry;
  while (part.begin < part.end) {
    auto more = cursor_->next(entry);
    if (!more) return std::move(more).error();
    if (!*more) break;
    if (entry.entry.kind != Kind::file || entry.entry.size == 0) continue;
    const Range common{part.begin, std::min(part.end, entry.range().end)};
    const auto length = static_cast<std::size_t>(common.length());
    auto written = write(entry, common, bytes.first(length));
    if (!written) return written;
    bytes = bytes.subspan(length);
    part.begin = common.end;
  }
  intake_->now_at(entry.entry.path);
  return {};
}

Result<void> BlockWriter::write(const PlacedEntry& file, Range part,
                                std::span<const std::byte> bytes) {
  if (s_.marks.unfit(file.index)) return {};
  Result<void> done;
  const bool whole = part == file.range();
  if (whole) {
    done = tree_->write_whole(file.entry, bytes);
  } else {
    done = tree_->write_part(file, part.begin - file.offset, bytes);
  }
  if (!done) return s_.fail_or_return(file, std::move(done).error());
  if (whole) {
    ++whole_files_;
  } else {
    edges_.push_back(file);
  }
  return {};
}

Result<void> BlockWriter::store_zeros(std::uint64_t offset, std::uint64_t length) {
  const auto all = s_.catalogue->bytes();
  if (length == 0 || offset >= all || length > all - offset)
    return Error(protocol::Errc::bad_message, "a hole outside of the stream");
  PlacedEntry file;
  auto at = cursor_->to_offset(offset);
  if (!at) return at;
  auto more = cursor_->next(file);
  if (!more) return std::move(more).error();
  if (!*more || offset + length > file.range().end)
    return Error(protocol::Errc::bad_message, "a hole over the end of a file");
  const auto beside = s_.gate.side_by_side();
  const RangeSet parts = s_.holdings.begin_store({offset, offset + length});
  edges_.clear();
  whole_files_ = 0;
  std::vector<JournalRecord> records;
  for (const Range& part : parts.ranges()) {
    if (s_.marks.unfit(file.index)) break;
    auto written = tree_->write_zeros(file, part.begin - file.offset, part.length());
    if (!written) return s_.fail_or_return(file, std::move(written).error());
    records.push_back(JournalRecord::of(JournalRecord::Type::zeros, part.begin, part.length()));
    s_.add_zeros(part);
  }
  if (!records.empty()) edges_.push_back(file);
  intake_->now_at(file.entry.path);
  return finish(parts, records);
}

/// All parts are written: files that are whole by this are completed, then the journal is told,
/// then the books.
Result<void> BlockWriter::finish(const RangeSet& parts, const std::vector<JournalRecord>& records) {
  std::vector<Range> ranges;
  for (const auto& file : edges_) ranges.push_back(file.range());
  const auto whole = s_.holdings.written(parts, ranges);
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (!whole[i]) continue;
    auto unbroken = tree_->is_unbroken(edges_[i], s_.zeros_of(edges_[i]));
    if (!unbroken) return std::move(unbroken).error();
    s_.completed(edges_[i], *unbroken);
    auto done = tree_->complete(edges_[i]);
    if (!done) {
      done = s_.fail_or_return(edges_[i], std::move(done).error());
      if (!done) return done;
    } else {
      ++whole_files_;
    }
  }
  if (!records.empty()) {
    auto noted =
        records.size() == 1 ? s_.journal->append(records.front()) : s_.journal->append(records);
    if (!noted) return noted;
  }
  s_.holdings.settled(parts);
  s_.have_files += whole_files_;
  return {};
}

/// Whether a name can be one part of a path.
bool is_name(const std::string& name) {
  return !protocol::path_fault(name) && name.find('/') == std::string::npos;
}

}  // namespace

Result<std::shared_ptr<Intake>> Intake::open(const std::string& record, const protocol::OfferId& id,
                                             const LandingPlan& plan, std::uint64_t round) {
  if (!plan.as.empty() && !is_name(plan.as)) return errno_error("give the name", plan.as, EINVAL);
  auto intake = std::make_shared<OpenIntake>();
  IntakeState& state = intake->s;
  state.id = id;
  state.plan = plan;
  state.round = round;
  auto catalogue = Catalogue::open(record);
  if (!catalogue) return std::move(catalogue).error();
  state.catalogue = std::move(*catalogue);
  auto folder = Folder::open(record);
  if (!folder) return std::move(folder).error();
  state.record = std::move(*folder);
  auto begun = intake->begin();
  if (!begun) return std::move(begun).error();
  intake->opened();
  return std::shared_ptr<Intake>(std::move(intake));
}

}  // namespace peer::storage
