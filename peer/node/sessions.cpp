#include "node/sessions.hpp"

#include <algorithm>
#include <asio/steady_timer.hpp>
#include <utility>

#include "async/run_on.hpp"
#include "base/text.hpp"
#include "node/tasks.hpp"

namespace peer::node {

using protocol::Errc;
using std::chrono::steady_clock;

namespace {

constexpr char kAgent[] = "peer/" PEER_VERSION;

}  // namespace

Sessions::Sessions(Services& services, Contacts& contacts, SessionUser& next)
    : services_(services),
      contacts_(contacts),
      next_(next),
      redials_(services.io.get_executor()),
      tasks_(services.io.get_executor(), log_task_error) {}

Sessions::~Sessions() = default;

Pair& Sessions::pair(const protocol::PeerId& id) {
  auto& slot = pairs_[id];
  if (!slot) slot = std::make_unique<Pair>(id);
  return *slot;
}

void Sessions::forget_strangers() {
  std::erase_if(pairs_, [&](const auto& entry) {
    const Pair& pair = *entry.second;
    // A peer that we dialled may still hold the session, and knows our last dial number.
    const bool busy =
        pair.sessions > 0 || pair.dials > 0 || pair.dialling || pair.waiting_lanes > 0;
    return !busy && pair.ledger.empty() && !contacts_.is_contact(pair.id);
  });
}

protocol::Hello Sessions::hello_for(const Pair& pair, std::uint64_t dial) const {
  protocol::Hello hello;
  hello.features = {"lanes", "xxh3", "zeros"};
  if (!services_.settings.hidden || contacts_.is_contact(pair.id))
    hello.name = services_.settings.name;
  hello.agent = kAgent;
  hello.port = port_;
  hello.instance = services_.instance;
  hello.dial = dial;
  hello.limits.message_bytes =
      contacts_.is_contact(pair.id) ? protocol::kMaxMessageBytes : protocol::kMinMessageBytes;
  return hello;
}

std::shared_ptr<Session> Sessions::begin(Pair& pair, std::unique_ptr<net::TlsStream> stream,
                                         std::uint64_t dial, std::string first,
                                         std::string address) {
  auto session =
      std::make_shared<Session>(services_, pair, *this, std::move(stream), hello_for(pair, dial),
                                std::move(first), std::move(address));
  if (!contacts_.is_contact(pair.id)) session->talk().bound_output(kStrangerOutputBytes);
  sessions_.push_back(session);
  return session;
}

asio::awaitable<void> Sessions::run_session(std::shared_ptr<Session> session) {
  co_await session->run();
  std::erase(sessions_, session);
  services_.changed.notify_all();
}

void Sessions::happened(Pair& pair, Session& session, protocol::Event event) {
  if (const auto* hello = std::get_if<protocol::Greeted>(&event)) {
    pair.calls_itself = hello->hello.name;
    if (hello->hello.port != 0) {
      auto from = trust::parse_address(session.remote(), hello->hello.port);
      if (from) {
        from->port = hello->hello.port;
        pair.heard_at = from->text();
      }
    }
    contacts_.seen(pair.id, hello->hello.name, session.dialled_at(), pair.heard_at);
    // A name may lead nowhere tomorrow, or not be looked up then.
    if (session.dialled() && session.remote() != session.dialled_at())
      contacts_.seen(pair.id, hello->hello.name, session.remote(), pair.heard_at);
    greeted(pair, session);
  }
  if (const auto* over = std::get_if<protocol::Over>(&event)) {
    if (over->error.code == protocol::Errc::timed_out)
      pair.small_segments_until = std::chrono::steady_clock::now() + kSmallSegmentsFor;
    base::log(base::Level::info, "sessions",
              contacts_.called(pair.id) + " at " + session.remote() + ": " + over->error.text());
  }
  next_.happened(pair, session, std::move(event));
}

void Sessions::greeted(Pair& pair, Session& session) {
  const auto fresh = session.shared_from_this();
  const auto old = pair.session;
  pair.unreached.reset();
  if (!old || old->over() || old == fresh) {
    pair.session = fresh;
    services_.changed.notify_all();
    redials_.notify_all();
    return;
  }
  judge(pair, old, fresh);
}

/// Which of two sessions of a pair stays.
void Sessions::judge(Pair& pair, const std::shared_ptr<Session>& old,
                     const std::shared_ptr<Session>& fresh) {
  switch (protocol::which_stays(old->key(), fresh->key(), services_.identity->id() < pair.id)) {
    case protocol::Keep::the_old:
      keep(pair, old, fresh);
      break;
    case protocol::Keep::the_new:
      keep(pair, fresh, old);
      break;
    case protocol::Keep::the_old_if_it_answers:
      tasks_.spawn("duel", duel(old, fresh));
      break;
    case protocol::Keep::the_new_if_it_answers:
      pair.session = fresh;
      tasks_.spawn("duel", duel(fresh, old));
      break;
  }
  services_.changed.notify_all();
}

/// Crossed dials: the better one stays unless it is silent.
asio::awaitable<void> Sessions::duel(std::shared_ptr<Session> better,
                                     std::shared_ptr<Session> other) {
  const auto asked = steady_clock::now();
  if (!better->over()) {
    better->talk().ping();
    better->flush();
  }
  while (!better->over() && !other->over() && better->heard() <= asked &&
         steady_clock::now() < asked + protocol::kCrossedPing) {
    co_await services_.changed.wait_for(kLook);
  }
  auto& with = better->pair();
  const auto third = with.session;
  const bool silent = better->over() || better->heard() <= asked;
  const bool other_stays = silent && !other->over();
  const auto& stays = other_stays ? other : better;
  keep(with, stays, other_stays ? better : other);
  // One that came meanwhile and took the place of either has not been held against this one.
  if (third && !third->over() && third != better && third != other && !stays->over())
    judge(with, third, stays);
}

void Sessions::keep(Pair& pair, const std::shared_ptr<Session>& stays,
                    const std::shared_ptr<Session>& goes) {
  if (!stays->over()) {
    pair.session = stays;
    stays->talk().sync(steady_clock::now());
    stays->flush();
  }
  // Of crossed ones only the lower ID closes the loser, or both might close what the other keeps.
  const bool crossed =
      stays->dialled() != goes->dialled() && stays->key().theirs == goes->key().theirs;
  if (!crossed || services_.identity->id() < pair.id)
    goes->leave(Errc::replaced, "a newer session took over");
}

void Sessions::session_ended(Pair& pair, Session& session, std::vector<protocol::Want> unanswered) {
  if (pair.session.get() == &session) {
    pair.session.reset();
    for (const auto& other : sessions_) {
      if (&other->pair() == &pair && other.get() != &session && other->greeted() && !other->over())
        pair.session = other;
    }
    if (pair.session) {
      pair.session->talk().sync(steady_clock::now());
      pair.session->flush();
    }
  }
  if (session.greeted())
    contacts_.seen(pair.id, pair.calls_itself, session.dialled_at(), pair.heard_at);
  next_.session_ended(pair, session, std::move(unanswered));
  if (!pair.session && !stopping_ && has_business(pair)) keep_trying(pair);
  services_.changed.notify_all();
}

asio::awaitable<void> Sessions::stop() {
  stopping_ = true;
  services_.changed.notify_all();
  redials_.notify_all();
  while (!sessions_.empty()) {
    const auto all = sessions_;
    for (const auto& session : all) session->leave(Errc::leaving, "this peer is stopping");
    co_await services_.changed.wait_for(kLook);
  }
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace peer::node
