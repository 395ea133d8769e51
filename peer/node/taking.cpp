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

Taking::Taking(Services& services, Offers& offers, Pair& pair, OfferPtr offer,
               storage::LandingPlan plan, std::uint64_t round)
    : services_(services),
      offers_(offers),
      pair_(pair),
      offer_(std::move(offer)),
      plan_(std::move(plan)),
      round_(round),
      throttle_(offer_->limit, services.taking_limit, offer_->spent),
      wake_(services.io.get_executor()),
      queue_event_(services.io.get_executor()) {
  ++services_.takings;
}

Taking::~Taking() { --services_.takings; }

asio::awaitable<Taking::Ending> Taking::run() {
  const auto self = shared_from_this();
  // It ends by stop(), so that it always joins its tasks and lanes.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  async::TaskGroup tasks(services_.io.get_executor(),
                         [this](std::string_view name, std::exception_ptr error) {
                           log_task_error(name, error);
                           ran_out_of_memory();
                         });
  Ending ending;
  for (bool over = false; !over;) {
    try {
      ending = co_await carry_out(tasks);
      over = true;
    } catch (const std::exception& error) {
      base::log(base::Level::error, "taking", error.what());
      ran_out_of_memory();
    }
  }
  stopping_ = true;
  *paused_ = true;
  if (working_) {
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
  if (list_damaged_ && ending.kind == Ending::Kind::stopped)
    ending.kind = Ending::Kind::list_damaged;
  if (again_ && ending.kind == Ending::Kind::stopped) ending.kind = Ending::Kind::again;
  if (!failure_.empty()) {
    ending.kind = Ending::Kind::failed;
    ending.text = failure_;
  }
  services_.space.release(offer_->row.id);
  co_return ending;
}

/// Until it is delivered or is to end.
asio::awaitable<Taking::Ending> Taking::carry_out(async::TaskGroup& tasks) {
  Ending ending;
  while (!stopping_ && failure_.empty()) {
    if (no_memory_) {
      co_await wake_.wait_for(kProgressEvery);
      disk_trouble(Error(std::make_error_code(std::errc::not_enough_memory)));
      no_memory_ = false;
    }
    if (*paused_) {
      co_await look_for_remedy();
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
      tasks.spawn("taking prove", prove_loop());
      working_ = true;
    }
    if (intake_->all_here() && queue_.empty() && proven_) {
      show_progress();
      auto delivered = co_await deliver();
      if (!delivered && !intake_->all_here() &&
          delivered.error().code == std::errc::resource_unavailable_try_again) {
        base::log(base::Level::warning, "taking",
                  "offer " + std::to_string(offer_->row.number) +
                      ": another program changed what had arrived, in the hidden folder in " +
                      base::escaped(plan_.folder) + ": it is checked and fetched again");
        proven_ = false;
        tasks.spawn("taking prove", prove_loop());
        continue;
      }
      if (!delivered) {
        disk_trouble(delivered.error());
        continue;
      }
      ending.kind = Ending::Kind::delivered;
      ending.delivered = std::move(*delivered);
      break;
    }
    co_await look_at_folder();
    want_on_session();
    if (!ended_lanes_.empty()) co_await join_ended_lanes();
    co_await wake_.wait_for(kProgressEvery);
    show_progress();
  }
  co_return ending;
}

void Taking::stop() {
  stopping_ = true;
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
  looked_ = steady_clock::now();
  services_.changed.notify_all();
  confirming_ = std::make_unique<Confirming>(services_, pair_, offer_->row.id, intake_,
                                             [this](const Error& error) { disk_trouble(error); });
  co_return Result<void>();
}

/// Stores what comes on the session, one block after the other, on the disk pool.
asio::awaitable<void> Taking::store_loop() {
  Lap lap;
  auto& spent = throttle_.spent();
  while (!stopping_) {
    if (const auto time = throttle_.wait(); time.count() > 0) {
      co_await queue_event_.wait_for(std::chrono::ceil<std::chrono::milliseconds>(time));
      if (!queue_.empty()) throttle_.waited(lap);
      continue;
    }
    if (queue_.empty()) {
      co_await queue_event_.wait();
      continue;
    }
    Queued next = std::move(queue_.front());
    queue_.pop_front();
    lap.charge_until(spent, TimeSpent::On::other,
                     std::min(next.block.announced, Lap::Clock::now()));
    lap.charge(spent, TimeSpent::On::network);
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
      lap.charge(spent, TimeSpent::On::disk);
      spent.moved(next.block.payload());
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

asio::awaitable<void> Taking::prove_loop() {
  const auto intake = intake_;
  for (bool more = true; more && !stopping_;) {
    auto job = [intake] { return intake->recheck_step(); };
    more = co_await async::run_on(services_.disk, std::move(job));
  }
  if (stopping_) co_return;  // asking for claims would first re-hash the rest
  co_await confirming_->run();
  proven_ = true;
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
  if (confirming_) confirming_->ask_again();
  tell_trouble();
  giver_goes_on();
  wake_.notify_all();
}

void Taking::session_ended(const Session& session) {
  for (auto& open : lanes_) {
    if (open.session.lock().get() == &session) open.lane->stop();
  }
  session_changed();
}

void Taking::check_answered(const protocol::Range& range, bool same) {
  if (confirming_) confirming_->answered(range, same);
}

void Taking::checks_unknown() {
  if (confirming_) confirming_->give_up();
}

bool Taking::add_lane(Session& session, net::RawConnection connection,
                      protocol::PeerLimits theirs) {
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
      if (const auto owner = slot->session.lock())
        owner->lane_ended(t.offer_->row.id, slot->lane->fell_silent());
      t.lanes_deliver_ = t.lanes_deliver_ && !t.lanes_.empty();
      t.offer_->lanes = static_cast<std::uint32_t>(t.lanes_.size());
      t.wake_.notify_all();
    });
  };
  try {
    slot->session = session.weak_from_this();
    slot->lane = std::make_unique<TakingLane>(std::move(connection), offer_->row.id, intake_,
                                              answer_form(session.talk()), theirs, paused_,
                                              throttle_, std::move(hooks));
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
  for (auto& open : lanes_) open.lane->stop();
  while (!lanes_.empty()) co_await wake_.wait_for(kProgressEvery);
  co_await join_ended_lanes();
}

asio::awaitable<void> Taking::join_ended_lanes() {
  std::list<OpenLane> lanes;
  lanes.swap(ended_lanes_);
  auto* ended = &lanes;
  auto job = [ended] {
    for (auto& open : *ended) open.lane->join();
  };
  co_await async::run_on(services_.disk, std::move(job));
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
  pair_.ledger.holds(offer_->row.id, progress.have_bytes);
  offer_->meter.sample(progress.have_bytes, steady_clock::now());
  services_.space.update(
      offer_->row.id, progress.chosen_bytes - std::min(progress.have_bytes, progress.chosen_bytes));
  if (moved) services_.changed.notify_all();
}

}  // namespace peer::node
