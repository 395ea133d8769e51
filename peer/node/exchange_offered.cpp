#include <algorithm>
#include <ctime>
#include <utility>

#include "async/sleep.hpp"
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
    return;
  }
  const auto& address = session.remote_network();
  if (const auto code = refusal(pair, event.offer, address); !code.empty()) {
    protocol::Reject reject;
    reject.id = event.offer.id;
    reject.reason = code;
    if (pair.ledger.reject(reject)) {
      say(pair);
      // Said once; a stranger is owed no more, and nothing is kept of it.
      if (!contacts_.is_contact(pair.id)) {
        pair.ledger.end(reject.id, protocol::Outcome::rejected);
        pair.ledger.forget_ended(reject.id);
      }
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
  OfferPtr offer;
  std::string trouble;
  try {
    offer = co_await offers_.add(std::move(row));
  } catch (const Failure& failure) {
    trouble = failure.text();
  }
  if (const auto noted = noting_.find(address); noted != noting_.end() && stranger)
    noting_.erase(noted);
  if (!offer) {
    base::log(base::Level::error, "exchange", "an offer cannot be kept: " + trouble);
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

bool Exchange::wants_list(const OfferRecord& offer) const {
  return !stopping_ && !offer.ended() && offer.is(state::preparing);
}

asio::awaitable<Result<void>> Exchange::fetch_once(OfferPtr offer) {
  auto& row = offer->row;
  auto fetching =
      std::make_shared<Fetching>(services_, sessions_->pair(row.peer), row.offer, offer->folder);
  fetches_[row.number] = fetching;
  auto fetched = co_await fetching->run();
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
    co_await async::sleep(kDiskRetry);
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

/// What is taken without asking: the answer to our own `get`, and what a trusted contact gives
/// within bounds.
asio::awaitable<void> Exchange::decide_alone(OfferPtr offer) {
  const std::shared_ptr<void> deciding(nullptr, [this, offer](void*) {
    offer->deciding = false;
    services_.changed.notify_all();
  });
  try {
    const bool asked_for = co_await answers_get(offer);
    if (asked_for) co_return;
    const bool trusted = co_await trusted_to_come(offer);
    if (!trusted) co_return;
    auto plan = default_plan();
    plan.on_clash = storage::OnClash::rename;
    co_await accept(offer, std::move(plan));
  } catch (const Failure& failure) {
    base::log(
        base::Level::info, "exchange",
        "offer " + std::to_string(offer->row.number) + " waits for an answer: " + failure.text());
  }
}

asio::awaitable<bool> Exchange::answers_get(OfferPtr offer) {
  const auto found = std::ranges::find_if(open_gets_, [&](const auto& open) {
    return offer->row.offer.get == open->id && open->peer == offer->row.peer && !open->claimed;
  });
  if (found == open_gets_.end()) co_return false;
  const auto get = *found;
  get->claimed = true;
  sessions_->pair(offer->row.peer).ledger.answered(get->id);
  auto review_plan = get->plan;
  try {
    auto seen = co_await review(offer, review_plan);
    const auto& roots = seen.roots;
    const bool fits =
        seen.root_count == roots.size() && std::ranges::all_of(roots, [&](const auto& root) {
          return std::ranges::find(get->roots, root) != get->roots.end();
        });
    const bool waited_for = std::ranges::find(open_gets_, get) != open_gets_.end();
    if (!fits) {
      get->error =
          "the answer holds other things than were asked for; it waits among the offers (peer "
          "offers)";
    } else if (get->look_only) {
      reject(offer, "declined", "it was only looked at");
      get->seen = std::move(seen);
    } else if (waited_for) {
      if (get->limit > 0) offers_.set_limit(offer, get->limit);
      co_await accept(offer, std::move(review_plan), true);
      get->offer = offer;
    }
  } catch (const Failure& failure) {
    get->error = failure.text();
    get->exit = failure.exit();
    // Asked for once, and not taken: it does not wait among the offers.
    if (offer->is(state::pending)) reject(offer, "declined", "it could not be taken");
  }
  services_.changed.notify_all();
  co_return true;
}

asio::awaitable<bool> Exchange::trusted_to_come(OfferPtr offer) {
  if (!contacts_.is_trusted(offer->row.peer) || offer->row.offer.bytes > kTrustedOfferBytes)
    co_return false;
  auto plan = default_plan();
  auto seen = co_await review(offer, std::move(plan));
  const auto left = seen.free_bytes - std::min(seen.free_bytes, seen.needed_bytes);
  co_return left >= seen.capacity_bytes / 100 * kTrustedFreePercent;
}

}  // namespace peer::node
