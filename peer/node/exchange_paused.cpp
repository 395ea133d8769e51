#include <utility>

#include "base/text.hpp"
#include "node/exchange.hpp"
#include "node/failure.hpp"

namespace peer::node {

using protocol::Errc;
using std::chrono::steady_clock;

namespace {

constexpr char kStopping[] = "its program was ended, and goes on when it is started again";

std::string called(const OfferRecord& offer) { return "offer " + std::to_string(offer.row.number); }

protocol::Trouble trouble_of(const OfferRecord& offer, Errc code, std::string text) {
  protocol::Trouble trouble;
  trouble.id = offer.row.id;
  trouble.code = protocol::wire_code(code);
  trouble.text = std::move(text);
  return trouble;
}

}  // namespace

void Exchange::pause(const OfferPtr& offer) {
  if (offer->row.paused) return;
  const bool waits = offer->given() && (offer->is(state::pending) || offer->is(state::partial));
  if (!waits && !offer->is(state::active)) {
    const auto number = std::to_string(offer->row.number);
    throw Failure(base::Exit::failed,
                  called(*offer) + " is not being carried out, so that it cannot be paused" +
                      (offer->is(state::pending)
                           ? ": peer accept " + number + " or peer reject " + number + " answers it"
                           : ": it is " + offer->row.state));
  }
  offer->row.paused = true;
  auto& pair = sessions_->pair(offer->row.peer);
  if (offer->given()) {
    stop_lanes(*offer);
    if (offer->is(state::active)) refuse_paused(pair, *offer);
  } else if (offer->taking) {
    offer->taking->pause();
    tasks_.spawn("stand still", stand_still(offer));
  }
  note(offer);
}

/// A pause may be long: what is staged is closed, and looked at anew before it goes on.
asio::awaitable<void> Exchange::stand_still(OfferPtr offer) {
  const auto taking = offer->taking;
  auto plan = taking->plan();
  taking->stop();
  while (offer->taking == taking) co_await services_.changed.wait();
  if (!offer->taking && offer->is(state::active) && !offer->clearing && !offer->ended() &&
      !stopping_)
    go_on_taking(offer, std::move(plan));
}

void Exchange::resume(const OfferPtr& offer) {
  if (!offer->row.paused) {
    if (offer->trouble && !offer->trouble_is_ours &&
        offer->trouble->code == protocol::wire_code(Errc::paused)) {
      throw Failure(base::Exit::failed, called(*offer) + " was paused by " +
                                            contacts_.called(offer->row.peer) +
                                            ", who alone can resume it");
    }
    throw Failure(base::Exit::failed, called(*offer) + " is not paused: it is " + offer->row.state);
  }
  offer->row.paused = false;
  if (offer->taking) offer->taking->resume();
  note(offer);
  auto& pair = sessions_->pair(offer->row.peer);
  if (offer->given() && pair.session && !pair.session->over()) {
    // The taker tries again when it hears of the offer again.
    pair.session->talk().offer_again(offer->row.id);
  }
  say(pair);
}

bool Exchange::stands_still(const OfferRecord& offer) const {
  return offer.row.paused || stopping_;
}

/// The answer to whatever the taker wants, or may want, of what stands still.
void Exchange::refuse_paused(Pair& pair, const OfferRecord& offer) {
  const auto session = pair.session;
  if (!session || session->over() || !session->greeted()) return;
  session->talk().trouble(trouble_of(offer, Errc::paused, offer.row.paused ? "" : kStopping));
  session->flush();
}

/// Somebody who accepted, is connected, and neither wants nor reads: no command waits for that for
/// ever, and nothing here is kept busy by it. It goes on if something is wanted after all.
void Exchange::give_up_idle(Pair& pair, const OfferPtr& offer) {
  const auto session = pair.session;
  if (!offer->given() || !offer->is(state::active) || offer->row.paused || !session ||
      session->over()) {
    offer->used = steady_clock::now();
    return;
  }
  const auto patience = base::parse_duration(services_.settings.give_up_after);
  if (offer->trouble || !patience || steady_clock::now() - offer->used < *patience) return;
  base::log(base::Level::warning, "exchange",
            called(*offer) + ": " + contacts_.called(pair.id) + " accepted and took nothing for " +
                base::duration_text(*patience));
  stop_lanes(*offer);
  const auto time = base::duration_text(*patience);
  if (session->unread()) {  // what it does not read holds buffers
    session->leave(Errc::timed_out, "nothing was read for " + time);
  } else {
    session->talk().trouble(trouble_of(*offer, Errc::timed_out, "nothing was wanted for " + time));
    session->flush();
  }
  offer->trouble = trouble_of(*offer, Errc::timed_out, "accepted and took nothing for " + time);
  offer->trouble_is_ours = true;
  offer->trouble_since = steady_clock::now();
  services_.changed.notify_all();
}

/// Whoever carries something out with this peer is told that it stands still.
void Exchange::tell_stopping() {
  for (const auto& [number, offer] : offers_.open()) {
    if (offer->is(state::active)) refuse_paused(sessions_->pair(offer->row.peer), *offer);
  }
}

}  // namespace peer::node
