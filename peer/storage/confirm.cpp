#include "storage/confirm.hpp"

#include "base/log.hpp"

namespace peer::storage {

using protocol::Kind;
using protocol::Range;

std::optional<Intake::Claim> Confirm::next() {
  const std::lock_guard lock(mutex_);
  if (over_ || s_.ended || !reader_) return std::nullopt;
  while (recheck_.step()) {
  }
  const auto beside = s_.gate.side_by_side();
  for (JournalRecord record;;) {
    auto more = reader_->next(record);
    if (!more) base::log(base::Level::warning, "storage", more.error().text());
    if (!more || !*more) break;
    if (record.type != JournalRecord::Type::stored || record.a >= s_.catalogue->bytes() ||
        record.b == 0 || record.b > s_.catalogue->bytes() - record.a)
      continue;
    const Range range = record.range();
    if (!s_.in_part.intersects(range) || asked_.contains(range)) continue;
    auto concerned = concerns_us(range);
    if (!concerned) {
      base::log(base::Level::warning, "storage", concerned.error().text());
      break;
    }
    if (!*concerned) continue;
    asked_.add(range);
    return Intake::Claim{range, record.digest()};
  }
  over_ = true;
  asked_ = {};
  return std::nullopt;
}

/// Whether something of it is still here of a file that was not wholly here.
Result<bool> Confirm::concerns_us(Range range) {
  if (!cursor_) cursor_ = s_.catalogue->cursor();
  auto at = cursor_->to_offset(range.begin);
  if (!at) return std::move(at).error();
  for (PlacedEntry entry;;) {
    auto more = cursor_->next(entry);
    if (!more) return more;
    if (!*more || entry.offset >= range.end) return false;
    if (entry.entry.kind != Kind::file || !s_.in_part.intersects(entry.range())) continue;
    const auto resumed = s_.holdings.resumed(entry.range());
    if (resumed.intersects(range) && !resumed.contains(entry.range())) return true;
  }
}

Result<void> Confirm::differs(Range range) {
  if (s_.ended || range.begin >= range.end || range.begin >= s_.catalogue->bytes()) return {};
  const auto alone = s_.gate.alone();
  const auto cursor = s_.catalogue->cursor();
  auto at = cursor->to_offset(range.begin);
  if (!at) return at;
  for (PlacedEntry entry;;) {
    auto more = cursor->next(entry);
    if (!more) return std::move(more).error();
    if (!*more || entry.offset >= range.end) return {};
    if (entry.entry.kind != Kind::file || !s_.in_part.intersects(entry.range())) continue;
    if (s_.holdings.resumed(entry.range()).contains(entry.range())) continue;
    auto lost = s_.lose(entry);
    if (!lost) return lost;
  }
}

}  // namespace peer::storage
