#include "node/policy.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace peer::node {

using base::PolicyRule;
using base::Verdict;
using base::Whom;

namespace {

const PolicyRule& trusted_are_taken() {
  static const PolicyRule rule = [] {
    PolicyRule one;
    one.from = Whom::trusted;
    one.verdict = Verdict::accept;
    return one;
  }();
  return rule;
}

const PolicyRule& others_are_asked_about() {
  static const PolicyRule rule;
  return rule;
}

/// What is there is replaced without a question only where the rule says so, of a peer it names.
bool may_replace(const PolicyRule& rule) {
  return rule.from == Whom::peer || rule.on_clash == "rename" || rule.on_clash == "skip";
}

Decision ask(std::string why) { return {Verdict::ask, std::move(why)}; }

std::string too_large(std::uint64_t bytes, std::uint64_t most) {
  const std::string is = base::size_text(bytes), bound = base::size_text(most);
  return "it is " + (is == bound ? "" : is + ", ") + "more than " + bound;
}

}  // namespace

bool fits(const OfferFacts& offer, const PolicyRule& rule) {
  switch (rule.from) {
    case Whom::peer:
      // Whoever was forgotten is a stranger, and no rule of its own lets it in.
      return rule.id == offer.giver && (offer.contact || rule.verdict != Verdict::accept);
    case Whom::verified:
      return offer.contact && offer.verified;
    case Whom::trusted:
      return offer.contact && offer.trusted;
    case Whom::contacts:
      return offer.contact;
    case Whom::strangers:
      return !offer.contact;
    case Whom::anyone:
      return true;
  }
  return false;
}

const PolicyRule& rule_for(const OfferFacts& offer, const std::vector<PolicyRule>& rules) {
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [&](const PolicyRule& rule) { return fits(offer, rule); });
  if (found != rules.end()) return *found;
  return fits(offer, trusted_are_taken()) ? trusted_are_taken() : others_are_asked_about();
}

bool is_standing(const PolicyRule& rule) {
  return &rule == &trusted_are_taken() || &rule == &others_are_asked_about();
}

Decision decide(const OfferFacts& offer, const PolicyRule& rule, const Landing& there) {
  if (offer.blocked) return {Verdict::reject, {}};
  if (offer.answers_get) return {Verdict::accept, {}};
  if (rule.verdict != Verdict::accept) return {rule.verdict, rule.trouble};
  // "contacts" says nothing of whose key it is; a rule that names the peer, or everybody, does.
  if (rule.from == Whom::contacts && !offer.verified)
    return ask("it is from a contact that is not verified");
  if (offer.bytes > rule.up_to) return ask(too_large(offer.bytes, rule.up_to));
  if (there.refused > 0)
    return ask(base::count_of(there.refused, "name") + " in it cannot be stored there");
  if (there.clashes > 0 && !may_replace(rule))
    return ask(base::count_of(there.clashes, "name") +
               " of it is taken there, and only a rule for this one peer replaces");
  if (!there.writable) return ask("the folder cannot be written");
  const auto taken = std::min(there.free_bytes, there.promised_bytes);
  const auto free = there.free_bytes - taken;
  if (there.needed_bytes > free)
    return ask("it needs " + base::size_text(there.needed_bytes) + ", and " +
               base::size_text(free) + " are free");
  if (free - there.needed_bytes < rule.keep_free.of(there.capacity_bytes))
    return ask("less than " + rule.keep_free.text() + " of the disk would stay free");
  return {Verdict::accept, {}};
}

}  // namespace peer::node
