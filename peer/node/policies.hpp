#pragma once

#include <map>
#include <string>
#include <vector>

#include "node/contacts.hpp"
#include "node/policy.hpp"
#include "node/services.hpp"

namespace peer::node {

/// The settings' rules as they hold here: names of contacts made into IDs once and for all, so that
/// what was written for bob is never for another peer that is called bob later. Control thread.
class Policies {
 public:
  Policies(Services& services, const Contacts& contacts)
      : services_(services), contacts_(contacts) {}

  Result<void> load();  ///< blocking; once, after the contacts
  /// After the settings were read. What a rule names and is nobody's name becomes a warning, and
  /// the rule asks everybody.
  void read();
  const std::vector<base::PolicyRule>& rules() const { return rules_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// The numbers, from 1, of rules that name no contact and need one.
  const std::vector<std::size_t>& nobody() const { return nobody_; }

  /// What rules look at, of an offer of so many bytes from this peer.
  OfferFacts facts_of(const protocol::PeerId& giver, std::uint64_t bytes) const;
  /// The rule for what this peer offers.
  const base::PolicyRule& rule_for(const protocol::PeerId& giver) const;
  /// The names, not IDs, by which rules in the file mean this peer.
  std::vector<std::string> names_of(const protocol::PeerId& id) const;
  /// Whom the rule names, as this user calls it; empty if it names nobody.
  std::string called(const base::PolicyRule& rule) const;

 private:
  bool find_peer(base::PolicyRule& rule);

  Services& services_;
  const Contacts& contacts_;
  std::vector<base::PolicyRule> rules_;
  std::vector<std::string> warnings_;
  std::vector<std::size_t> nobody_;
  std::map<std::string, protocol::PeerId> meant_;  ///< by the names in rules, as first read
};

}  // namespace peer::node
