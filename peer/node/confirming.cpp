#include "node/confirming.hpp"

#include <algorithm>
#include <utility>

#include "async/run_on.hpp"
#include "node/session.hpp"

namespace peer::node {

namespace {

constexpr std::size_t kAskedAtOnce = 16;  ///< of kMaxOpenChecks, which all transfers share
constexpr std::chrono::seconds kLook{1};  ///< for a session, or for room on it

}  // namespace

Confirming::Confirming(Services& services, const Pair& pair, protocol::OfferId offer,
                       std::shared_ptr<storage::Intake> intake,
                       std::function<void(const Error&)> failed)
    : services_(services),
      pair_(pair),
      offer_(offer),
      intake_(std::move(intake)),
      failed_(std::move(failed)),
      wake_(services.io.get_executor()) {}

asio::awaitable<void> Confirming::run() {
  while (more_ || !waiting_.empty() || !asked_.empty() || !differing_.empty()) {
    if (!differing_.empty()) {
      const auto range = differing_.front();
      co_await forget(range);
      continue;
    }
    const auto session = pair_.session;
    const bool room = session && !session->over() && session->greeted() &&
                      session->talk().room_for_check() && asked_.size() < kAskedAtOnce;
    if (!room || (waiting_.empty() && !more_)) {
      co_await wake_.wait_for(kLook);
      continue;
    }
    if (waiting_.empty()) {
      const bool found = co_await take_claim();
      if (!found) more_ = false;
      continue;
    }
    const auto claim = waiting_.front();
    waiting_.pop_front();
    ask(claim);
  }
}

asio::awaitable<bool> Confirming::take_claim() {
  auto job = [intake = intake_] { return intake->next_claim(); };
  auto claim = co_await async::run_on(services_.disk, std::move(job));
  if (claim) waiting_.push_back(*claim);
  co_return claim.has_value();
}

asio::awaitable<void> Confirming::forget(protocol::Range range) {
  auto job = [intake = intake_, range] { return intake->differs(range); };
  auto forgotten = co_await async::run_on(services_.disk, std::move(job));
  if (forgotten) {
    differing_.pop_front();
  } else {
    failed_(forgotten.error());
    co_await wake_.wait_for(kLook);
  }
}

void Confirming::ask(const Claim& claim) {
  const auto session = pair_.session;
  // Of another kind than agreed now it cannot be asked; it was right when its bytes came.
  if (claim.digest.kind != answer_form(session->talk()).digest) return;
  protocol::Check check;
  check.id = offer_;
  check.offset = claim.range.begin;
  check.length = claim.range.length();
  check.digest = claim.digest;
  asked_.push_back(claim);
  session->talk().check(check);
  session->flush();
}

void Confirming::answered(const protocol::Range& range, bool same) {
  const auto found = std::ranges::find(asked_, range, &Claim::range);
  if (found == asked_.end()) return;
  asked_.erase(found);
  if (!same) differing_.push_back(range);
  wake_.notify_all();
}

void Confirming::ask_again() {
  waiting_.insert(waiting_.end(), asked_.begin(), asked_.end());
  asked_.clear();
  wake_.notify_all();
}

void Confirming::give_up() {
  waiting_.clear();
  asked_.clear();
  more_ = false;
  wake_.notify_all();
}

}  // namespace peer::node
