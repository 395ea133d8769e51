#include "base/text.hpp"
#include "node/policy.hpp"

namespace peer::node {

using base::PolicyRule;
using base::Verdict;
using base::Whom;

namespace {

std::string whom_text(const PolicyRule& rule, const std::string& called) {
  switch (rule.from) {
    case Whom::peer:
      return called;
    case Whom::verified:
      return "verified contacts";
    case Whom::trusted:
      return "trusted contacts";
    case Whom::contacts:
      return "contacts";
    case Whom::strangers:
      return "strangers";
    case Whom::anyone:
      return "anyone";
  }
  return {};
}

const char* clash_text(const std::string& on_clash) {
  if (on_clash == "skip") return "a file that is there already is left out";
  if (on_clash == "update") return "a file that is there and differs is replaced";
  if (on_clash == "overwrite") return "a file that is there already is replaced";
  return "a name that is taken gets a number";
}

}  // namespace

std::string rule_text(const PolicyRule& rule, const std::string& called) {
  const std::string text = "the rule for " + whom_text(rule, called);
  if (rule.verdict != Verdict::accept) return text;
  if (rule.up_to == base::kNoBound) return text + " (any size)";
  return text + " (up to " + base::size_text(rule.up_to) + ")";
}

std::string policy_sentence(const PolicyRule& rule, const std::string& peer,
                            const std::string& folder) {
  const std::string what = "What " + peer + " offers is ";
  if (rule.verdict == Verdict::reject) return what + "rejected.";
  if (rule.verdict == Verdict::ask) return what + "asked about.";
  const bool any_size = rule.up_to == base::kNoBound;
  const bool all_of_it = rule.keep_free.of(100) == 0;
  return what + "taken without asking, " +
         (any_size ? "of any size" : "up to " + base::size_text(rule.up_to) + " an offer") +
         ", into " + base::escaped(folder) +
         (all_of_it ? "" : ", while " + rule.keep_free.text() + " of that disk stays free") + "; " +
         clash_text(rule.on_clash) + ".";
}

}  // namespace peer::node
