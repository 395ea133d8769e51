#include "base/policy_rule.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/home.hpp"
#include "base/settings_file.hpp"
#include "base/text.hpp"
#include "protocol/limits.hpp"

namespace peer::base {
namespace {

constexpr std::array<std::string_view, 6> kWhom{"peer",     "verified",  "trusted",
                                                "contacts", "strangers", "anyone"};
constexpr std::array<std::string_view, 3> kVerdicts{"accept", "ask", "reject"};

constexpr std::size_t kFaultsNamed = 5;  ///< of one rule

bool is_text(const std::string& text, std::size_t most) {
  return !text.empty() && text.size() <= most && escaped(text) == text;
}

// The readers of one value each: false if it is not what the key may be.

bool read_from(const toml::node& node, PolicyRule& out) {
  const auto value = node.value_exact<std::string>();
  if (!value || !is_text(*value, protocol::kMaxNameBytes)) return false;
  const auto level = std::find(kWhom.begin() + 1, kWhom.end(), *value);
  if (level != kWhom.end()) {
    out.from = static_cast<Whom>(level - kWhom.begin());
    return true;
  }
  out.from = Whom::peer;
  if (const auto id = protocol::PeerId::parse(*value))
    out.id = *id;
  else
    out.name = *value;
  return true;
}

bool read_name(const toml::node& node, PolicyRule& out) {
  const auto value = node.value_exact<std::string>();
  if (!value || !is_text(*value, protocol::kMaxNameBytes)) return false;
  if (out.id) out.name = *value;
  return true;
}

bool read_do(const toml::node& node, PolicyRule& out) {
  const auto value = node.value_exact<std::string>();
  const auto found = std::find(kVerdicts.begin(), kVerdicts.end(), value.value_or(""));
  if (found == kVerdicts.end()) return false;
  out.verdict = static_cast<Verdict>(found - kVerdicts.begin());
  return true;
}

bool read_up_to(const toml::node& node, PolicyRule& out) {
  const auto value = node.value_exact<std::string>();
  if (!value) return false;
  const auto bytes = *value == "none" ? kNoBound : parse_size(*value).value_or(0);
  if (bytes == 0) return false;
  out.up_to = bytes;
  return true;
}

bool read_keep_free(const toml::node& node, PolicyRule& out) {
  const auto value = node.value_exact<std::string>();
  if (!value) return false;
  if (!value->ends_with('%')) {
    out.keep_free.bytes = parse_size(*value);
    return out.keep_free.bytes.has_value();
  }
  const std::string number = value->substr(0, value->size() - 1);
  if (number.empty() || number.size() > 2 ||
      number.find_first_not_of("0123456789") != std::string::npos)
    return false;
  out.keep_free.percent = static_cast<unsigned>(std::stoul(number));
  return true;
}

bool read_to(const toml::node& node, PolicyRule& out) {
  const auto value = node.value_exact<std::string>();
  if (value) out.to = landing_folder(*value);
  return !out.to.empty();
}

bool read_on_clash(const toml::node& node, PolicyRule& out) {
  const auto value = node.value_exact<std::string>();
  if (!value ||
      (*value != "rename" && *value != "skip" && *value != "update" && *value != "overwrite"))
    return false;
  out.on_clash = *value;
  return true;
}

bool read_text(const toml::node& node, PolicyRule& out) {
  const auto value = node.value_exact<std::string>();
  if (!value || !is_text(*value, protocol::kMaxTextBytes)) return false;
  out.text = *value;
  return true;
}

// Everything there is to know about a key: a new one is a row here. `from` before `name`.
struct Key {
  std::string_view key;
  bool (*read)(const toml::node& node, PolicyRule& out);
  std::optional<Verdict> only;  ///< it means something in rules of this verdict alone
  std::string_view allowed;
};

constexpr std::array kKeys{
    Key{"from", read_from, std::nullopt,
        "the name or the full ID of a contact, \"verified\", \"trusted\", \"contacts\", "
        "\"strangers\" or \"anyone\""},
    Key{"name", read_name, std::nullopt, "what you call the peer whose ID is in `from`"},
    Key{"do", read_do, std::nullopt, "\"accept\", \"ask\" or \"reject\""},
    Key{"up_to", read_up_to, Verdict::accept,
        "the size an offer may have, such as \"1G\" or \"500M\", or \"none\" for any"},
    Key{"keep_free", read_keep_free, Verdict::accept,
        "what stays free of the disk, \"0%\" to \"99%\" of it or a size such as \"20G\""},
    Key{"to", read_to, Verdict::accept,
        "an absolute folder, or one from ~/ on, but neither / nor your home itself"},
    Key{"on_clash", read_on_clash, Verdict::accept,
        "\"rename\", \"skip\", \"update\" or \"overwrite\""},
    Key{"text", read_text, Verdict::reject,
        "a line of at most 1024 bytes that the other side is told"},
};

const Key* find_key(std::string_view key) {
  const auto found =
      std::find_if(kKeys.begin(), kKeys.end(), [key](const Key& one) { return one.key == key; });
  return found == kKeys.end() ? nullptr : &*found;
}

// What is wrong with a table, as a clause with its place; empty if nothing is.
class Reading {
 public:
  Reading(const toml::table& table, const std::string& file, std::size_t number)
      : table_(table), file_(file), number_(number) {}

  PolicyRule run() {
    rule_.place = place(table_.source().begin);
    if (!table_.contains("from")) wrong(table_.source().begin, "it has no `from`");
    verdict_known_ = table_.contains("do");
    if (!verdict_known_) wrong(table_.source().begin, "it has no `do`");
    for (const Key& key : kKeys)
      if (const toml::node* node = table_.get(key.key)) one(key, *node);
    for (const auto& [key, node] : table_)
      if (!find_key(key.str())) unknown(key);
    if (faults_ == 0) return std::move(rule_);
    if (faults_ > kFaultsNamed)
      rule_.trouble += "; and " + count_text(faults_ - kFaultsNamed) + " more";
    rule_.trouble += "; until that is mended it only asks";
    PolicyRule asks;
    asks.place = std::move(rule_.place);
    asks.trouble = std::move(rule_.trouble);
    if (whom_known_ && table_.contains("from")) {
      asks.from = rule_.from;
      asks.name = std::move(rule_.name);
      asks.id = rule_.id;
    }
    return asks;
  }

 private:
  void one(const Key& key, const toml::node& node) {
    const auto text = node.value<std::string>();
    if (!key.read(node, rule_)) {
      if (key.key == "from") whom_known_ = false;
      if (key.key == "do") verdict_known_ = false;
      wrong(node.source().begin, std::string(key.key)
                                     .append(text ? " = " + quoted(*text) : "")
                                     .append(": it is ")
                                     .append(key.allowed));
    } else if (key.only && verdict_known_ && rule_.verdict != *key.only) {
      wrong(node.source().begin, std::string(key.key)
                                     .append(" belongs to do = \"")
                                     .append(to_string(*key.only))
                                     .append("\""));
    }
  }

  void unknown(const toml::key& key) {
    std::vector<std::string_view> keys;
    for (const Key& known : kKeys) keys.push_back(known.key);
    const std::string_view best = nearest(key.str(), keys);
    wrong(key.source().begin,
          "a rule has no " + quoted(key.str()) +
              (best.empty() ? "" : std::string(": did you mean ").append(quoted(best)) + "?"));
  }

  void wrong(toml::source_position where, const std::string& what) {
    if (++faults_ > kFaultsNamed) return;
    if (faults_ == 1)
      rule_.trouble = place(where) + ": " + what;
    else
      rule_.trouble += "; line " + std::to_string(where.line) + ": " + what;
  }

  std::string place(toml::source_position where) const {
    return place_text(file_, where) + ": policy rule " + std::to_string(number_);
  }

  const toml::table& table_;
  const std::string& file_;
  std::size_t number_;
  PolicyRule rule_;
  std::size_t faults_ = 0;
  bool whom_known_ = true;
  bool verdict_known_ = true;
};

PolicyRule unreadable(const toml::node& node, const std::string& file, const char* what) {
  PolicyRule rule;
  rule.trouble = place_text(file, node.source().begin) + ": " + what +
                 "; until that is mended everything is asked about";
  return rule;
}

}  // namespace

std::string_view to_string(Whom whom) { return kWhom[static_cast<std::size_t>(whom)]; }

std::string_view to_string(Verdict verdict) { return kVerdicts[static_cast<std::size_t>(verdict)]; }

std::uint64_t KeepFree::of(std::uint64_t capacity_bytes) const {
  return bytes ? *bytes : capacity_bytes / 100 * percent;
}

std::string KeepFree::text() const {
  return bytes ? size_text(*bytes) : std::to_string(percent) + " %";
}

std::vector<PolicyRule> read_policy(const toml::node& node, const std::string& file) {
  std::vector<PolicyRule> rules;
  const toml::array* tables = node.as_array();
  if (tables == nullptr) {
    rules.push_back(unreadable(node, file, "rules are written as [[policy]] tables"));
    return rules;
  }
  for (const toml::node& element : *tables) {
    if (rules.size() == kMaxPolicyRules) {
      rules.push_back(unreadable(element, file, "there are more than 1000 policy rules"));
      break;
    }
    if (const toml::table* table = element.as_table())
      rules.push_back(Reading(*table, file, rules.size() + 1).run());
    else
      rules.push_back(unreadable(element, file, "rules are written as [[policy]] tables"));
  }
  return rules;
}

std::optional<std::string_view> policy_value_error(std::string_view key, const std::string& value) {
  const Key* known = find_key(key);
  const auto table = parse_toml("value = " + toml_string(value), {});
  PolicyRule scratch;
  if (known == nullptr) return "no key of a rule";
  if (!table || !known->read(*table->get("value"), scratch)) return known->allowed;
  return std::nullopt;
}

}  // namespace peer::base
