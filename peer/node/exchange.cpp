#include "node/exchange.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include "async/run_on.hpp"
#include "node/fetching.hpp"
#include "node/tasks.hpp"

namespace peer::node {

using protocol::Direction;
using std::chrono::steady_clock;

namespace {

/// A wall-clock end as a point of the steady clock, so that a jump of the wall clock moves nothing
/// that is open.
protocol::Time steady_at(storage::UnixTime when) {
  return steady_clock::now() +
         std::chrono::seconds(std::max<std::int64_t>(when - std::time(nullptr), 0));
}

/// The message of this type among those of a row's `say`, one a line.
template <class T>
std::optional<T> decode_said(std::string_view said) {
  while (!said.empty()) {
    const auto line = said.substr(0, said.find('\n'));
    said.remove_prefix(std::min(said.size(), line.size() + 1));
    auto message = protocol::decode(line);
    if (message && std::holds_alternative<T>(*message)) return std::get<T>(std::move(*message));
  }
  return std::nullopt;
}

protocol::GivenOffer given_from(const storage::OfferRow& row) {
  protocol::GivenOffer given;
  given.offer = row.offer;
  given.order = row.number;
  given.expires_at = steady_at(row.expires);
  given.state = static_cast<protocol::GivenOffer::State>(row.ledger_state);
  given.round = row.round;
  given.done_round = row.done_round;
  given.accept = decode_said<protocol::Accept>(row.say);
  given.cancel = decode_said<protocol::Cancel>(row.say);
  return given;
}

protocol::TakenOffer taken_from(const storage::OfferRow& row) {
  protocol::TakenOffer taken;
  taken.offer = row.offer;
  taken.expires_at = steady_at(row.expires);
  taken.state = static_cast<protocol::TakenOffer::State>(row.ledger_state);
  taken.round = row.round;
  taken.accept = decode_said<protocol::Accept>(row.say);
  taken.done = decode_said<protocol::Done>(row.say);
  taken.reject = decode_said<protocol::Reject>(row.say);
  taken.cancel = decode_said<protocol::Cancel>(row.say);
  return taken;
}

/// What a program said without a person, for people.
std::string refusal_text(const std::string& reason) {
  const auto code = protocol::from_wire_code(reason);
  if (reason == "declined") return {};
  if (code == protocol::Errc::not_accepted) return "it takes no offers from this peer";
  if (code == protocol::Errc::busy) return "too many offers wait there: try again later";
  if (code == protocol::Errc::too_large)
    return "it takes no offer of that many entries from this peer";
  if (code == protocol::Errc::bad_manifest)
    return "its program does not take the list of this offer";
  return reason;
}

template <class Said>
void remember(std::string& say, const std::optional<Said>& message) {
  if (message) say += protocol::encode(*message) + '\n';
}

}  // namespace

Exchange::Exchange(Services& services, Contacts& contacts, const Policies& policies, Offers& offers)
    : services_(services),
      contacts_(contacts),
      policies_(policies),
      offers_(offers),
      tasks_(services.io.get_executor(), log_task_error) {}

Exchange::~Exchange() = default;

void Exchange::restore() {
  const auto open = offers_.open();
  for (const auto& [number, offer] : open) {
    auto& row = offer->row;
    auto& pair = sessions_->pair(row.peer);
    if (offer->given()) {
      pair.ledger.restore(given_from(row));
      continue;
    }
    offer->from_stranger = !contacts_.is_contact(row.peer);
    auto taken = taken_from(row);
    const auto where = taken.state;
    pair.ledger.restore(std::move(taken));
    if (where == protocol::TakenOffer::State::accepted) {
      go_on_taking(offer, plan_from_json(row.options));
    } else if (where == protocol::TakenOffer::State::cancelling && !row.options.empty()) {
      tasks_.spawn("clear", clear_left(offer));
    } else if (where == protocol::TakenOffer::State::open && !row.manifest_here) {
      tasks_.spawn("fetch", fetch(offer));
    }
  }
  tasks_.spawn("look after", lasting("look after", [this] { return look_after(); }));
}

asio::awaitable<void> Exchange::stop() {
  stopping_ = true;
  tell_stopping();
  for (const auto& [number, offer] : offers_.open()) {
    if (offer->taking) offer->taking->stop();
  }
  for (const auto& [number, fetching] : fetches_) fetching->stop();
  for (auto& serving : serving_) serving.lane->stop();
  const auto busy = [&] {
    return !serving_.empty() || std::ranges::any_of(offers_.open(), [](const auto& entry) {
      return entry.second->taking != nullptr;
    });
  };
  while (busy()) co_await services_.changed.wait_for(std::chrono::milliseconds(20));
  tasks_.cancel();
  co_await tasks_.join();
}

bool Exchange::has_business(const Pair& pair) const {
  if (!pair.ledger.given().empty() || !pair.ledger.gets().empty()) return true;
  const auto& taken = pair.ledger.taken();
  return std::ranges::any_of(taken, [&](const auto& entry) {
    if (entry.second.state != protocol::TakenOffer::State::open) return true;
    const auto offer = offers_.find(pair.id, entry.first, Direction::taken);
    return offer && !offer->row.manifest_here;
  });
}

void Exchange::note(const OfferPtr& offer) {
  auto& row = offer->row;
  auto& pair = sessions_->pair(row.peer);
  const bool open = offer->given() ? pair.ledger.find_given(row.id) != nullptr
                                   : pair.ledger.find_taken(row.id) != nullptr;
  if (!open) return;  // it has ended meanwhile, and its end is about to be saved
  row.say.clear();
  if (const auto* given = pair.ledger.find_given(row.id); given && offer->given()) {
    row.ledger_state = static_cast<std::uint8_t>(given->state);
    row.round = given->round;
    row.done_round = given->done_round;
    if (given->state == protocol::GivenOffer::State::cancelling) {
      remember(row.say, given->cancel);
    } else {
      remember(row.say, given->accept);
    }
  }
  if (const auto* taken = pair.ledger.find_taken(row.id); taken && !offer->given()) {
    using State = protocol::TakenOffer::State;
    row.ledger_state = static_cast<std::uint8_t>(taken->state);
    row.round = taken->round;
    remember(row.say, taken->done);
    if (taken->state == State::accepted) remember(row.say, taken->accept);
    if (taken->state == State::rejecting) remember(row.say, taken->reject);
    if (taken->state == State::cancelling) remember(row.say, taken->cancel);
  }
  offers_.save(offer);
}

void Exchange::say(Pair& pair) {
  if (pair.session && !pair.session->over()) {
    pair.session->talk().sync(steady_clock::now());
    pair.session->flush();
  } else if (has_business(pair)) {
    sessions_->keep_trying(pair);
  }
}

// ---- what sessions tell

struct Exchange::Handler {
  Exchange& exchange;
  Pair& pair;
  Session& session;

  void operator()(const protocol::Offered& event) { exchange.on_offered(pair, session, event); }
  void operator()(const protocol::Accepted& event) { exchange.on_accepted(pair, event); }
  void operator()(const protocol::Finished& event) { exchange.on_finished(pair, event); }
  void operator()(const protocol::Cancelled& event) { exchange.on_cancelled(pair, event); }
  void operator()(const protocol::Settled& event) { exchange.on_settled(pair, event); }
  void operator()(const protocol::Troubled& event) { exchange.on_trouble(pair, session, event); }
  void operator()(const protocol::Rejected& event) {
    const auto offer = exchange.offers_.find(pair.id, event.reject.id, Direction::given);
    if (!offer) return;
    exchange.stop_lanes(*offer);
    auto text = event.reject.text;
    if (text.empty()) text = refusal_text(event.reject.reason);
    exchange.end(offer, state::rejected, text);
  }
  void operator()(const protocol::RoundClosed& event) {
    if (const auto offer = exchange.offers_.find(pair.id, event.id, Direction::taken))
      exchange.note(offer);
  }
  void operator()(const protocol::Greeted&) {
    for (const auto& [number, offer] : exchange.offers_.open()) {
      if (offer->row.peer != pair.id) continue;
      offer->meter.begin();
      if (offer->taking) offer->taking->session_changed();
    }
    for (const auto& [number, fetching] : exchange.fetches_) fetching->session_changed();
    // The dialler opens the lanes of what is already being carried out.
    for (const auto& [id, taken] : pair.ledger.taken()) {
      if (taken.state == protocol::TakenOffer::State::accepted)
        exchange.sessions_->open_lanes(pair, id, taken.accept->lanes);
    }
  }
  void operator()(const protocol::Wanted& event) { exchange.wanted(pair, event.id); }
  void operator()(const protocol::Checked& event) {
    auto& waiting = exchange.checks_[&session];
    waiting.push_back(event.check);
    if (waiting.size() == 1)
      exchange.tasks_.spawn("check", check(exchange, session.shared_from_this()));
  }
  void operator()(const protocol::CheckAnswered& event) {
    const auto offer = exchange.offers_.find(pair.id, event.id, Direction::taken);
    if (offer && offer->taking) offer->taking->check_answered(event.range, event.same);
  }
  void operator()(const protocol::ListAsked& event) { exchange.on_request(pair, session, event); }
  void operator()(const protocol::ListingCame& event) { exchange.on_request(pair, session, event); }
  void operator()(const protocol::GetAsked& event) { exchange.on_request(pair, session, event); }
  void operator()(const auto&) {}  // the session's own business

  /// A session's checks one after the other: they cost this side more than the other.
  static asio::awaitable<void> check(Exchange& exchange, std::shared_ptr<Session> session) {
    auto& checks = exchange.checks_[session.get()];
    const std::shared_ptr<void> done(nullptr,
                                     [&](void*) { exchange.checks_.erase(session.get()); });
    for (; !checks.empty(); checks.pop_front()) {
      if (session->over()) continue;
      const auto what = checks.front();
      auto source = co_await exchange.source_of(session->pair(), what.id);
      auto job = [source, what]() -> Result<bool> {
        if (!source) return false;
        return source->reader()->still_has(what.offset, what.length, what.digest);
      };
      auto same = co_await async::run_on(exchange.services_.disk, std::move(job));
      if (session->over()) continue;
      session->talk().check_answer(what.id, {what.offset, what.offset + what.length},
                                   same && *same);
      session->flush();
    }
  }
};

void Exchange::happened(Pair& pair, Session& session, protocol::Event event) {
  if (stopping_) return;
  std::visit(Handler{*this, pair, session}, event);
}

void Exchange::block_came(Pair& pair, Session& session, IncomingBlock block) {
  const auto offer = offers_.find(pair.id, block.data.id, Direction::taken);
  if (!offer) return;
  if (block.data.of == protocol::Of::manifest) {
    if (const auto it = fetches_.find(offer->row.number); it != fetches_.end())
      it->second->block_came(std::move(block));
  } else if (offer->taking) {
    offer->taking->block_came(session, std::move(block));
  }
}

void Exchange::session_ended(Pair& pair, Session& session, std::vector<protocol::Want> unanswered) {
  for (const auto& want : unanswered) {
    const auto offer = offers_.find(pair.id, want.id, Direction::taken);
    if (offer && offer->taking) offer->taking->give_back(want);
  }
  // Lanes end with their session; the next one opens its own.
  for (auto& serving : serving_) {
    if (serving.session.lock().get() == &session) serving.lane->stop();
  }
  for (const auto& [number, offer] : offers_.open()) {
    if (offer->row.peer != pair.id) continue;
    offer->meter.begin();
    if (offer->taking) offer->taking->session_ended(session);
  }
}

bool Exchange::expects_lane(Pair& pair, const protocol::OfferId& id) {
  if (const auto offer = offers_.find(pair.id, id, Direction::taken))
    return offer->taking && offer->taking->intake();
  const auto offer = offers_.find(pair.id, id, Direction::given);
  const auto* given = pair.ledger.find_given(id);
  return offer && !offer->row.paused && given &&
         given->state == protocol::GivenOffer::State::accepted && given->round > given->done_round;
}

bool Exchange::lane_came(Pair& pair, Session& session, const protocol::OfferId& id,
                         net::RawConnection connection) {
  std::size_t lanes = 0;
  for (const auto& [number, open] : offers_.open()) lanes += open->lanes;
  if (stopping_ || lanes >= kMaxLanes || !session.greeted()) return false;
  const auto theirs = session.talk().theirs()->limits;
  if (const auto offer = offers_.find(pair.id, id, Direction::taken)) {
    auto limits = theirs;
    limits.block_bytes = protocol::kMaxBlockBytes;  // of what we take, ours counts
    return offer->taking && offer->taking->add_lane(session, std::move(connection), limits);
  }
  const auto offer = offers_.find(pair.id, id, Direction::given);
  if (!offer) return false;
  tasks_.spawn("serve lane",
               serve_lane(pair, session.shared_from_this(), offer, std::move(connection)));
  return true;
}

void Exchange::on_trouble(Pair& pair, Session& session, const protocol::Troubled& event) {
  const auto& trouble = event.trouble;
  for (const auto& want : event.dropped) {
    const auto offer = offers_.find(pair.id, want.id, Direction::taken);
    if (!offer) continue;
    if (offer->taking) offer->taking->give_back(want);
    const auto fetching = fetches_.find(offer->row.number);
    if (want.of == protocol::Of::manifest && fetching != fetches_.end())
      fetching->second->retry_later();
  }
  if (trouble.code == protocol::wire_code(protocol::Errc::unknown_type) &&
      trouble.about == "check") {
    for (const auto& [number, offer] : offers_.open())
      if (offer->row.peer == pair.id && offer->taking) offer->taking->checks_unknown();
  }
  if (trouble.request) on_request(pair, session, event);
  if (!trouble.id) return;
  if (const auto offer = offers_.find(pair.id, *trouble.id, Direction::given)) {
    offer->trouble = trouble;
    offer->trouble_is_ours = false;
    offer->trouble_since = steady_clock::now();
  } else if (const auto taken = offers_.find(pair.id, *trouble.id, Direction::taken);
             taken && taken->taking) {
    const bool stands_still = trouble.code == protocol::wire_code(protocol::Errc::paused);
    if (stands_still || !event.dropped.empty()) taken->taking->giver_trouble(trouble);
  }
  services_.changed.notify_all();
}

}  // namespace peer::node
