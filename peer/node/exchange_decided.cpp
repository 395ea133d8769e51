#include <algorithm>
#include <utility>

#include "node/exchange.hpp"
#include "node/failure.hpp"
#include "node/policy.hpp"

/// What an offer is answered with where nobody is asked.
namespace peer::node {

namespace {

constexpr std::size_t kDecidedKept = 64;

Landing landing_of(const storage::Review& seen) {
  Landing there;
  there.free_bytes = seen.free_bytes;
  there.capacity_bytes = seen.capacity_bytes;
  // Holes are the giver's word, and nobody looks: what is kept free must not hang on it.
  there.needed_bytes = std::max(seen.needed_bytes, seen.chosen.bytes);
  there.refused = seen.refused_count;
  there.clashes = seen.clashing_root_count;
  there.writable = !seen.folder_refuses;
  return there;
}

}  // namespace

/// The answer to our own `get`, or what a rule takes or rejects.
asio::awaitable<void> Exchange::decide_alone(OfferPtr offer) {
  const std::shared_ptr<void> deciding(nullptr, [this, offer](void*) {
    offer->deciding = false;
    services_.changed.notify_all();
  });
  try {
    const bool asked_for = co_await answers_get(offer);
    if (!asked_for) co_await decide_by_rule(offer);
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
    auto facts = policies_.facts_of(get->peer, seen.all.bytes);
    facts.answers_get = fits && waited_for;
    const auto decision = decide(facts, policies_.rule_for(get->peer), landing_of(seen));
    if (!fits) {
      get->error =
          "the answer holds other things than were asked for; it waits among the offers (peer "
          "offers)";
    } else if (get->look_only) {
      reject(offer, "declined", "it was only looked at");
      get->seen = std::move(seen);
    } else if (facts.answers_get && decision.verdict == base::Verdict::accept) {
      if (get->limit > 0) offers_.set_limit(offer, get->limit);
      co_await accept(offer, std::move(review_plan), Answerer::get);
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

/// For those who watch.
void Exchange::decided(const OfferPtr& offer) {
  ++decided_.count;
  decided_.latest.push_back(offer);
  if (decided_.latest.size() > kDecidedKept) decided_.latest.pop_front();
  services_.changed.notify_all();
}

asio::awaitable<void> Exchange::decide_by_rule(OfferPtr offer) {
  auto& row = offer->row;
  base::PolicyRule rule;
  storage::LandingPlan plan;
  storage::Review seen;
  std::string trouble;
  do {  // the rules may be read again while the disk is looked at
    rule = policies_.rule_for(row.peer);
    plan = default_plan();
    if (!rule.to.empty()) plan.folder = rule.to;
    storage::parse_on_clash(rule.on_clash, plan.on_clash);
    const auto where = plan;
    trouble.clear();
    try {
      seen = co_await review(offer, where);
    } catch (const Failure& failure) {
      trouble = failure.text();
    }
    if (!offer->is(state::pending) || offer->ended()) co_return;
  } while (!(rule == policies_.rule_for(row.peer)));
  const auto text = rule_text(rule, policies_.called(rule));
  const auto facts = policies_.facts_of(row.peer, seen.all.bytes);
  auto there = landing_of(seen);
  there.promised_bytes = services_.space.promised(plan.folder);
  Decision decision;
  if (trouble.empty())
    decision = decide(facts, rule, there);
  else
    decision.why = trouble;
  // Where nobody has written a rule and none takes it, there is nothing to tell.
  if (is_standing(policies_.rule_for(row.peer)) && rule.verdict == base::Verdict::ask) co_return;
  row.decided_by = decided_by(decision.verdict, text, decision.why);
  offers_.save(offer);
  if (decision.verdict == base::Verdict::ask) co_return;
  const bool takes = decision.verdict == base::Verdict::accept;
  // What is decided about next must not count on the same space.
  std::uint64_t missing = 0;
  if (takes) services_.space.reserve(row.id, plan.folder, seen.needed_bytes, missing);
  offer->untold = !takes && offer->from_stranger && !told_rejections_.allows();
  try {
    if (takes)
      co_await accept(offer, std::move(plan), Answerer::rule);
    else
      reject(offer, "declined", rule.text, Answerer::rule);
  } catch (const Failure& failure) {
    trouble = failure.text();
  }
  if (trouble.empty()) {
    decided(offer);
  } else if (offer->is(state::pending)) {
    services_.space.release(row.id);
    row.decided_by = decided_by(base::Verdict::ask, text, trouble);
    offers_.save(offer);
  }
}

}  // namespace peer::node
