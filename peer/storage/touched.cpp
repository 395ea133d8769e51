#include "storage/touched.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <limits>

namespace peer::storage {
namespace {

constexpr char kWitness[] = "written";                 ///< beside the staged tree
constexpr std::int64_t kClockToleranceNs = 1'000'000;  ///< two clocks are not read at once
constexpr int kClockReadings = 3;

/// How far the wall clock is ahead of the time since the machine started, in nanoseconds: changes
/// only when the wall clock is set.
std::int64_t clock_ahead() {
  std::int64_t ahead = 0;
  auto best = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < kClockReadings; ++i) {
    struct timespec before {};
    struct timespec wall {};
    struct timespec after {};
    ::clock_gettime(CLOCK_BOOTTIME, &before);
    ::clock_gettime(CLOCK_REALTIME, &wall);
    ::clock_gettime(CLOCK_BOOTTIME, &after);
    const auto took = nanoseconds(after) - nanoseconds(before);
    if (took >= best) continue;
    best = took;
    ahead = nanoseconds(wall) - nanoseconds(before);
  }
  return ahead;
}

Result<struct stat> look(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return errno_error("look at", Journal::kName, errno);
  return st;
}

}  // namespace

void Touched::take(const JournalRecord& record, std::uint64_t boot) {
  interrupted_ = record.type == JournalRecord::Type::opened;
  if (!interrupted_) return;
  last_known_ = static_cast<std::int64_t>(record.a);
  clock_ahead_ = static_cast<std::int64_t>(record.b);
  clock_known_ = record.boot == boot;
}

Result<void> Touched::begin(IntakeState& state) {
  Journal& journal = *state.journal;
  auto clock = look(journal.fd());
  if (!clock) return std::move(clock).error();
  auto last_written = journal.last_written();
  Fd witness;
  const auto own = state.staging->own().stat("");
  if (!own) return own.error();
  if (own->st_dev != clock->st_dev) {
    const auto then = state.staging->own().stat(kWitness);
    last_written = then ? write_time(*then) : 0;
    auto opened = state.staging->own().file(kWitness, O_WRONLY | O_CREAT, 0600);
    if (!opened) return std::move(opened).error();
    witness = std::move(*opened);
  }
  const int fd = witness ? witness.get() : journal.fd();
  if (witness) journal.set_witness(std::move(witness));
  if (!interrupted_) last_known_ = last_written;

  const auto now_ahead = clock_ahead();
  unknown_ = clock_known_ && now_ahead < clock_ahead_ - kClockToleranceNs;
  const auto noted = journal.append(JournalRecord::of(
      JournalRecord::Type::opened, static_cast<std::uint64_t>(last_known_),
      static_cast<std::uint64_t>(interrupted_ ? std::max(now_ahead, clock_ahead_) : now_ahead)));
  if (!noted) return noted;
  auto now = look(fd);
  if (!now) return std::move(now).error();
  unknown_ = unknown_ || nanoseconds(now->st_ctim) < last_known_;
  return {};
}

bool Touched::since_last_run(const struct stat& staged) const {
  return nanoseconds(staged.st_ctim) >= last_known_;
}

}  // namespace peer::storage
