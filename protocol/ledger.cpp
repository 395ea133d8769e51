#include "protocol/ledger.hpp"

#include <cassert>
#include <utility>

#include "protocol/errors.hpp"

namespace peer::protocol {
namespace {

template <class Map>
auto* find_in(Map& map, const OfferId& id) {
  const auto it = map.find(id);
  return it == map.end() ? nullptr : &it->second;
}

Error unknown(const char* what, const OfferId& id) {
  return {Errc::unknown_offer, std::string(what) + " offer " + id.text()};
}

Error wrong_state(const char* what, const OfferId& id) {
  return {Errc::bad_state, std::string(what) + " offer " + id.text()};
}

/// Whether it says a `done` that leaves the offer open.
bool finishing_a_part(const TakenOffer& offer) {
  return offer.state == TakenOffer::State::finishing && offer.done && !offer.done->complete;
}

}  // namespace

Outcome outcome_of(const Cancel& cancel) {
  return cancel.reason == "expired" ? Outcome::expired : Outcome::cancelled;
}

void Ledger::give(GivenOffer offer) {
  assert(!knows(offer.offer.id) && offer.state == GivenOffer::State::open);
  const OfferId id = offer.offer.id;
  given_.emplace(id, std::move(offer));
}

Result<void> Ledger::accept(Accept accept) {
  auto* taken = find_in(taken_, accept.id);
  if (!taken) return unknown("accept", accept.id);
  using State = TakenOffer::State;
  if (taken->state != State::open && taken->state != State::accepted && !finishing_a_part(*taken))
    return wrong_state("accept", accept.id);
  if (accept.manifest != taken->offer.manifest)
    return Error(Errc::bad_offer, "accept offer " + accept.id.text() + " with another manifest");
  accept.round = ++taken->round;
  taken->accept = accept;
  taken->state = State::accepted;
  return {};
}

void Ledger::holds(const OfferId& id, std::uint64_t bytes) {
  auto* taken = find_in(taken_, id);
  if (taken && taken->accept) taken->accept->held = bytes;
}

Result<void> Ledger::finish(Done done) {
  auto* taken = find_in(taken_, done.id);
  if (!taken) return unknown("finish", done.id);
  if (taken->state != TakenOffer::State::accepted) return wrong_state("finish", done.id);
  done.round = taken->round;
  taken->done = std::move(done);
  taken->state = TakenOffer::State::finishing;
  return {};
}

Result<void> Ledger::reject(Reject reject) {
  auto* taken = find_in(taken_, reject.id);
  if (!taken) return unknown("reject", reject.id);
  if (taken->state != TakenOffer::State::open || taken->round > 0)
    return wrong_state("reject", reject.id);
  taken->reject = std::move(reject);
  taken->state = TakenOffer::State::rejecting;
  return {};
}

Result<void> Ledger::cancel(Cancel cancel) {
  if (auto* given = find_in(given_, cancel.id)) {
    if (given->state == GivenOffer::State::cancelling) return wrong_state("cancel", cancel.id);
    given->cancel = std::move(cancel);
    given->state = GivenOffer::State::cancelling;
    return {};
  }
  auto* taken = find_in(taken_, cancel.id);
  if (!taken) return unknown("cancel", cancel.id);
  using State = TakenOffer::State;
  if (taken->state != State::open && taken->state != State::accepted && !finishing_a_part(*taken))
    return wrong_state("cancel", cancel.id);
  taken->cancel = std::move(cancel);
  taken->state = State::cancelling;
  return {};
}

void Ledger::end(const OfferId& id, Outcome outcome) {
  assert(outcome != Outcome::open);
  const OfferId ended = id;  // `id` may lie in what is erased
  if (given_.erase(ended) > 0)
    ended_[ended] = {Direction::given, outcome};
  else if (taken_.erase(ended) > 0)
    ended_[ended] = {Direction::taken, outcome};
}

void Ledger::restore(GivenOffer offer) {
  assert(!knows(offer.offer.id));
  using State = GivenOffer::State;
  if (offer.state == State::cancelling && !offer.cancel)
    offer.state = offer.round > offer.done_round ? State::accepted : State::open;
  const OfferId id = offer.offer.id;
  given_.emplace(id, std::move(offer));
}

void Ledger::restore(TakenOffer offer) {
  assert(!knows(offer.offer.id));
  using State = TakenOffer::State;
  const bool speechless = (offer.state == State::accepted && !offer.accept) ||
                          (offer.state == State::finishing && !offer.done) ||
                          (offer.state == State::rejecting && !offer.reject) ||
                          (offer.state == State::cancelling && !offer.cancel);
  if (speechless) offer.state = State::open;
  const OfferId id = offer.offer.id;
  taken_.emplace(id, std::move(offer));
}

void Ledger::restore_ended(const OfferId& id, Ended ended) { ended_[id] = ended; }

void Ledger::forget_ended(const OfferId& id) { ended_.erase(id); }

void Ledger::ask(Get get) {
  const RequestId request = get.request;
  gets_.insert_or_assign(request, std::move(get));
}

void Ledger::answered(const RequestId& request) { gets_.erase(request); }

const GivenOffer* Ledger::find_given(const OfferId& id) const { return find_in(given_, id); }

const TakenOffer* Ledger::find_taken(const OfferId& id) const { return find_in(taken_, id); }

std::optional<Ledger::Ended> Ledger::find_ended(const OfferId& id) const {
  const auto* ended = find_in(ended_, id);
  if (!ended) return std::nullopt;
  return *ended;
}

bool Ledger::knows(const OfferId& id) const {
  return given_.contains(id) || taken_.contains(id) || ended_.contains(id);
}

}  // namespace peer::protocol
