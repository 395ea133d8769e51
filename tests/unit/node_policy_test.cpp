#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <vector>

#include "node/policy.hpp"

using namespace peer;
using namespace peer::node;
using base::PolicyRule;
using base::Verdict;
using base::Whom;

namespace {

constexpr std::uint64_t kGB = 1'000'000'000;

protocol::PeerId id_of(char who) {
  protocol::PeerId id;
  id.bytes[0] = static_cast<std::byte>(who);
  return id;
}

OfferFacts from_bob(std::uint64_t bytes = kGB) {
  OfferFacts facts;
  facts.giver = id_of('b');
  facts.contact = facts.verified = true;
  facts.bytes = bytes;
  return facts;
}

OfferFacts unverified(std::uint64_t bytes = kGB) {
  auto facts = from_bob(bytes);
  facts.verified = false;
  return facts;
}

OfferFacts trusted(std::uint64_t bytes = kGB) {
  auto facts = from_bob(bytes);
  facts.trusted = true;
  return facts;
}

OfferFacts stranger(std::uint64_t bytes = kGB) {
  OfferFacts facts;
  facts.giver = id_of('s');
  facts.bytes = bytes;
  return facts;
}

OfferFacts blocked(OfferFacts facts) {
  facts.blocked = true;
  return facts;
}

OfferFacts asked_for(OfferFacts facts) {
  facts.answers_get = true;
  return facts;
}

PolicyRule rule(Whom from, Verdict verdict) {
  PolicyRule one;
  one.from = from;
  one.verdict = verdict;
  return one;
}

PolicyRule takes(Whom from) { return rule(from, Verdict::accept); }
PolicyRule asks(Whom from) { return rule(from, Verdict::ask); }
PolicyRule rejects(Whom from) { return rule(from, Verdict::reject); }

PolicyRule of_bob(Verdict verdict) {
  auto one = rule(Whom::peer, verdict);
  one.id = id_of('b');
  return one;
}

PolicyRule up_to(PolicyRule one, std::uint64_t bytes) {
  one.up_to = bytes;
  return one;
}

PolicyRule keep_free(PolicyRule one, unsigned percent) {
  one.keep_free.percent = percent;
  return one;
}

PolicyRule keep_bytes(PolicyRule one, std::uint64_t bytes) {
  one.keep_free.bytes = bytes;
  return one;
}

PolicyRule on_clash(PolicyRule one, const char* what) {
  one.on_clash = what;
  return one;
}

/// 1000 GB of which 500 are free, for 1 GB.
Landing room() {
  Landing there;
  there.free_bytes = 500 * kGB;
  there.capacity_bytes = 1000 * kGB;
  there.needed_bytes = kGB;
  there.writable = true;
  return there;
}

Landing with_free(std::uint64_t bytes, std::uint64_t promised = 0) {
  auto there = room();
  there.free_bytes = bytes;
  there.promised_bytes = promised;
  return there;
}

Landing with_refused() {
  auto there = room();
  there.refused = 1;
  return there;
}

Landing with_clash() {
  auto there = room();
  there.clashes = 1;
  return there;
}

Landing read_only() {
  auto there = room();
  there.writable = false;
  return there;
}

struct Case {
  const char* what;
  OfferFacts offer;
  std::vector<PolicyRule> rules;
  Landing there;
  Verdict verdict;
  std::string why = {};
};

constexpr int kStanding = -1;

int which(const Case& one) {
  const auto& found = rule_for(one.offer, one.rules);
  if (is_standing(found)) return kStanding;
  return static_cast<int>(&found - one.rules.data());
}

constexpr auto taken = Verdict::accept;
constexpr auto asked = Verdict::ask;
constexpr auto rejected = Verdict::reject;

}  // namespace

namespace peer::base {
std::ostream& operator<<(std::ostream& out, Verdict verdict) { return out << to_string(verdict); }
}  // namespace peer::base

TEST_SUITE("policy") {
  TEST_CASE("what a rule or none makes of an offer") {
    const std::vector<Case> cases{
        // without rules
        {"a contact is asked about", from_bob(), {}, room(), asked},
        {"a stranger is asked about", stranger(), {}, room(), asked},
        {"a trusted contact is taken", trusted(), {}, room(), taken},
        {"up to 10 GB", trusted(10 * kGB), {}, room(), taken},
        {"and no byte more", trusted(10 * kGB + 1), {}, room(), asked, "more than 10 GB"},
        {"while 5 % stay free", trusted(), {}, with_free(51 * kGB), taken},
        {"and no less", trusted(), {}, with_free(51 * kGB - 1), asked, "less than 5 %"},
        // levels
        {"verified", from_bob(), {takes(Whom::verified)}, room(), taken},
        {"not verified", unverified(), {takes(Whom::verified)}, room(), asked},
        {"trusted", trusted(), {takes(Whom::trusted)}, room(), taken},
        {"not trusted", from_bob(), {takes(Whom::trusted)}, room(), asked},
        {"a contact", from_bob(), {takes(Whom::contacts)}, room(), taken},
        {"an unverified one is not meant by all contacts",
         unverified(),
         {takes(Whom::contacts)},
         room(),
         asked,
         "not verified"},
        {"but may be named", unverified(), {of_bob(taken)}, room(), taken},
        {"or rejected with all", unverified(), {rejects(Whom::contacts)}, room(), rejected},
        {"a stranger is no contact", stranger(), {takes(Whom::contacts)}, room(), asked},
        {"strangers may be named", stranger(), {takes(Whom::strangers)}, room(), taken},
        {"a contact is no stranger", from_bob(), {takes(Whom::strangers)}, room(), asked},
        {"anyone is a stranger too", stranger(), {takes(Whom::anyone)}, room(), taken},
        {"anyone is a contact too", unverified(), {takes(Whom::anyone)}, room(), taken},
        {"a rule for bob is for no other", stranger(), {of_bob(taken)}, room(), asked},
        {"a rule for bob takes from nobody who was forgotten",
         [] {
           auto facts = from_bob();
           facts.contact = facts.verified = false;
           return facts;
         }(),
         {of_bob(taken)},
         room(),
         asked},
        // blocked and asked for
        {"blocked", blocked(trusted()), {}, room(), rejected},
        {"blocked, whatever a rule says", blocked(from_bob()), {of_bob(taken)}, room(), rejected},
        {"blocked, even asked for", blocked(asked_for(from_bob())), {}, room(), rejected},
        {"what a get asked for", asked_for(from_bob()), {}, room(), taken},
        {"of any size", asked_for(from_bob(900 * kGB)), {of_bob(rejected)}, room(), taken},
        {"of a stranger", asked_for(stranger()), {rejects(Whom::strangers)}, room(), taken},
        {"a rule that cannot be read",
         trusted(),
         {[] {
           auto broken = asks(Whom::trusted);
           broken.trouble = "line 3: what is this?";
           return broken;
         }()},
         room(),
         asked,
         "line 3"},
        // the first that fits
        {"first of two", from_bob(), {of_bob(rejected), takes(Whom::contacts)}, room(), rejected},
        {"the other order", from_bob(), {takes(Whom::contacts), of_bob(rejected)}, room(), taken},
        {"one that fits decides though it does not take",
         trusted(2 * kGB),
         {up_to(of_bob(taken), kGB), takes(Whom::anyone)},
         room(),
         asked,
         "it is 2 GB, more than 1 GB"},
        {"a rule that asks ends trust", trusted(), {asks(Whom::anyone)}, room(), asked},
        {"one for others does not", trusted(), {rejects(Whom::strangers)}, room(), taken},
        // sizes
        {"at the bound", from_bob(kGB), {up_to(of_bob(taken), kGB)}, room(), taken},
        {"past it",
         from_bob(kGB + 1),
         {up_to(of_bob(taken), kGB)},
         room(),
         asked,
         "more than 1 GB"},
        {"no bound", from_bob(400 * kGB), {up_to(of_bob(taken), base::kNoBound)}, room(), taken},
        {"a rule that rejects has none", from_bob(1), {of_bob(rejected)}, room(), rejected},
        // space
        {"a share", from_bob(), {keep_free(of_bob(taken), 50)}, with_free(501 * kGB), taken},
        {"less",
         from_bob(),
         {keep_free(of_bob(taken), 50)},
         with_free(501 * kGB - 1),
         asked,
         "50 %"},
        {"bytes", from_bob(), {keep_bytes(of_bob(taken), 20 * kGB)}, with_free(21 * kGB), taken},
        {"fewer",
         from_bob(),
         {keep_bytes(of_bob(taken), 20 * kGB)},
         with_free(21 * kGB - 1),
         asked,
         "20 GB of the disk"},
        {"to the last byte", from_bob(), {keep_free(of_bob(taken), 0)}, with_free(kGB), taken},
        {"not one more",
         from_bob(),
         {keep_free(of_bob(taken), 0)},
         with_free(kGB - 1),
         asked,
         "it needs 1 GB"},
        {"what others were promised is not free",
         from_bob(),
         {of_bob(taken)},
         with_free(60 * kGB, 10 * kGB),
         asked,
         "less than 5 %"},
        {"nor is more than there is",
         from_bob(),
         {keep_free(of_bob(taken), 0)},
         with_free(kGB, 2 * kGB),
         asked,
         "it needs 1 GB"},
        // what a person should see
        {"names", from_bob(), {of_bob(taken)}, with_refused(), asked, "1 name in it"},
        {"a folder", from_bob(), {of_bob(taken)}, read_only(), asked, "cannot be written"},
        {"taken names get numbers", from_bob(), {of_bob(taken)}, with_clash(), taken},
        {"or are left out",
         from_bob(),
         {on_clash(takes(Whom::verified), "skip")},
         with_clash(),
         taken},
        {"nothing is replaced by a rule for many",
         from_bob(),
         {on_clash(takes(Whom::verified), "overwrite")},
         with_clash(),
         asked,
         "1 name of it is taken there"},
        {"nor updated",
         from_bob(),
         {on_clash(takes(Whom::anyone), "update")},
         with_clash(),
         asked,
         "1 name of it is taken there"},
        {"but by one for this peer that says so",
         from_bob(),
         {on_clash(of_bob(taken), "overwrite")},
         with_clash(),
         taken},
    };
    for (const auto& one : cases) {
      CAPTURE(one.what);
      const auto decision = decide(one.offer, rule_for(one.offer, one.rules), one.there);
      CHECK(decision.verdict == one.verdict);
      CHECK(decision.why.find(one.why) != std::string::npos);
      if (one.why.empty()) CHECK(decision.why == "");
    }
  }

  TEST_CASE("which rule it was") {
    const std::vector<PolicyRule> rules{rejects(Whom::strangers), of_bob(taken),
                                        asks(Whom::contacts)};
    CHECK(which({"", stranger(), rules, room(), rejected}) == 0);
    CHECK(which({"", from_bob(), rules, room(), taken}) == 1);
    auto carol = from_bob();
    carol.giver = id_of('c');
    CHECK(which({"", carol, rules, room(), asked}) == 2);
    CHECK(which({"", trusted(), {rejects(Whom::strangers)}, room(), taken}) == kStanding);
    CHECK(which({"", stranger(), {}, room(), asked}) == kStanding);
  }

  TEST_CASE("rules in words") {
    CHECK(rule_text(up_to(of_bob(taken), kGB), "bob") == "the rule for bob (up to 1 GB)");
    CHECK(rule_text(rejects(Whom::strangers), "") == "the rule for strangers");
    CHECK(rule_text(takes(Whom::trusted), "") == "the rule for trusted contacts (up to 10 GB)");
    CHECK(rule_text(up_to(takes(Whom::anyone), base::kNoBound), "") ==
          "the rule for anyone (any size)");
    CHECK(policy_sentence(up_to(of_bob(taken), kGB), "bob", "/srv/in") ==
          "What bob offers is taken without asking, up to 1 GB an offer, into /srv/in, while 5 % "
          "of that disk stays free; a name that is taken gets a number.");
    CHECK(
        policy_sentence(keep_free(on_clash(up_to(of_bob(taken), base::kNoBound), "skip"), 0), "bob",
                        "/srv/in") ==
        "What bob offers is taken without asking, of any size, into /srv/in; a file that is there "
        "already is left out.");
    CHECK(policy_sentence(of_bob(rejected), "bob", "/srv/in") == "What bob offers is rejected.");
    CHECK(policy_sentence(asks(Whom::anyone), "bob", "") == "What bob offers is asked about.");
  }
}
