#include "node/taking.hpp"

#include <algorithm>
#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>
#include <utility>

#include "async/run_on.hpp"
#include "async/task_group.hpp"
#include "base/text.hpp"
#include "node/answer.hpp"
#include "node/tasks.hpp"
#include "node/wire_text.hpp"

namespace peer::node {

using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kRemedyLooks{5};
constexpr std::chrono::seconds kDiskRetry{60};

bool is_space_trouble(const std::error_code& code) {
  return code == std::errc::no_space_on_device ||
         code == std::error_code(EDQUOT, std::generic_category());
}

}  // namespace

Taking::Taking(Services& services, Offers& offers, Pair& pair, OfferPtr offer,
               storage::LandingPlan plan, std::uint64_t round)
    : services_(services),
      offers_(offers),
      pair_(pair),
      offer_(std::move(offer)),
      plan_(std::move(plan)),
      round_(round),
      throttle_(offer_->limit, services.taking_limit),
      wake_(services.io.get_executor()),
      queue_event_(services.io.get_executor()) {
  ++services_.takings;
}

Taking::~Taking() { --services_.takings; }

asio::awaitable<Taking::Ending> Taking::run() {
  const auto self = shared_from_this();
  // It ends by stop(), so that it always joins its tasks and lanes.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  Ending ending;
  async::TaskGroup tasks(services_.io.get_executor(), log_task_error);
  bool working = false;
  while (!stopping_ && failure_.empty()) {
    if (*paused_) {
      look_for_remedy();
      co_await wake_.wait_for(kProgressEvery);
      continue;
    }
    if (!intake_) {
      auto opened = co_await open();
      if (!opened) {
        disk_trouble(opened.error());
        continue;
      }
      tasks.spawn("taking store", store_loop());
      tasks.spawn("taking recheck", recheck_loop());
      working = true;
    }
    if (intake_->all_here() && queue_.empty() && recheck_done_) {
      show_progress();
      auto delivered = co_await deliver();
      if (!delivered) {
        disk_trouble(delivered.error());
        continue;
      }
      ending.kind = Ending::Kind::delivered;
      ending.delivered = std::move(*delivered);
      break;
    }
    want_on_session();
    if (!ended_lanes_.empty()) co_await join_ended_lanes();
    co_await wake_.wait_for(kProgressEvery);
    show_progress();
  }
  stopping_ = true;
  *paused_ = true;
  if (working) {
    queue_event_.notify_all();
    tasks.cancel();
    co_await tasks.join();
  }
  co_await join_lanes();
  if (intake_) {
    const auto intake = intake_;
    auto job = [intake] { return intake->flush(); };
    auto flushed = co_await async::run_on(services_.disk, std::move(job));
    if (!flushed) base::log(base::Level::error, "taking", flushed.error().text());
  }
  if (!failure_.empty()) {
    ending.kind = Ending::Kind::failed;
    ending.text = failure_;
  }
  services_.space.release(offer_->row.id);
  co_return ending;
}

void Taking::stop() {
  stopping_ = true;
  wake_.notify_all();
}

void Taking::resume() {
  *paused_ = false;
  bad_blocks_ = 0;
  offer_->trouble.reset();
  services_.changed.notify_all();
  wake_.notify_all();
}

asio::awaitable<Result<void>> Taking::open() {
  auto job = [record = offer_->folder, id = offer_->row.id, plan = plan_, round = round_] {
    return storage::Intake::open(record, id, plan, round);
  };
  auto opened = co_await async::run_on(services_.disk, std::move(job));
  if (!opened) co_return std::move(opened).error();
  intake_ = std::move(*opened);
  writer_ = intake_->writer();
  co_return Result<void>();
}

/// Stores what comes on the session, one block after the other, on the disk pool.
asio::awaitable<void> Taking::store_loop() {
  while (!stopping_) {
    if (const auto time = throttle_.wait(); time.count() > 0) {
      co_await queue_event_.wait_for(std::chrono::ceil<std::chrono::milliseconds>(time));
      continue;
    }
    if (queue_.empty()) {
      co_await queue_event_.wait();
      continue;
    }
    Queued next = std::move(queue_.front());
    queue_.pop_front();
    const auto& data = next.block.data;
    const protocol::Range range{data.offset, data.offset + data.length};
    Result<void> result;
    if (*paused_) {
      intake_->give_back(range);
    } else {
      auto* intake = intake_.get();
      auto* writer = writer_.get();
      auto* block = &next.block;
      auto job = [intake, writer, block]() -> Result<void> {
        const auto& what = block->data;
        if (block->gone) {
          return intake->gone(block->gone->entry, {what.offset, what.offset + what.length},
                              why_gone(*block->gone));
        }
        if (what.zeros()) return writer->store_zeros(what.offset, what.length);
        return writer->store(what.offset,
                             block->block.bytes().first(static_cast<std::size_t>(what.length)),
                             *what.digest);
      };
      result = co_await async::run_on(services_.disk, std::move(job));
    }
    if (next.block.gone) intake_->give_back(range);
    queued_bytes_ -= next.block.payload();
    throttle_.spend(next.block.payload());
    const auto session = next.session.lock();
    stored(session.get(), range, std::move(result));
    if (data.zeros() && *data.until > range.end && session && session == pair_.session &&
        !session->over()) {
      if (const auto hole = intake_->take_within({range.end, *data.until})) {
        protocol::Want want;
        want.id = data.id;
        want.offset = hole->begin;
        want.length = hole->length();
        if (session->talk().asked().room(want)) {
          session->talk().want(want);
          session->flush();
        } else {
          intake_->give_back(*hole);
        }
      }
    }
    if (intake_->all_here()) {
      wake_.notify_all();
    } else {
      want_on_session();
    }
  }
}

void Taking::stored(Session* session, const protocol::Range& range, Result<void> result) {
  if (result) return;
  intake_->give_back(range);
  if (result.error().code.category() == protocol::category()) {
    bad_block(result.error());
    if (session)
      session->leave(result.error().code == protocol::Errc::bad_digest ? protocol::Errc::bad_digest
                                                                       : protocol::Errc::bad_state,
                     wire_text(result.error().text(), protocol::kMaxTextBytes));
  } else {
    disk_trouble(result.error());
  }
}

asio::awaitable<void> Taking::recheck_loop() {
  const auto intake = intake_;
  for (bool more = true; more && !stopping_;) {
    auto job = [intake] { return intake->recheck_step(); };
    more = co_await async::run_on(services_.disk, std::move(job));
  }
  recheck_done_ = true;
  wake_.notify_all();
}

asio::awaitable<Result<storage::Intake::Delivered>> Taking::deliver() {
  const auto intake = intake_;
  auto job = [intake] { return intake->deliver(); };
  co_return co_await async::run_on(services_.disk, std::move(job));
}

void Taking::want_on_session() {
  const auto session = pair_.session;
  if (stopping_ || *paused_ || lanes_deliver_ || !intake_ || !session || session->over()) return;
  auto& talk = session->talk();
  bool said = false;
  // Nothing is wanted beyond the buffers there are, which all transfers share.
  const auto share = std::clamp(kSessionBlocks * protocol::kSessionBlockBytes / services_.takings,
                                protocol::kSessionBlockBytes, kSessionWindowBytes);
  const auto window = std::min(share, 4 * throttle_.piece(share));
  const auto want_bytes =
      std::min({kSessionWantBytes, window, talk.theirs()->limits.open_want_bytes});
  while (queued_bytes_ + talk.asked().open_bytes() < window && talk.asked().room(want_bytes)) {
    const auto range = intake_->take(want_bytes);
    if (!range) break;
    protocol::Want want;
    want.id = offer_->row.id;
    want.offset = range->begin;
    want.length = range->length();
    talk.want(want);
    said = true;
  }
  if (said) session->flush();
}

void Taking::block_came(Session& session, IncomingBlock block) {
  queued_bytes_ += block.payload();
  queue_.push_back({session.weak_from_this(), std::move(block)});
  queue_event_.notify_all();
}

void Taking::give_back(const protocol::Want& want) {
  if (intake_ && want.of == protocol::Of::stream)
    intake_->give_back({want.offset, want.offset + want.length});
}

void Taking::session_changed() {
  lanes_deliver_ = lanes_deliver_ && !lanes_.empty();
  wake_.notify_all();
}

bool Taking::add_lane(net::RawConnection connection, AnswerForm form, protocol::PeerLimits theirs) {
  if (stopping_ || !intake_ || lanes_.size() >= protocol::kMaxLanes) return false;
  const auto self = shared_from_this();
  const auto post = [self](auto work) {
    asio::post(self->services_.io, [self, work] { work(*self); });
  };
  const auto slot = lanes_.emplace(lanes_.end());
  TakingLane::Hooks hooks;
  hooks.first_block = [post] { post([](Taking& t) { t.lanes_deliver_ = true; }); };
  hooks.all_here = [post] { post([](Taking& t) { t.wake_.notify_all(); }); };
  hooks.disk_trouble = [post](Error error) { post([error](Taking& t) { t.disk_trouble(error); }); };
  hooks.bad_block = [post](Error error) { post([error](Taking& t) { t.bad_block(error); }); };
  hooks.ended = [post, slot] {
    post([slot](Taking& t) {
      t.ended_lanes_.splice(t.ended_lanes_.end(), t.lanes_, slot);
      t.pair_.lane_ended(t.offer_->row.id);
      t.lanes_deliver_ = t.lanes_deliver_ && !t.lanes_.empty();
      t.offer_->lanes = static_cast<std::uint32_t>(t.lanes_.size());
      t.wake_.notify_all();
    });
  };
  try {
    *slot = std::make_unique<TakingLane>(std::move(connection), offer_->row.id, intake_, form,
                                         theirs, paused_, throttle_, std::move(hooks));
  } catch (const std::exception& error) {  // no descriptor or no thread left
    base::log(base::Level::warning, "taking", std::string("a lane was not begun: ") + error.what());
    lanes_.erase(slot);
    return false;
  }
  offer_->lanes = static_cast<std::uint32_t>(lanes_.size());
  services_.changed.notify_all();
  return true;
}

asio::awaitable<void> Taking::join_lanes() {
  for (auto& lane : lanes_) lane->stop();
  while (!lanes_.empty()) co_await wake_.wait_for(kProgressEvery);
  co_await join_ended_lanes();
}

asio::awaitable<void> Taking::join_ended_lanes() {
  std::list<std::unique_ptr<TakingLane>> lanes;
  lanes.swap(ended_lanes_);
  auto* ended = &lanes;
  auto job = [ended] {
    for (auto& lane : *ended) lane->join();
  };
  co_await async::run_on(services_.disk, std::move(job));
}

void Taking::disk_trouble(const Error& error) {
  if (*paused_ && offer_->trouble) return;
  *paused_ = true;
  protocol::Trouble trouble;
  const bool space = is_space_trouble(error.code);
  trouble.code = protocol::wire_code(space ? protocol::Errc::no_space : protocol::Errc::disk);
  trouble.id = offer_->row.id;
  trouble.text = wire_text(error.code.message(), protocol::kMaxTextBytes);
  if (space && intake_) {
    const auto progress = intake_->progress();
    trouble.missing = progress.chosen_bytes - std::min(progress.have_bytes, progress.chosen_bytes);
  }
  if (const auto session = pair_.session; session && !session->over()) {
    session->talk().trouble(trouble);  // without our path: it is none of the giver's business
    session->flush();
  }
  trouble.text = error.text();
  offer_->trouble = trouble;
  offer_->trouble_is_ours = true;
  troubled_ = steady_clock::now();
  base::log(base::Level::warning, "taking",
            "offer " + std::to_string(offer_->row.number) + " paused: " + error.text());
  services_.changed.notify_all();
}

void Taking::bad_block(const Error& error) {
  base::log(base::Level::warning, "taking",
            "offer " + std::to_string(offer_->row.number) + ": " + error.text());
  if (++bad_blocks_ < kBadBlocksAllowed) return;
  failure_ = "the bytes that arrived are not those announced (" + error.text() +
             "); nothing of them was kept";
  offer_->trouble.emplace();
  offer_->trouble->code = protocol::wire_code(protocol::Errc::bad_digest);
  wake_.notify_all();
}

void Taking::show_progress() {
  if (!intake_) return;
  const auto progress = intake_->progress();
  const bool moved = progress.have_bytes != offer_->row.bytes_done ||
                     progress.have_files != offer_->row.files_done;
  offer_->row.bytes_done = progress.have_bytes;
  offer_->row.files_done = progress.have_files;
  offer_->row.failed = progress.failed_entries;
  offer_->current = progress.current;
  offer_->meter.sample(progress.have_bytes, steady_clock::now());
  services_.space.update(
      offer_->row.id, progress.chosen_bytes - std::min(progress.have_bytes, progress.chosen_bytes));
  if (moved) services_.changed.notify_all();
}

void Taking::giver_trouble(const protocol::Trouble& trouble) {
  *paused_ = true;
  looked_ = steady_clock::now();
  offer_->trouble = trouble;
  offer_->trouble_is_ours = false;
  services_.changed.notify_all();
}

/// What stopped us may be over: a full disk has room again, the giver's disk is back.
void Taking::look_for_remedy() {
  if (!offer_->trouble || steady_clock::now() - looked_ < kRemedyLooks) return;
  looked_ = steady_clock::now();
  if (!offer_->trouble_is_ours) {
    resume();
  } else if (offer_->trouble->code == protocol::wire_code(protocol::Errc::no_space)) {
    std::uint64_t missing = 0;
    const auto needed = std::max<std::uint64_t>(offer_->trouble->missing, 1);
    if (services_.space.reserve(offer_->row.id, plan_.folder, needed, missing)) resume();
  } else if (steady_clock::now() - troubled_ >= kDiskRetry) {
    resume();
  }
}

}  // namespace peer::node
