#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/policy_rule.hpp"
#include "protocol/peer_id.hpp"

/// What an offer is answered with where nobody is asked: no clock, no files, no state.
namespace peer::node {

/// Whom an offer is from and what it is, as far as rules look at it.
struct OfferFacts {
  protocol::PeerId giver;
  bool contact = false;
  bool verified = false;
  bool trusted = false;
  bool blocked = false;
  bool answers_get = false;  ///< it holds what an open `get` asked of this peer, and nothing else
  std::uint64_t bytes = 0;
};

/// What is known of the place where a rule would put it.
struct Landing {
  std::uint64_t free_bytes = 0;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t needed_bytes = 0;
  std::uint64_t promised_bytes = 0;  ///< of the free ones, to other transfers
  std::uint64_t refused = 0;         ///< entries whose names cannot be stored there
  std::uint64_t clashes = 0;         ///< roots whose names are taken there
  bool writable = false;
};

struct Decision {
  base::Verdict verdict = base::Verdict::ask;
  /// With ask: what keeps a rule that takes such offers from taking this one, a clause ("it is 2
  /// GB, more than 1 GB"); or what is wrong with the rule.
  std::string why;
};

bool fits(const OfferFacts& offer, const base::PolicyRule& rule);
/// The first of `rules` that fits. If none does: trusted contacts' offers are taken within the
/// usual bounds, all others are asked about.
const base::PolicyRule& rule_for(const OfferFacts& offer,
                                 const std::vector<base::PolicyRule>& rules);
/// Whether this is what holds without any rule for such a peer.
bool is_standing(const base::PolicyRule& rule);

/// `rule` is the one that rule_for() found, `there` the place it names.
Decision decide(const OfferFacts& offer, const base::PolicyRule& rule, const Landing& there);

// ---- as people read it (policy_text.cpp); `called` is what this user calls the peer of the rule

/// "the rule for bob (up to 1 GB)"
std::string rule_text(const base::PolicyRule& rule, const std::string& called);
/// What becomes of what `peer` offers, a whole sentence. `folder`: where the rule puts it.
std::string policy_sentence(const base::PolicyRule& rule, const std::string& peer,
                            const std::string& folder);

}  // namespace peer::node
