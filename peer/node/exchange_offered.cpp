#include <algorithm>
#include <ctime>
#include <new>
#include <utility>

#include "node/exchange.hpp"
#include "node/failure.hpp"
#include "node/fetching.hpp"
#include "node/wire_text.hpp"

namespace peer::node {

using protocol::Direction;
using protocol::Errc;

namespace {
constexpr std::size_t kPacesKept = 1024;
constexpr std::chrono::seconds kDiskRetry{60};
constexpr std::chrono::seconds kNoteRetry{10};
constexpr std::chrono::seconds kMemoryRetry{5};  ///< where there was none

std::chrono::steady_clock::time_point next_try(const Error& error) {
  const bool memory = error.code == std::errc::not_enough_memory;
  return std::chrono::steady_clock::now() + (memory ? kMemoryRetry : kDiskRetry);
}
}  // namespace

/// The code an offer is turned away with before anyone sees it; empty if it may come in.
std::string Exchange::refusal(const Pair& pair, const protocol::Offer& offer,
                              const std::string& address) {
  const bool contact = contacts_.is_contact(pair.id);
  if (contacts_.is_blocked(pair.id)) return std::string(protocol::wire_code(Errc::not_accepted));
  if (contact || watching_anyone > 0) {
    const bool fits = offer.entries() <= protocol::kMaxManifestEntries &&
                      offer.manifest_bytes <= protocol::kMaxManifestBytes;
    return fits ? std::string() : std::string(protocol::wire_code(Errc::too_large));
  }
  const auto asked = std::ranges::any_of(
      open_gets_, [&](const auto& get) { return offer.get == get->id && get->peer == pair.id; });
  if (asked) return {};
  if (services_.settings.offers_from != "anyone")
    return std::string(protocol::wire_code(Errc::not_accepted));
  if (offer.entries() > protocol::kMaxStrangerEntries ||
      offer.manifest_bytes > protocol::kMaxStrangerManifestBytes) {
    return std::string(protocol::wire_code(Errc::too_large));
  }
  // Those that wait for their number count like those that have one.
  std::size_t all = noting_.size();
  std::size_t here = noting_.count(address);
  for (const auto& [number, open] : offers_.open()) {
    if (open->given() || !open->from_stranger ||
        !(open->is(state::preparing) || open->is(state::pending)))
      continue;
    ++all;
    if (open->stranger_address == address) ++here;
  }
  if (stranger_paces_.size() >= kPacesKept) stranger_paces_.clear();
  auto& pace =
      stranger_paces_
          .try_emplace(address, kStrangerOffersPerMinutePerAddress, std::chrono::minutes(1))
          .first->second;
  const bool busy = all >= protocol::kMaxStrangerOffers ||
                    here >= protocol::kMaxStrangerOffersPerAddress || !pace.allows() ||
                    !stranger_pace_.allows();
  return busy ? std::string(protocol::wire_code(Errc::busy)) : std::string();
}

void Exchange::on_offered(Pair& pair, Session& session, const protocol::Offered& event) {
  if (event.repeated) {
    for (const auto& [number, fetching] : fetches_) fetching->session_changed();
    const auto offer = offers_.find(pair.id, event.offer.id, Direction::taken);
    if (offer && offer->taking) offer->taking->giver_goes_on();
    return;
  }
  const auto& address = session.remote_network();
  if (const auto code = refusal(pair, event.offer, address); !code.empty()) {
    protocol::Reject reject;
    reject.id = event.offer.id;
    reject.reason = code;
    if (pair.ledger.reject(reject)) say(pair);
    // Said once; a stranger is owed no more, and nothing is kept of it.
    if (!contacts_.is_contact(pair.id)) {
      pair.ledger.end(reject.id, protocol::Outcome::rejected);
      pair.ledger.forget_ended(reject.id);
    }
    return;
  }
  const bool stranger = !contacts_.is_contact(pair.id);
  if (stranger) noting_.insert(address);
  tasks_.spawn("note offer", take_note(pair, event.offer, address, stranger));
}

asio::awaitable<void> Exchange::take_note(Pair& pair, protocol::Offer what, std::string address,
                                          bool stranger) {
  storage::OfferRow row;
  row.id = what.id;
  row.peer = pair.id;
  row.direction = Direction::taken;
  row.state = state::preparing;
  row.offer = what;
  auto keep = std::chrono::seconds(what.expires);
  if (stranger) keep = std::min<std::chrono::seconds>(keep, kStrangerExpiry);
  row.expires = std::time(nullptr) + keep.count();
  auto offer = co_await add_noted(row);
  // A contact's waits for room here; nobody has refused it.
  for (bool told = false; !offer && !stranger; told = true) {
    if (!told) tell_not_noted(pair, what.id);
    const auto later = std::chrono::steady_clock::now() + kNoteRetry;
    while (std::chrono::steady_clock::now() < later) {
      co_await services_.changed.wait_for(later - std::chrono::steady_clock::now());
      if (stopping_ || !pair.ledger.find_taken(what.id)) co_return;
    }
    offer = co_await add_noted(row);
  }
  if (const auto noted = noting_.find(address); noted != noting_.end() && stranger)
    noting_.erase(noted);
  if (!offer) {
    protocol::Reject reject;
    reject.id = what.id;
    reject.reason = protocol::wire_code(Errc::disk);
    if (pair.ledger.reject(reject)) say(pair);
    co_return;
  }
  offer->from_stranger = stranger;
  offer->stranger_address = std::move(address);
  offers_.save(offer);
  if (!pair.ledger.find_taken(what.id)) {  // it was withdrawn while it got its number
    end(offer, state::cancelled);
    co_return;
  }
  co_await fetch(offer);
}

/// Nothing if it cannot be kept.
asio::awaitable<OfferPtr> Exchange::add_noted(storage::OfferRow row) {
  try {
    auto offer = co_await offers_.add(std::move(row));
    co_return offer;
  } catch (const Failure& failure) {
    base::log(base::Level::error, "exchange", "an offer cannot be kept: " + failure.text());
  }
  co_return OfferPtr();
}

void Exchange::tell_not_noted(Pair& pair, const protocol::OfferId& id) {
  if (!pair.session || pair.session->over()) return;
  protocol::Trouble trouble;
  trouble.id = id;
  trouble.code = protocol::wire_code(Errc::disk);
  trouble.text = "the offer cannot be noted there, and is when there is room";
  pair.session->talk().trouble(trouble);
  pair.session->flush();
}

bool Exchange::wants_list(const OfferRecord& offer) const {
  return !stopping_ && !offer.ended() && offer.is(state::preparing);
}

asio::awaitable<Result<void>> Exchange::fetch_once(OfferPtr offer) {
  auto& row = offer->row;
  auto fetching =
      std::make_shared<Fetching>(services_, sessions_->pair(row.peer), row.offer, offer->folder);
  fetches_[row.number] = fetching;
  Result<void> fetched;
  try {
    fetched = co_await fetching->run();
  } catch (const std::bad_alloc&) {
    fetched = Error(std::make_error_code(std::errc::not_enough_memory));
  }
  fetches_.erase(row.number);
  co_return fetched;
}

/// Brings the list here; then somebody can be asked.
asio::awaitable<void> Exchange::fetch(OfferPtr offer) {
  auto& row = offer->row;
  auto& pair = sessions_->pair(row.peer);
  auto fetched = co_await fetch_once(offer);
  while (!fetched && fetched.error().code.category() != protocol::category() &&
         wants_list(*offer)) {
    // Our own disk: it may have room again.
    offer->trouble.emplace();
    offer->trouble->code = protocol::wire_code(Errc::disk);
    offer->trouble->text = fetched.error().text();
    offer->trouble_is_ours = true;
    services_.changed.notify_all();
    base::log(base::Level::warning, "exchange",
              "the list of offer " + std::to_string(row.number) + ": " + fetched.error().text());
    offer->try_again = false;
    const auto later = next_try(fetched.error());
    while (wants_list(*offer) && !offer->try_again && std::chrono::steady_clock::now() < later)
      co_await services_.changed.wait_for(later - std::chrono::steady_clock::now());
    if (!wants_list(*offer)) co_return;
    offer->trouble.reset();
    fetched = co_await fetch_once(offer);
  }
  if (!wants_list(*offer)) co_return;
  if (!fetched) {
    protocol::Reject reject;
    reject.id = row.id;
    reject.reason = protocol::wire_code(Errc::bad_manifest);
    reject.text = wire_text(fetched.error().text(), protocol::kMaxTextBytes);
    row.outcome_text = "its list cannot be taken: " + fetched.error().text();
    row.state = state::failed;
    base::log(base::Level::warning, "exchange",
              "offer " + std::to_string(row.number) + ": " + row.outcome_text);
    const bool said = static_cast<bool>(pair.ledger.reject(reject));
    if (said) say(pair);
    if (said && !offer->from_stranger) {
      note(offer);
      drop_list(offer);
    } else {  // a stranger is told once
      pair.ledger.end(row.id, protocol::Outcome::rejected);
      end(offer, state::failed);
    }
    for (const auto& get : open_gets_) {
      if (row.offer.get == get->id && get->peer == row.peer) get->error = row.outcome_text;
    }
    co_return;
  }
  row.manifest_here = true;
  offer->deciding = true;
  offers_.set_state(offer, state::pending);
  co_await decide_alone(offer);
}

/// What we keep of an offer's list was damaged. The giver has it still, and its digest tells that
/// it is the one that was approved.
void Exchange::renew_list(const OfferPtr& offer) {
  if (!renewing_.insert(offer->row.number).second) return;
  base::log(base::Level::warning, "exchange",
            "the list of offer " + std::to_string(offer->row.number) +
                " is damaged here: it is fetched again");
  tasks_.spawn("fetch again", fetch_again(offer));
}

asio::awaitable<void> Exchange::fetch_again(OfferPtr offer) {
  const std::shared_ptr<void> renewing(nullptr, [this, offer](void*) {
    renewing_.erase(offer->row.number);
    services_.changed.notify_all();
  });
  auto& trouble = offer->trouble.emplace();
  trouble.code = protocol::wire_code(Errc::disk);
  trouble.text = "its list was damaged here and is fetched again";
  offer->trouble_is_ours = true;
  offer->trouble_since = std::chrono::steady_clock::now();
  services_.changed.notify_all();
  const auto wanted = [&] { return !stopping_ && !offer->ended() && !offer->clearing; };
  for (;;) {
    auto fetched = co_await fetch_once(offer);
    if (!wanted()) co_return;
    if (fetched) break;
    base::log(
        base::Level::warning, "exchange",
        "the list of offer " + std::to_string(offer->row.number) + ": " + fetched.error().text());
    const auto later = next_try(fetched.error());
    while (wanted() && std::chrono::steady_clock::now() < later)
      co_await services_.changed.wait_for(later - std::chrono::steady_clock::now());
  }
  offer->trouble.reset();
  if (offer->is(state::active) && !offer->taking)
    go_on_taking(offer, plan_from_json(offer->row.options));
}

}  // namespace peer::node
