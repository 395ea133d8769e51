#include "node/lane.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

#include "base/log.hpp"
#include "node/limits.hpp"

namespace peer::node {

namespace {

constexpr std::size_t kInputBytes =
    4096;                     ///< messages of a lane are small; raw bytes do not pass through here
constexpr int kIdleMs = 100;  ///< between looks for ranges that another connection gave back, and
                              ///< at what is on the way

constexpr std::chrono::milliseconds kMemoryPause{20};  ///< where there was none

// Not every want and block: the control thread would wake two thousand times a second for it.
constexpr std::chrono::milliseconds kTellEvery{50};

/// The giver said what cannot be, in contrast to trouble with our disk.
bool is_theirs(const Error& error) { return error.code.category() == protocol::category(); }

/// What the processor did for the calling thread so far.
std::chrono::nanoseconds computed_here() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// For what must be done, and may be done twice.
void until_there_is_memory(const std::function<void()>& what) {
  for (;;) {
    try {
      return what();
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(kMemoryPause);
    }
  }
}

}  // namespace

// ---- what both ends share

Lane::Lane(net::RawConnection connection, Throttle throttle)
    : stream_(std::move(connection)),
      throttle_(std::move(throttle)),
      spent_(throttle_.spent()),
      input_(kInputBytes) {}

Lane::~Lane() { assert(!thread_.joinable()); }

void Lane::start(std::function<void()> ended) {
  thread_ = std::thread([this, ended = std::move(ended)] {
    try {
      work();
    } catch (const std::bad_alloc& e) {
      base::log(base::Level::error, "lane", e.what());
      until_there_is_memory([this] { ran_out_of_memory(); });
    } catch (const std::exception& e) {
      base::log(base::Level::error, "lane", e.what());
    }
    until_there_is_memory([this] { leave(); });
    fell_silent_ = owes() && stream_.silent_for() > kLaneSilence;
    stream_.shutdown();
    until_there_is_memory(ended);
  });
}

void Lane::stop() { stream_.stop(); }

void Lane::join() {
  if (thread_.joinable()) thread_.join();
}

bool Lane::readable() { return begin_ < end_ || stream_.readable(); }

/// Feeds what is buffered; true when a whole message waits in frames_. begin_ == end_ + 1 never
/// happens.
bool Lane::take_frame() {
  while (begin_ < end_) {
    auto taken = frames_.feed(std::span(input_).subspan(begin_, end_ - begin_));
    if (!taken) throw std::system_error(taken.error().code, "lane");
    if (*taken == 0) return true;
    begin_ += *taken;
  }
  return false;
}

std::optional<protocol::Message> Lane::next_message(int timeout_ms, bool& timed_out) {
  timed_out = false;
  for (;;) {
    take_frame();
    if (const auto body = frames_.next()) {
      auto message = protocol::decode(*body);
      if (message) return std::move(*message);
      if (message.error().code == protocol::Errc::unknown_type) continue;
      return std::nullopt;
    }
    auto got = stream_.read(input_, timeout_ms);
    if (!got || *got == 0) {
      timed_out = !got && got.error().code == std::errc::timed_out;
      return std::nullopt;
    }
    begin_ = 0;
    end_ = *got;
  }
}

bool Lane::read_payload(std::span<std::byte> into) {
  const auto buffered = std::min(into.size(), end_ - begin_);
  std::memcpy(into.data(), input_.data() + begin_, buffered);
  begin_ += buffered;
  return static_cast<bool>(stream_.read_exactly(into.subspan(buffered), kLaneStallMs));
}

bool Lane::wait_for_turn() {
  for (;;) {
    const auto time = throttle_.wait();
    if (time.count() == 0) return true;
    if (!stream_.pause(time)) return false;
    throttle_.waited(lap_);
  }
}

void Lane::moved(std::uint64_t bytes) {
  const auto computed = computed_here();
  spent_.moved(bytes, computed - std::exchange(computed_, computed));
}

// ---- the giver's end

GivingLane::GivingLane(net::RawConnection connection, protocol::OfferId id,
                       std::shared_ptr<storage::Source> source, AnswerForm form,
                       std::uint64_t block_bytes, Throttle throttle, Hooks hooks)
    : Lane(std::move(connection), std::move(throttle)),
      id_(id),
      source_(std::move(source)),
      reader_(source_->reader()),
      form_(form),
      block_bytes_(block_bytes),
      hooks_(std::move(hooks)) {
  start(hooks_.ended);
}

GivingLane::~GivingLane() = default;

void GivingLane::work() {
  std::vector<std::byte> buffer(
      static_cast<std::size_t>(std::min<std::uint64_t>(protocol::kBlockBytes, block_bytes_)));
  while (collect_wants() && answer(buffer)) {
  }
  if (untold_bytes_ > 0) hooks_.sent(untold_bytes_, reader_->current());
}

/// Reads what has come; waits only when there is nothing to answer. False at the end of the
/// connection.
bool GivingLane::collect_wants() {
  while (wants_.empty() || readable()) {
    bool timed_out = false;
    const bool idle = wants_.empty();
    // While bytes are on their way it is looked at whether they still are.
    const int idle_ms = on_the_way_ ? kIdleMs : -1;
    const auto message = next_message(idle ? idle_ms : kLaneStallMs, timed_out);
    if (idle && (message || timed_out)) waited(false);
    if (!message && timed_out && idle) continue;
    if (!message) return false;
    const auto* want = std::get_if<protocol::Want>(&*message);
    if (!want) continue;
    const bool right = want->id == id_ && want->of == protocol::Of::stream;
    if (!right || !wants_.add(*want)) return false;
    if (const auto now = std::chrono::steady_clock::now(); now - told_wanted_ >= kTellEvery) {
      told_wanted_ = now;
      hooks_.wanted();
    }
  }
  return true;
}

/// For a want, or for the socket to take more: whether the network is busy, or the other side does
/// not read as fast as it could.
void GivingLane::waited(bool writing) {
  const auto path = stream_.path();
  const auto slow = path.receiver_slow - std::exchange(receiver_slow_, path.receiver_slow);
  const auto now = Lap::Clock::now();
  lap_.charge_until(spent_, TimeSpent::On::other, std::min(lap_.since() + slow, now));
  on_the_way_ = path.on_the_way;
  const bool network = writing || on_the_way_;
  lap_.charge_until(spent_, network ? TimeSpent::On::network : TimeSpent::On::other, now);
}

bool GivingLane::answer(std::span<std::byte> buffer) {
  if (!wait_for_turn()) return false;
  const auto want = *wants_.next();
  buffer = buffer.first(throttle_.piece(buffer.size()));
  auto found = read_answer(*reader_, want, buffer, form_);
  lap_.charge(spent_, TimeSpent::On::disk);
  if (found.error) {
    base::log(base::Level::error, "lane", found.error->text());
    return false;
  }
  if (found.gone) {
    wants_.advance(found.gone->length);
    const auto said = protocol::frame(*found.gone);
    return static_cast<bool>(stream_.write(std::as_bytes(std::span(said)), kLaneStallMs));
  }
  const auto& data = *found.data;
  if (data.zeros()) wants_.name_hole(id_, {data.offset, *data.until});
  wants_.advance(data.length);
  const auto header = protocol::frame(data);
  if (!stream_.write(std::as_bytes(std::span(header)), kLaneStallMs)) return false;
  if (data.payload() > 0 && !stream_.write(buffer.first(data.length), kLaneStallMs)) return false;
  waited(true);
  throttle_.spend(data.payload());
  moved(data.payload());
  tell_sent(data.length, std::move(found.current));
  return true;
}

void GivingLane::tell_sent(std::uint64_t bytes, std::string current) {
  untold_bytes_ += bytes;
  const auto now = std::chrono::steady_clock::now();
  if (!wants_.empty() && now - told_sent_ < kTellEvery) return;
  told_sent_ = now;
  hooks_.sent(std::exchange(untold_bytes_, 0), std::move(current));
}

// ---- the taker's end

TakingLane::TakingLane(net::RawConnection connection, protocol::OfferId id,
                       std::shared_ptr<storage::Intake> intake, AnswerForm form,
                       protocol::PeerLimits theirs, std::shared_ptr<std::atomic<bool>> paused,
                       Throttle throttle, Hooks hooks)
    : Lane(std::move(connection), std::move(throttle)),
      id_(id),
      intake_(std::move(intake)),
      writer_(intake_->writer()),
      form_(form),
      paused_(std::move(paused)),
      hooks_(std::move(hooks)),
      asked_(theirs),
      block_(protocol::kBlockBytes),
      open_want_bytes_(theirs.open_want_bytes) {
  start(hooks_.ended);
}

TakingLane::~TakingLane() = default;

void TakingLane::work() {
  while (wait_for_turn() && want_more()) {
    const bool idle = asked_.open_count() == 0;
    bool timed_out = false;
    const auto message = next_message(idle ? kIdleMs : kLaneStallMs, timed_out);
    if (idle)
      lap_.skip();  // nothing was wanted
    else
      lap_.charge(spent_, TimeSpent::On::other);  // a header comes right behind the block before
    if (!message && timed_out && idle) continue;
    if (!message || !handle(*message)) break;
  }
}

/// What it was handing out or storing is in nobody's books: they are made anew from the disk.
void TakingLane::ran_out_of_memory() {
  *paused_ = true;
  hooks_.disk_trouble(Error(std::make_error_code(std::errc::not_enough_memory)));
}

/// Keeps the window full. False when the connection is gone.
bool TakingLane::want_more() {
  std::string out;
  const auto now = std::chrono::steady_clock::now();
  const auto ask = [&](protocol::Range range) {
    protocol::Want want;
    want.id = id_;
    want.offset = range.begin;
    want.length = range.length();
    asked_.add(want);
    window_.wanted(want.length, now);
    out += protocol::frame(want);
  };
  if (hole_) {
    const auto hole = *std::exchange(hole_, std::nullopt);
    protocol::Want want;
    want.id = id_;
    want.offset = hole.begin;
    want.length = hole.length();
    if (asked_.room(want)) {
      ask(hole);
    } else {
      intake_->give_back(hole);
    }
  }
  const auto want_bytes = std::min(throttle_.piece(window_.want_bytes()), open_want_bytes_);
  const auto window = std::min(window_.bytes(), 4 * throttle_.piece(window_.bytes()));
  while (!*paused_ && asked_.open_bytes() < window && asked_.room(want_bytes)) {
    const auto range = intake_->take(want_bytes);
    if (!range) break;
    ask(*range);
  }
  return out.empty() || stream_.write(std::as_bytes(std::span(out)), kLaneStallMs);
}

bool TakingLane::handle(const protocol::Message& message) {
  if (const auto* data = std::get_if<protocol::Data>(&message)) return take_data(*data);
  if (const auto* gone = std::get_if<protocol::Gone>(&message)) {
    if (!asked_.answered(*gone)) return false;
    window_.answered(gone->length, 0, std::chrono::steady_clock::now());
    const protocol::Range range{gone->offset, gone->offset + gone->length};
    auto noted = intake_->gone(gone->entry, range, why_gone(*gone));
    intake_->give_back(range);
    if (!noted) {
      if (is_theirs(noted.error())) {
        hooks_.bad_block(noted.error());
        return false;
      }
      hooks_.disk_trouble(noted.error());
    }
    if (intake_->all_here()) hooks_.all_here();
    return true;
  }
  // `error` or `closed`: the giver ends this transfer's wants here.
  return !std::holds_alternative<protocol::Trouble>(message) &&
         !std::holds_alternative<protocol::Closed>(message);
}

bool TakingLane::take_data(const protocol::Data& data) {
  const bool agreed = data.zeros() ? form_.zeros : data.digest->kind == form_.digest;
  if (!agreed || data.of != protocol::Of::stream || !asked_.answered(data)) return false;
  window_.answered(data.length, data.payload(), std::chrono::steady_clock::now());
  const protocol::Range range{data.offset, data.offset + data.length};
  Result<void> stored;
  if (data.zeros()) {
    stored = writer_->store_zeros(data.offset, data.length);
    // The rest of the hole costs nothing to want, however long it is.
    if (stored && *data.until > range.end) hole_ = intake_->take_within({range.end, *data.until});
  } else {
    if (block_.size() < data.length) block_.resize(static_cast<std::size_t>(data.length));
    const auto bytes = std::span(block_).first(static_cast<std::size_t>(data.length));
    if (!read_payload(bytes)) {
      owed_ = true;
      intake_->give_back(range);
      return false;
    }
    lap_.charge(spent_, TimeSpent::On::network);
    if (*paused_) {
      intake_->give_back(range);
      return true;
    }
    stored = writer_->store(data.offset, bytes, *data.digest);
    lap_.charge(spent_, TimeSpent::On::disk);
    moved(data.payload());
  }
  if (!stored) {
    intake_->give_back(range);
    if (is_theirs(stored.error())) {
      hooks_.bad_block(stored.error());
      return false;
    }
    *paused_ = true;
    hooks_.disk_trouble(stored.error());
    return true;
  }
  throttle_.spend(data.payload());
  if (!std::exchange(had_block_, true)) hooks_.first_block();
  if (intake_->all_here()) hooks_.all_here();
  return true;
}

void TakingLane::leave() {
  const auto open = asked_.open();
  owed_ = owed_ || !open.empty();
  for (const auto& want : open) intake_->give_back({want.offset, want.offset + want.length});
  if (hole_) intake_->give_back(*hole_);
}

}  // namespace peer::node
