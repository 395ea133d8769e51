#include "protocol/conversation.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "protocol/errors.hpp"
#include "protocol/fields.hpp"

namespace peer::protocol {
namespace {

/// Seconds until `at`, as an `offer` says it: rounded up, 0 when it has passed.
std::uint64_t seconds_until(Time at, Time now) {
  if (at <= now) return 0;
  const auto left = std::chrono::ceil<std::chrono::seconds>(at - now);
  return static_cast<std::uint64_t>(std::min(left, kMaxExpiry).count());
}

template <class Id>
std::optional<Id> id_at(const JsonObject& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  const auto* text = value ? std::get_if<std::string>(&value->is) : nullptr;
  return text ? Id::parse(*text) : std::nullopt;
}

}  // namespace

Conversation::Conversation(Ledger& ledger, Hello ours, Time now)
    : ledger_(ledger),
      ours_(std::move(ours)),
      frames_(
          std::clamp<std::size_t>(ours_.limits.message_bytes, kMinMessageBytes, kMaxMessageBytes)),
      served_(ours_.limits),
      started_(now),
      heard_(now),
      rate_since_(now) {
  if (ours_.dial > 0) say(ours_);
}

// ---- saying

void Conversation::say(const Message& message) { output_ += frame(message); }

void Conversation::refuse(Errc code, std::string about, const std::optional<OfferId>& id,
                          std::string text, const std::optional<RequestId>& request) {
  Trouble trouble;
  trouble.code = wire_code(code);
  trouble.text = std::move(text);
  trouble.id = id;
  trouble.request = request;
  trouble.about = std::move(about);
  say(trouble);
}

void Conversation::fail(Errc code, const std::string& text) {
  Trouble trouble;
  trouble.code = wire_code(code);
  trouble.text = text;
  trouble.fatal = true;
  say(trouble);
  end_session(Error(code, text), false);
}

void Conversation::end_session(Error error, bool by_peer) {
  if (over_) return;
  over_ = true;
  payload_left_ = 0;
  payload_wanted_ = false;
  events_.push_back(Over{std::move(error), by_peer});
}

void Conversation::end_offer(const OfferId& id, Outcome outcome) {
  ledger_.end(id, outcome);
  (void)asked_.drop(id);
  served_.end(id);
  said_.erase(id);
  std::erase_if(checks_asked_, [&](const auto& asked) { return asked.first == id; });
}

std::vector<Event> Conversation::take_events() { return std::exchange(events_, {}); }

std::string Conversation::take_output() { return std::exchange(output_, {}); }

std::string Conversation::take_rest() { return std::exchange(rest_, {}); }

bool Conversation::both_have(std::string_view feature) const {
  return theirs_ && theirs_->has_feature(feature) && ours_.has_feature(feature);
}

bool Conversation::fits(const Message& message) const {
  const auto limit = theirs_ ? theirs_->limits.message_bytes : kMinMessageBytes;
  return encode(message).size() <= std::min<std::uint64_t>(limit, kMaxMessageBytes);
}

// ---- from the wire

std::size_t Conversation::received(std::span<const std::byte> bytes, Time now) {
  if (over_) return bytes.size();
  if (payload_left_ > 0) return 0;
  if (!bytes.empty()) heard_ = now;
  std::size_t taken = 0;
  while (taken < bytes.size() && !over_ && payload_left_ == 0) {
    if (lane_) {
      rest_.append(reinterpret_cast<const char*>(bytes.data()) + taken, bytes.size() - taken);
      return bytes.size();
    }
    const auto fed = frames_.feed(bytes.subspan(taken));
    if (!fed) {
      fail(Errc::message_too_large, fed.error().context);
      break;
    }
    taken += *fed;
    if (const auto body = frames_.next()) read(*body, now);
  }
  return over_ ? bytes.size() : taken;
}

void Conversation::payload_passed(std::uint64_t bytes, Time now) {
  if (over_) return;
  assert(bytes <= payload_left_);
  payload_left_ -= bytes;
  if (bytes == 0) return;
  heard_ = now;
  if (!block_since_) block_since_ = now;
  if (payload_left_ == 0) block_since_.reset();
}

void Conversation::not_reading(Time now) {
  heard_ = now;
  if (block_since_) block_since_ = now;
}

void Conversation::disconnected(Error error) { end_session(std::move(error), false); }

void Conversation::read(std::string_view body, Time now) {
  const auto message = decode(body);
  if (too_many(message ? &*message : nullptr, now))
    return fail(Errc::too_much,
                "more than " + std::to_string(kMaxMessagesPerSecond) + " messages a second");
  if (message) {
    judge(*message, now);
    if (offers_held_) sync(now);
  } else {
    cannot_read(body, message.error());
  }
  if (!over_ && output_.size() > max_waiting_output_)
    fail(Errc::too_much, "asks and does not read the answers");
}

/// Counts what is not bounded by wants already: a `want` and its answers are.
bool Conversation::too_many(const Message* message, Time now) {
  if (message && (std::holds_alternative<Data>(*message) || std::holds_alternative<Gone>(*message)))
    return false;
  if (now - rate_since_ >= kMessageRateSpan) {
    rate_since_ = now;
    rate_count_ = 0;
  }
  constexpr auto kMost = kMaxMessagesPerSecond * static_cast<std::size_t>(kMessageRateSpan.count());
  return ++rate_count_ > kMost;
}

/// The version comes before all else: another one may write a `hello` otherwise.
void Conversation::cannot_read_first(std::string_view body, const Error& error) {
  const auto object = parse_object(body);
  const JsonValue* type = object ? object->find("type") : nullptr;
  const auto* name = type ? std::get_if<std::string>(&type->is) : nullptr;
  if (!name || *name != "hello")
    return fail(Errc::bad_state, "the first message is no hello: " + error.text());
  const JsonValue* version = object->find("version");
  const auto* numbers = version ? std::get_if<JsonObject>(&version->is) : nullptr;
  const JsonValue* major = numbers ? numbers->find("major") : nullptr;
  const auto* number = major ? std::get_if<std::uint64_t>(&major->is) : nullptr;
  if (number && *number != ours_.major)
    return fail(Errc::bad_version, "this side speaks version " + std::to_string(ours_.major));
  fail(Errc::bad_message, error.context);
}

/// A request with a wrong field is refused and the talk goes on, as it does after an unknown type;
/// anything else cannot be relied on any more.
void Conversation::cannot_read(std::string_view body, const Error& error) {
  if (!theirs_) return cannot_read_first(body, error);
  if (error.code == Errc::unknown_type)
    return refuse(Errc::unknown_type, is_code(error.context) ? error.context : "", {},
                  error.context);
  const auto code = error.code == Errc::bad_json   ? Errc::bad_json
                    : error.code == Errc::bad_path ? Errc::bad_path
                                                   : Errc::bad_message;
  const auto object = parse_object(body);
  const JsonValue* type = object ? object->find("type") : nullptr;
  const auto* name = type ? std::get_if<std::string>(&type->is) : nullptr;
  if (name && *name == "error") return end_session(error, false);  // never answered
  if (!name || (*name != "offer" && *name != "list" && *name != "get"))
    return fail(code, error.context);
  const auto id = *name == "offer" ? id_at<OfferId>(*object, "id") : std::nullopt;
  const auto request = *name == "offer" ? std::nullopt : id_at<RequestId>(*object, "request");
  refuse(code, *name, id, error.context, request);
}

// ---- time

std::optional<Time> Conversation::deadline() const {
  if (over_ || lane_) return std::nullopt;
  if (!theirs_) return started_ + kHandshakeTime;
  const auto ping = (pinged_ && *pinged_ > heard_ ? *pinged_ : heard_) + kPingAfter;
  return block_since_ ? std::min(ping, *block_since_ + kBlockTime) : ping;
}

void Conversation::timed_out(Time now) {
  const auto due = deadline();
  if (!due || now < *due) return;
  if (!theirs_) return fail(Errc::timed_out, "no hello came");
  if (block_since_ && now - *block_since_ >= kBlockTime) {
    return fail(Errc::timed_out,
                "a block was not whole after " + std::to_string(kBlockTime.count()) + " s");
  }
  // A process that was stopped itself looks at its clock late: nobody is given up unasked.
  const bool asked = pinged_ && *pinged_ > heard_;
  if (asked && now - heard_ >= kSilenceLimit)
    return fail(Errc::timed_out,
                "nothing came for " + std::to_string(kSilenceLimit.count()) + " s");
  say(Ping{});
  pinged_ = now;
}

// ---- what this side says: the ledger

void Conversation::sync(Time now) {
  if (over_ || lane_ || !theirs_) return;
  forget_ended();
  offers_said_ = static_cast<std::uint64_t>(std::ranges::count_if(said_, [&](const auto& one) {
    return one.second.offer && ledger_.find_given(one.first) != nullptr;
  }));
  offers_held_ = false;
  std::vector<const GivenOffer*> in_order;
  for (const auto& [id, given] : ledger_.given()) in_order.push_back(&given);
  std::ranges::stable_sort(in_order, {}, &GivenOffer::order);
  for (const auto* given : in_order) say_given(*given, now);
  for (const auto& [id, taken] : ledger_.taken()) say_taken(taken);
  say_gets();
}

void Conversation::offer_again(const OfferId& id) {
  if (const auto said = said_.find(id); said != said_.end()) said->second.offer = false;
}

/// Offers that ended without a message on this session: in another one, or by the caller.
void Conversation::forget_ended() {
  std::erase_if(said_, [&](const auto& one) {
    const OfferId& id = one.first;
    if (ledger_.find_given(id) || ledger_.find_taken(id)) return false;
    (void)asked_.drop(id);
    served_.end(id);
    return true;
  });
}

void Conversation::say_given(const GivenOffer& given, Time now) {
  Said& said = said_[given.offer.id];
  if (given.state == GivenOffer::State::cancelling) {
    if (std::exchange(said.cancel, true)) return;
    served_.drop(given.offer.id);
    return say(*given.cancel);
  }
  if (said.offer) return;
  Offer offer = given.offer;
  offer.expires = seconds_until(given.expires_at, now);
  if (offer.expires == 0 && given.round == 0) return;  // its owner is about to end it
  if (offers_said_ >= theirs_->limits.open_offers) {
    offers_held_ = true;  // until one of the others ends
    return;
  }
  ++offers_said_;
  said.offer = true;
  if (offer.get) requests_open_.erase(*offer.get);
  say(offer);
}

void Conversation::say_taken(const TakenOffer& taken) {
  Said& said = said_[taken.offer.id];
  say_done(taken, said);
  switch (taken.state) {
    case TakenOffer::State::open:
    case TakenOffer::State::finishing:
      return;
    case TakenOffer::State::accepted:
      if (said.accept_round == taken.round) return;
      said.accept_round = taken.round;
      return say(*taken.accept);
    case TakenOffer::State::rejecting:
      if (std::exchange(said.reject, true)) return;
      (void)asked_.drop(taken.offer.id);
      return say(*taken.reject);
    case TakenOffer::State::cancelling:
      if (std::exchange(said.cancel, true)) return;
      (void)asked_.drop(taken.offer.id);
      return say(*taken.cancel);
  }
}

void Conversation::say_done(const TakenOffer& taken, Said& said) {
  if (!taken.done || said.done_round == taken.done->round) return;
  said.done_round = taken.done->round;
  said.dones.push_back(taken.done->round);
  say(fitted(*taken.done, static_cast<std::size_t>(theirs_->limits.message_bytes)));
}

void Conversation::say_gets() {
  std::erase_if(gets_said_, [&](const RequestId& id) { return !ledger_.gets().contains(id); });
  std::vector<RequestId> too_long;
  for (const auto& [request, get] : ledger_.gets()) {
    if (gets_said_.contains(request)) continue;
    if (gets_said_.size() + lists_.size() >= kMaxOpenRequests) break;
    if (!fits(get)) {
      too_long.push_back(request);
      continue;
    }
    gets_said_.insert(request);
    say(get);
  }
  for (const RequestId& request : too_long) {
    ledger_.answered(request);
    Trouble trouble{std::string(wire_code(Errc::too_large)), "too many long paths at once"};
    trouble.request = request;
    trouble.about = "get";
    events_.push_back(Troubled{std::move(trouble), {}});
  }
}

// ---- what this side says: the rest

void Conversation::want(const Want& want) {
  if (over_ || !ledger_.find_taken(want.id)) return;
  assert(theirs_);
  asked_.add(want);
  say(want);
}

std::string Conversation::data_header(const Data& data) {
  [[maybe_unused]] const auto next = served_.next();
  assert(!over_ && next && next->id == data.id && next->of == data.of &&
         next->offset == data.offset && data.length <= next->length);
  assert(!data.zeros() || both_have("zeros"));
  served_.advance(data.length);
  if (data.zeros()) served_.name_hole(data.id, Range{data.offset + data.length, *data.until});
  return frame(data);
}

void Conversation::gone(const Gone& gone) {
  if (over_) return;
  [[maybe_unused]] const auto next = served_.next();
  assert(next && next->id == gone.id && next->of == Of::stream && next->offset == gone.offset &&
         gone.length <= next->length);
  served_.advance(gone.length);
  say(gone);
}

void Conversation::check(const Check& check) {
  if (over_ || !ledger_.find_taken(check.id)) return;
  assert(theirs_ && room_for_check());
  if (checks_asked_.insert({check.id, {check.offset, check.length}}).second) say(check);
}

void Conversation::check_answer(const OfferId& id, Range range, bool same) {
  if (over_) return;
  assert(theirs_);
  if (checks_open_ > 0) --checks_open_;
  if (!ledger_.find_given(id)) return;
  if (same)
    say(Same{id, range.begin, range.length()});
  else
    say(Differs{id, range.begin, range.length()});
}

void Conversation::list(const List& list) {
  if (over_) return;
  assert(theirs_);
  if (gets_said_.size() + lists_.size() >= kMaxOpenRequests) {
    Trouble trouble{std::string(wire_code(Errc::busy)), "too many requests at once"};
    trouble.request = list.request;
    trouble.about = "list";
    events_.push_back(Troubled{std::move(trouble), {}});
    return;
  }
  lists_.insert(list.request);
  say(list);
}

void Conversation::listing(const Listing& listing) {
  if (over_) return;
  assert(theirs_);
  requests_open_.erase(listing.request);
  if (fits(listing))
    say(listing);
  else
    refuse(Errc::too_large, "list", {}, "a page longer than you take", listing.request);
}

void Conversation::trouble(const Trouble& trouble) {
  if (over_) return;
  assert(theirs_ && !trouble.fatal);
  if (trouble.request) requests_open_.erase(*trouble.request);
  if (trouble.id) served_.drop(*trouble.id);
  say(trouble);
}

void Conversation::ping() {
  if (over_) return;
  assert(theirs_);
  say(Ping{});
}

void Conversation::leave(Errc code, std::string text) {
  if (!over_ && !lane_) fail(code, text);
}

}  // namespace peer::protocol
