#include "storage/recheck.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.hpp"
#include "protocol/limits.hpp"
#include "storage/digest.hpp"

namespace peer::storage {

using protocol::Kind;
using protocol::Range;
using Type = JournalRecord::Type;

bool Recheck::step() {
  const std::lock_guard lock(mutex_);
  if (over_ || s_.ended) return false;
  if (!reader_) {
    reader_.emplace(*s_.journal);
    tree_.emplace(*s_.staging);
    cursor_ = s_.catalogue->cursor();
  }
  const auto beside = s_.gate.side_by_side();
  for (JournalRecord record;;) {
    auto more = reader_->next(record);
    if (!more || !*more) break;
    if (record.type != Type::stored && record.type != Type::zeros) continue;
    if (record.a >= s_.catalogue->bytes() || record.b == 0 ||
        record.b > s_.catalogue->bytes() - record.a)
      continue;
    const auto parts = s_.holdings.suspected(record.range());
    if (parts.empty()) continue;
    if (!(record.type == Type::zeros ? is_hole(record) : is_good(record))) return true;
    auto kept = keep(record, parts);
    if (kept) return true;
    base::log(base::Level::warning, "storage", kept.error().text());
    break;
  }
  s_.holdings.end_of_suspects();
  over_ = true;
  buffer_ = {};
  return false;
}

void Recheck::begin_again() {
  const std::lock_guard lock(mutex_);
  reader_.reset();
  over_ = false;
}

bool Recheck::read(const PlacedEntry& file, std::uint64_t at, std::span<std::byte> out) {
  auto fd = tree_->open_to_read(file.entry.path);
  if (!fd || !*fd) return false;
  while (!out.empty()) {
    const auto n = ::pread((*fd)->get(), out.data(), out.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
  return true;
}

bool Recheck::is_good(const JournalRecord& record) {
  if (record.b > protocol::kMaxBlockBytes) return false;
  buffer_.resize(static_cast<std::size_t>(record.b));
  const Range range = record.range();
  if (!cursor_->to_offset(range.begin)) return false;
  PlacedEntry entry;
  for (auto at = range.begin; at < range.end;) {
    auto more = cursor_->next(entry);
    if (!more || !*more) return false;
    if (entry.entry.kind != Kind::file || entry.entry.size == 0) continue;
    const auto end = std::min(range.end, entry.range().end);
    const auto out = std::span(buffer_).subspan(static_cast<std::size_t>(at - range.begin),
                                                static_cast<std::size_t>(end - at));
    if (!read(entry, at - entry.offset, out)) return false;
    at = end;
  }
  return digest_of(record.digest().kind, buffer_) == record.digest();
}

bool Recheck::is_hole(const JournalRecord& record) {
  PlacedEntry entry;
  if (!cursor_->to_offset(record.a)) return false;
  auto more = cursor_->next(entry);
  if (!more || !*more || record.range().end > entry.range().end) return false;
  auto fd = tree_->open_to_read(entry.entry.path);
  if (!fd || !*fd) return false;
  const auto begin = record.a - entry.offset;
  const auto data = ::lseek((*fd)->get(), static_cast<off_t>(begin), SEEK_DATA);
  if (data < 0) return errno == ENXIO;  // nothing but holes from there on, or the file's end
  return static_cast<std::uint64_t>(data) >= begin + record.b;
}

/// Mode and time may not have reached the disk when its bytes did.
Result<void> Recheck::complete(const PlacedEntry& file) {
  auto done = tree_->complete(file);
  if (!done) return done;
  s_.proven.add(file.range());
  ++s_.have_files;
  return {};
}

Result<void> Recheck::keep(const JournalRecord& record, const protocol::RangeSet& parts) {
  const Range range = record.range();
  std::vector<PlacedEntry> edges;
  std::vector<Range> edge_ranges;
  auto at = cursor_->to_offset(range.begin);
  if (!at) return at;
  for (PlacedEntry entry;;) {
    auto more = cursor_->next(entry);
    if (!more) return std::move(more).error();
    if (!*more || entry.offset >= range.end) break;
    if (entry.entry.kind != Kind::file || entry.entry.size == 0) continue;
    if (entry.offset < range.begin || entry.range().end > range.end) {
      edges.push_back(entry);
      edge_ranges.push_back(entry.range());
    } else if (parts.contains(entry.range())) {
      auto done = complete(entry);
      if (!done) return done;
    }
  }
  const auto whole = s_.holdings.rehashed(parts, edge_ranges);
  for (std::size_t i = 0; i < edges.size(); ++i) {
    if (!whole[i]) continue;
    auto done = complete(edges[i]);
    if (!done) return done;
  }
  // Only of what was suspect is it known that its files are complete.
  std::vector<JournalRecord> records;
  for (const Range& part : parts.view()) {
    if (record.type == Type::zeros) {
      records.push_back(JournalRecord::of(Type::zeros, part.begin, part.length()));
    } else if (part == range) {
      records.push_back(record);
    } else {
      const auto bytes =
          std::span(buffer_).subspan(static_cast<std::size_t>(part.begin - range.begin),
                                     static_cast<std::size_t>(part.length()));
      records.push_back(JournalRecord::stored(part, digest_of(record.digest().kind, bytes)));
    }
  }
  auto noted = s_.journal->append(std::move(records));
  if (!noted) return noted;
  s_.holdings.settled_rehashed(parts);
  return {};
}

}  // namespace peer::storage
