#include <algorithm>
#include <asio/cancellation_state.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <ctime>
#include <utility>
#include <vector>

#include "async/run_on.hpp"
#include "base/text.hpp"
#include "node/exchange.hpp"
#include "node/failure.hpp"
#include "node/fetching.hpp"
#include "storage/disk_error.hpp"
#include "storage/staging.hpp"

namespace peer::node {

using protocol::Direction;
using std::chrono::steady_clock;

namespace {
constexpr std::chrono::seconds kLookPause{5};
constexpr std::chrono::seconds kJournalTime{10};  ///< for the journal to be read after a start
}  // namespace

// ---- the other side ends an offer

void Exchange::on_settled(Pair& pair, const protocol::Settled& event) {
  const auto offer = offers_.find(pair.id, event.id, event.direction);
  if (!offer) return;
  stop_lanes(*offer);
  stop_fetch(*offer);
  const auto told = [&]() -> std::string_view {
    switch (event.outcome) {
      case protocol::Outcome::done:
        return state::done;
      case protocol::Outcome::rejected:
        return state::rejected;
      case protocol::Outcome::cancelled:
        return state::cancelled;
      case protocol::Outcome::expired:
        return state::expired;
      default:
        return state::failed;
    }
  }();
  // What this user was told already stays: a delivered offer is not un-delivered by a late word.
  const bool known = offer->is(state::done) || offer->is(state::rejected) ||
                     offer->is(state::cancelled) || offer->is(state::failed);
  if (known && event.outcome != protocol::Outcome::done) {
    end(offer, std::string(offer->row.state));
  } else if (offer->is(state::failed)) {
    end(offer, state::failed);
  } else {
    std::string text;
    if (told == state::failed && offer->taking) {
      tasks_.spawn("settle", settle_taken(offer, "it has ended on the other side"));
      return;
    }
    if (told == state::failed) {
      text = contacts_.called(pair.id) + " does not know this offer any more";
    }
    end(offer, told, text);
  }
}

/// The giver knows no more of what we are about to take. A crash may have undone what this side
/// remembers of a `done` that it had said; the journal knows.
asio::awaitable<void> Exchange::settle_taken(OfferPtr offer, std::string text) {
  const auto taking = offer->taking;
  const auto give_up = steady_clock::now() + kJournalTime;
  while (offer->taking && !taking->intake() && steady_clock::now() < give_up)
    co_await services_.changed.wait_for(kLookPause);
  const bool was_done = taking->intake() && taking->intake()->round_over();
  while (was_done && offer->taking) co_await services_.changed.wait_for(kLookPause);
  end(offer, was_done ? state::done : state::failed, was_done ? std::string() : text);
}

void Exchange::on_cancelled(Pair& pair, const protocol::Cancelled& event) {
  const auto offer = offers_.find(pair.id, event.cancel.id, event.direction);
  if (!offer) return;
  stop_lanes(*offer);
  stop_fetch(*offer);
  const auto what = event.cancel.reason == "expired" ? state::expired : state::cancelled;
  auto text = event.cancel.text;
  if (text.empty()) text = std::string("by the other side");
  end(offer, what, text);
}

// ---- this side ends one

asio::awaitable<Exchange::CancelResult> Exchange::cancel(OfferPtr offer, bool keep) {
  auto& pair = sessions_->pair(offer->row.peer);
  protocol::Cancel message;
  message.id = offer->row.id;
  message.reason = "cancelled";
  CancelResult result;
  const auto taking = offer->taking;  // none while its list is fetched again
  const bool staged = taking || (!offer->given() && offer->is(state::active));
  result.removed_bytes = staged ? offer->row.bytes_done : 0;
  if (keep && taking && taking->drive_away()) {
    throw Failure(base::Exit::failed,
                  "offer " + std::to_string(offer->row.number) +
                      " is not cancelled: what is complete of it cannot be kept now, for it is on "
                      "a drive that is away from " +
                      base::quoted(taking->plan().folder) +
                      ". Mount it and try again, or cancel without --keep: then it is removed "
                      "when the drive is back");
  }
  auto said = pair.ledger.cancel(message);
  if (!said) {
    throw Failure(base::Exit::failed, "offer " + std::to_string(offer->row.number) +
                                          " cannot be cancelled: it has ended or is ending");
  }
  stop_lanes(*offer);
  stop_fetch(*offer);
  offer->row.state = state::cancelled;
  if (staged) {
    const auto plan = taking ? taking->plan() : plan_from_json(offer->row.options);
    offer->row.options = plan_to_json(plan, keep);
  }
  note(offer);
  say(pair);
  if (staged) {
    // A task of ours, so that it is carried through if the command goes away.
    auto cleared = std::make_shared<std::optional<Result<storage::Intake::Delivered>>>();
    tasks_.spawn("cancel", clear_and_tell(offer, keep, cleared));
    while (!*cleared) co_await services_.changed.wait();
    if (!**cleared && storage::is_drive_away((*cleared)->error().code)) {
      result.removed_bytes = 0;
      result.left_in = plan_from_json(offer->row.options).folder;
      co_return result;
    }
    if (!**cleared) {
      throw Failure(base::Exit::failed,
                    "offer " + std::to_string(offer->row.number) +
                        " is cancelled, but what it had here stays: " + (*cleared)->error().text());
    }
    const auto& kept = ***cleared;
    result.kept = kept.roots;
    result.removed_bytes -= std::min(result.removed_bytes, kept.bytes);
  }
  co_return result;
}

asio::awaitable<void> Exchange::clear_and_tell(
    OfferPtr offer, bool keep,
    std::shared_ptr<std::optional<Result<storage::Intake::Delivered>>> cleared) {
  *cleared = co_await clear(offer, keep);
  services_.changed.notify_all();
}

/// Stops a transfer and removes its staging, whatever becomes of who asked for it. Its end waits.
asio::awaitable<Result<storage::Intake::Delivered>> Exchange::clear(OfferPtr offer, bool keep) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  offer->clearing = true;
  std::shared_ptr<storage::Intake> intake;
  if (const auto taking = offer->taking) {
    taking->stop();
    while (offer->taking) co_await services_.changed.wait();
    intake = taking->intake();
  }
  co_return co_await remove_staged(offer, intake, keep);
}

/// `intake` may be none: then it is opened once more for that.
asio::awaitable<Result<storage::Intake::Delivered>> Exchange::remove_staged(
    OfferPtr offer, std::shared_ptr<storage::Intake> intake, bool keep) {
  offer->clearing = true;
  auto job = [intake, keep, record = offer->folder, id = offer->row.id,
              plan = plan_from_json(offer->row.options),
              round = offer->row.round]() mutable -> Result<storage::Intake::Delivered> {
    if (!intake) {
      auto left = storage::Intake::open(record, id, plan, round);
      if (left) intake = std::move(*left);
    }
    if (intake) {
      if (auto gone = intake->abandon(keep); !gone) return std::move(gone).error();
      return keep ? intake->delivered() : storage::Intake::Delivered();
    }
    // Its list is damaged, or the drive is away: nothing can be kept, but what is staged can go.
    auto folder = storage::Folder::open(record);
    if (!folder) return std::move(folder).error();
    auto gone = storage::Staging::leave(*folder);
    if (!gone) return std::move(gone).error();
    if (!*gone)
      return storage::errno_error("remove what arrived in", plan.folder, storage::kDriveAway);
    return storage::Intake::Delivered();
  };
  auto done = co_await async::run_on(services_.disk, std::move(job));
  if (!done) base::log(base::Level::error, "exchange", done.error().text());
  offer->clearing = false;
  if (const auto ending = std::exchange(offer->ending, std::nullopt))
    offers_.end(offer, ending->state, ending->text);
  co_return done;
}

/// A cancel that a crash interrupted.
asio::awaitable<void> Exchange::clear_left(OfferPtr offer) {
  (void)co_await clear(offer, keeps_complete(offer->row.options));
}

/// The other side ended what was being carried out: staging goes, then the offer ends.
asio::awaitable<void> Exchange::abandon(OfferPtr offer, std::string what, std::string text) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  (void)co_await clear(offer, false);
  end(offer, what, text);
}

void Exchange::end(const OfferPtr& offer, std::string_view state, std::string text) {
  if (offer->clearing) {
    offer->ending = {std::string(state), std::move(text)};
    return;
  }
  if (offer->taking) {  // what was staged goes first
    tasks_.spawn("abandon", abandon(offer, std::string(state), std::move(text)));
    return;
  }
  offers_.end(offer, state, std::move(text));
  if (offer->unanswered_knock())
    sessions_->pair(offer->row.peer).ledger.forget_ended(offer->row.id);
}

void Exchange::stop_fetch(const OfferRecord& offer) {
  if (const auto it = fetches_.find(offer.row.number); it != fetches_.end()) it->second->stop();
}

void Exchange::cancel_all_with(const protocol::PeerId& peer) {
  auto& ledger = sessions_->pair(peer).ledger;
  std::vector<protocol::OfferId> unnoted;
  for (const auto& [id, taken] : ledger.taken()) {
    if (!offers_.find(peer, id, Direction::taken)) unnoted.push_back(id);
  }
  for (const auto& id : unnoted) ledger.end(id, protocol::Outcome::cancelled);
  const auto open = offers_.open();
  for (const auto& [number, offer] : open) {
    if (offer->row.peer != peer) continue;
    stop_lanes(*offer);
    stop_fetch(*offer);
    ledger.end(offer->row.id, protocol::Outcome::cancelled);
    const bool told =
        offer->is(state::rejected) || offer->is(state::done) || offer->is(state::failed);
    if (told) {
      end(offer, std::string(offer->row.state));
    } else {
      end(offer, state::cancelled, "the other side was blocked or forgotten here");
    }
  }
}

void Exchange::dial_lost_lanes(Pair& pair, const OfferRecord& offer) {
  const auto& id = offer.row.id;
  if (offer.trouble || !expects_lane(pair, id)) return;
  if (offer.given()) {
    const auto& accept = pair.ledger.find_given(id)->accept;
    if (accept && offer.row.bytes_done < accept->bytes)
      sessions_->open_lanes(pair, id, accept->lanes);
  } else if (!offer.taking->paused() && !offer.taking->intake()->all_here()) {
    if (const auto* taken = pair.ledger.find_taken(id); taken && taken->accept)
      sessions_->open_lanes(pair, id, taken->accept->lanes);
  }
}

/// Every few seconds: what has expired ends, and lanes that were lost are dialled again.
asio::awaitable<void> Exchange::look_after() {
  asio::steady_timer timer(services_.io);
  while (!stopping_) {
    offers_.clear_left();
    const auto open = offers_.open();
    const auto now = steady_clock::now();
    for (const auto& [number, offer] : open) {
      auto& pair = sessions_->pair(offer->row.peer);
      dial_lost_lanes(pair, *offer);
      give_up_idle(pair, offer);
      if (const auto* given = pair.ledger.find_given(offer->row.id);
          offer->given() && given && given->state == protocol::GivenOffer::State::open &&
          given->expires_at <= now) {
        protocol::Cancel message;
        message.id = offer->row.id;
        message.reason = "expired";
        if (pair.ledger.cancel(message)) {
          offer->row.state = state::expired;
          note(offer);
          say(pair);
        }
        continue;
      }
      // What is only still to be said is not said for ever.
      const bool last_word = !(offer->is(state::preparing) || offer->is(state::pending) ||
                               offer->is(state::active) || offer->is(state::partial));
      if (last_word && offer->row.expires + protocol::kEndedIdsKept.count() <= std::time(nullptr)) {
        pair.ledger.end(offer->row.id, protocol::Outcome::expired);
        end(offer, std::string(offer->row.state));
        continue;
      }
      if (const auto* taken = pair.ledger.find_taken(offer->row.id);
          !offer->given() && taken && taken->state == protocol::TakenOffer::State::open &&
          (taken->expires_at <= now || offer->row.expires <= std::time(nullptr))) {
        pair.ledger.end(offer->row.id, protocol::Outcome::expired);
        stop_fetch(*offer);
        end(offer, state::expired);
      }
    }
    timer.expires_after(kLookPause);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

}  // namespace peer::node
