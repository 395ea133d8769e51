#include "node/policies.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace peer::node {

using base::PolicyRule;
using base::Whom;

Result<void> Policies::load() {
  auto names = services_.database->policy_names();
  if (!names) return std::move(names).error();
  for (const auto& one : *names) meant_.emplace(one.name, one.id);
  read();
  return {};
}

void Policies::read() {
  rules_ = services_.settings.policy;
  warnings_.clear();
  nobody_.clear();
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    auto& rule = rules_[i];
    if (rule.from != Whom::peer) continue;
    if (!rule.id) {
      if (!find_peer(rule)) nobody_.push_back(i + 1);
    } else if (rule.verdict == base::Verdict::accept && !contacts_.is_contact(*rule.id)) {
      nobody_.push_back(i + 1);
      warnings_.push_back(rule.place + ": " + rule.id->short_text() +
                          " is no contact: until it is one, the rule takes nothing");
    }
  }
  // A name that stands in no rule any more may mean somebody else when it comes again.
  std::erase_if(meant_, [&](const auto& one) {
    const auto& name = one.first;
    const auto stands = std::ranges::any_of(services_.settings.policy, [&](const auto& rule) {
      return rule.from == Whom::peer && !rule.id && rule.name == name;
    });
    if (!stands)
      services_.save_later("forget a name in the rules", [name](storage::Database& database) {
        return database.remove_policy_name(name);
      });
    return !stands;
  });
}

/// Whether the name is somebody's; else the rule asks everybody.
bool Policies::find_peer(PolicyRule& rule) {
  const auto known = meant_.find(rule.name);
  std::string what = " is no contact";
  if (known != meant_.end()) {
    if (contacts_.is_contact(known->second)) {
      rule.id = known->second;
      return true;
    }
    what = ", who is " + known->second.short_text() + ", is no contact any more";
  } else if (const auto* contact = contacts_.find_name(rule.name)) {
    rule.id = contact->id;
    meant_.emplace(rule.name, contact->id);
    services_.save_later("note a name in the rules",
                         [one = storage::PolicyName{rule.name, contact->id}](
                             storage::Database& database) { return database.save(one); });
    return true;
  }
  PolicyRule asks;
  asks.place = rule.place;
  asks.trouble = rule.place + ": " + base::quoted(rule.name) + what +
                 ": name a contact (peer peers lists them), or give the full ID; until that is "
                 "mended everything is asked about that no earlier rule decides";
  warnings_.push_back(asks.trouble);
  rule = std::move(asks);
  return false;
}

OfferFacts Policies::facts_of(const protocol::PeerId& giver, std::uint64_t bytes) const {
  OfferFacts facts;
  facts.giver = giver;
  facts.contact = contacts_.is_contact(giver);
  facts.verified = contacts_.is_verified(giver);
  facts.trusted = contacts_.is_trusted(giver);
  facts.blocked = contacts_.is_blocked(giver);
  facts.bytes = bytes;
  return facts;
}

const PolicyRule& Policies::rule_for(const protocol::PeerId& giver) const {
  return node::rule_for(facts_of(giver, 0), rules_);
}

std::vector<std::string> Policies::names_of(const protocol::PeerId& id) const {
  std::vector<std::string> names;
  for (const auto& [name, meant] : meant_)
    if (meant == id) names.push_back(name);
  return names;
}

std::string Policies::called(const PolicyRule& rule) const {
  return rule.id ? contacts_.called(*rule.id) : std::string();
}

}  // namespace peer::node
