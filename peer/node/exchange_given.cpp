#include <algorithm>
#include <utility>

#include "async/run_on.hpp"
#include "base/text.hpp"
#include "node/exchange.hpp"

namespace peer::node {

using protocol::Direction;
using std::chrono::steady_clock;

namespace {
constexpr std::chrono::seconds kWantsUnderWay{2};
}

void Exchange::give(const OfferPtr& offer) {
  auto& row = offer->row;
  auto& pair = sessions_->pair(row.peer);
  protocol::GivenOffer given;
  given.offer = row.offer;
  given.order = row.number;
  given.expires_at = steady_clock::now() + std::chrono::seconds(row.offer.expires);
  pair.ledger.give(std::move(given));
  row.state = state::pending;
  note(offer);
  say(pair);
}

asio::awaitable<std::shared_ptr<storage::Source>> Exchange::source_of(Pair& pair,
                                                                      protocol::OfferId id) {
  const auto offer = offers_.find(pair.id, id, Direction::given);
  if (!offer) co_return nullptr;
  if (auto source = offer->source.lock()) co_return source;
  auto job = [folder = offer->folder] { return storage::Source::open(folder); };
  auto opened = co_await async::run_on(services_.disk, std::move(job));
  if (!opened) {
    if (opened.error().code == std::errc::state_not_recoverable)
      withdraw_damaged(pair, offer, opened.error());
    else
      base::log(base::Level::error, "exchange", opened.error().text());
    co_return nullptr;
  }
  if (auto meanwhile = offer->source.lock()) co_return meanwhile;
  std::shared_ptr<storage::Source> source = std::move(*opened);
  offer->source = source;
  co_return source;
}

/// What is left of its record cannot serve it, and nobody else has one.
void Exchange::withdraw_damaged(Pair& pair, const OfferPtr& offer, const Error& error) {
  protocol::Cancel message;
  message.id = offer->row.id;
  message.reason = protocol::wire_code(protocol::Errc::disk);
  message.text = "what the giver keeps of its list is damaged; it can be offered again";
  if (offer->ended() || !pair.ledger.cancel(message)) return;
  stop_lanes(*offer);
  offer->row.state = state::failed;
  offer->row.outcome_text = "what is kept of its list here is damaged (" + error.context +
                            "), so that it cannot go on: offer the files again";
  base::log(base::Level::error, "exchange",
            "offer " + std::to_string(offer->row.number) + ": " + error.text());
  note(offer);
  say(pair);
}

Throttle Exchange::throttle_of(Pair& pair, const protocol::OfferId& id) {
  const auto offer = offers_.find(pair.id, id, Direction::given);
  if (!offer)
    return {std::make_shared<base::RateLimit>(), services_.giving_limit,
            std::make_shared<TimeSpent>()};
  return {offer->limit, services_.giving_limit, offer->spent};
}

void Exchange::bytes_sent(Pair& pair, const protocol::OfferId& id, std::uint64_t bytes,
                          std::string current) {
  const auto offer = offers_.find(pair.id, id, Direction::given);
  if (!offer) return;
  offer->sent_bytes += bytes;
  offer->used = steady_clock::now();
  offer->current = std::move(current);
  offer->row.bytes_done = std::min(offer->row.bytes_done + bytes, offer->row.offer.bytes);
  offer->meter.sample(offer->sent_bytes, steady_clock::now());
}

/// The taker wants again: its trouble is over. Not so a want that was under way when it said so.
void Exchange::wanted(Pair& pair, const protocol::OfferId& id) {
  const auto offer = offers_.find(pair.id, id, Direction::given);
  if (!offer) return;
  const auto* given = pair.ledger.find_given(id);
  const bool accepted = given && given->state == protocol::GivenOffer::State::accepted;
  if (stands_still(*offer) && accepted) return refuse_paused(pair, *offer);  // its list may go
  offer->used = steady_clock::now();
  if (!offer->trouble || steady_clock::now() - offer->trouble_since < kWantsUnderWay) return;
  offer->trouble.reset();
  services_.changed.notify_all();
}

void Exchange::on_accepted(Pair& pair, const protocol::Accepted& event) {
  const auto offer = offers_.find(pair.id, event.accept.id, Direction::given);
  if (!offer) return;
  offer->trouble.reset();
  offer->used = steady_clock::now();
  // What was sent may not have arrived, and what an earlier run of this program sent is not
  // counted.
  if (!event.repeated || event.accept.held > 0)
    offer->row.bytes_done = std::min(event.accept.held, offer->row.offer.bytes);
  if (!event.repeated) {
    offer->row.state = state::active;
    note(offer);
  }
  if (stands_still(*offer)) return refuse_paused(pair, *offer);
  if (expects_lane(pair, event.accept.id))
    sessions_->open_lanes(pair, event.accept.id, event.accept.lanes);
}

void Exchange::on_finished(Pair& pair, const protocol::Finished& event) {
  const auto& done = event.done;
  const auto offer = offers_.find(pair.id, done.id, Direction::given);
  if (!offer) return;
  stop_lanes(*offer);
  if (event.repeated) return;
  offer->spent->arrived(steady_clock::now());
  auto& row = offer->row;
  row.files_done = done.files;
  row.bytes_done = done.bytes;
  row.failed = done.failed;
  offer->trouble.reset();
  tasks_.spawn("finish", finish_given(offer, done));
}

/// Names the entries that failed before the record goes, then ends the offer or leaves the rest on
/// offer.
asio::awaitable<void> Exchange::finish_given(OfferPtr offer, protocol::Done done) {
  if (!done.failures.empty()) {
    const auto* failures = &done.failures;
    auto job = [folder = offer->folder, failures] { return with_paths(folder, *failures); };
    offer->row.failures = co_await async::run_on(services_.disk, std::move(job));
  }
  if (offer->ended()) co_return;  // cancelled meanwhile
  const auto* given = sessions_->pair(offer->row.peer).ledger.find_given(offer->row.id);
  if (!done.complete && given && given->round > done.round)
    co_return;  // the next round has begun meanwhile
  if (done.complete) {
    end(offer, state::done);
  } else {
    offer->row.state = state::partial;
    note(offer);
  }
}

std::vector<protocol::Failure> with_paths(const std::string& folder,
                                          std::vector<protocol::Failure> failures) {
  auto catalogue = storage::Catalogue::open(folder);
  if (!catalogue) return failures;
  const auto cursor = (*catalogue)->cursor();
  for (auto& failure : failures) {
    storage::PlacedEntry placed;
    if (failure.entry >= (*catalogue)->entries() || !cursor->to_entry(failure.entry)) continue;
    const auto found = cursor->next(placed);
    if (found && *found) failure.text = placed.entry.path + '\0' + failure.text;
  }
  return failures;
}

// ---- lanes

asio::awaitable<void> Exchange::serve_lane(Pair& pair, std::shared_ptr<Session> session,
                                           OfferPtr offer, net::RawConnection connection) {
  auto source = co_await source_of(pair, offer->row.id);
  const bool fits = source && !offer->ended() && !stopping_ && !session->over() &&
                    offer->lanes < protocol::kMaxLanes;
  if (!fits) {
    session->lane_ended(offer->row.id);
    co_return;
  }
  const auto form = answer_form(session->talk());
  const auto block_bytes = session->talk().theirs()->limits.block_bytes;
  const auto slot = serving_.emplace(serving_.end());
  slot->offer = offer;
  slot->session = session;
  auto& io = services_.io;
  GivingLane::Hooks hooks;
  hooks.sent = [this, &io, &pair, id = offer->row.id](std::uint64_t bytes, std::string current) {
    asio::post(io, [this, &pair, id, bytes, current = std::move(current)]() mutable {
      bytes_sent(pair, id, bytes, std::move(current));
    });
  };
  hooks.wanted = [this, &io, &pair, id = offer->row.id] {
    asio::post(io, [this, &pair, id] { wanted(pair, id); });
  };
  hooks.ended = [this, &io, slot] { asio::post(io, [this, slot] { lane_ended(slot); }); };
  try {
    slot->lane = std::make_unique<GivingLane>(std::move(connection), offer->row.id, source, form,
                                              block_bytes, throttle_of(pair, offer->row.id),
                                              std::move(hooks));
  } catch (const std::exception& error) {  // no descriptor or no thread left
    base::log(base::Level::warning, "exchange",
              std::string("a lane was not begun: ") + error.what());
    serving_.erase(slot);
    session->lane_ended(offer->row.id);
    co_return;
  }
  ++offer->lanes;
  services_.changed.notify_all();
}

void Exchange::stop_lanes(const OfferRecord& offer) {
  for (auto& serving : serving_) {
    if (serving.offer.get() == &offer) serving.lane->stop();
  }
}

void Exchange::lane_ended(std::list<Serving>::iterator where) {
  where->lane->join();  // its thread has said its last word
  if (where->offer->lanes > 0) --where->offer->lanes;
  if (const auto session = where->session.lock())
    session->lane_ended(where->offer->row.id, where->lane->fell_silent());
  serving_.erase(where);
  services_.changed.notify_all();
}

}  // namespace peer::node
