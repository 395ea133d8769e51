#include "doctor/firewall_rules.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

namespace peer::doctor {

namespace {

using Words = std::vector<std::string>;

struct Chain {
  bool base = false;  ///< packets to this machine begin here
  bool policy_drops = false;
  std::vector<Words> rules;
};
struct Table {
  std::string name;  ///< "inet filter"
  std::map<std::string, Chain> chains;
};

/// Words of a line; what stands in quotes is one, without them; commas and semicolons are dropped.
Words words_of(std::string_view line) {
  Words words;
  std::string word;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (quoted || (c != ' ' && c != '\t' && c != ',' && c != ';')) {
      if (c == '#' && !quoted) break;
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

bool has(const Words& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

/// `type filter hook input priority 0 policy drop`
void read_hook(const Words& words, Chain& chain) {
  const auto hook = std::ranges::find(words, "hook");
  if (hook == words.end() || hook + 1 == words.end()) return;
  chain.base = has(words, "filter") && (*(hook + 1) == "input" || *(hook + 1) == "prerouting");
  const auto policy = std::ranges::find(words, "policy");
  chain.policy_drops =
      policy != words.end() && policy + 1 != words.end() && *(policy + 1) == "drop";
}

std::vector<Table> tables_of(std::string_view ruleset) {
  std::vector<Table> tables;
  Chain* chain = nullptr;
  int depth = 0;  // of braces that belong to neither table nor chain: sets, maps
  std::istringstream lines{std::string(ruleset)};
  for (std::string line; std::getline(lines, line);) {
    const auto words = words_of(line);
    if (words.empty()) continue;
    const bool opens = words.back() == "{";
    if (opens && words.front() == "table" && words.size() >= 4) {
      tables.push_back({words[1] + " " + words[2], {}});
    } else if (opens && words.front() == "chain" && words.size() >= 3 && !tables.empty()) {
      chain = &tables.back().chains[words[1]];
    } else if (opens) {
      ++depth;
    } else if (words.size() == 1 && words.front() == "}") {
      if (depth > 0)
        --depth;
      else
        chain = nullptr;
    } else if (chain && depth == 0) {
      if (words.front() == "type")
        read_hook(words, *chain);
      else if (words.front() == "policy")
        chain->policy_drops = has(words, "drop");
      else
        chain->rules.push_back(words);
    }
  }
  return tables;
}

/// Whether "80", "8000-9000" is, or holds, the port; none if it is neither.
std::optional<bool> holds(std::string_view text, std::uint16_t port) {
  const auto number = [](std::string_view digits) -> std::optional<unsigned> {
    unsigned value = 0;
    const auto* end = digits.data() + digits.size();
    if (digits.empty() || std::from_chars(digits.data(), end, value).ptr != end)
      return std::nullopt;
    return value;
  };
  const auto dash = text.find('-');
  const auto first = number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  return *first <= port && port <= *last;
}

enum class Fits : std::uint8_t { no, some, yes };

/// One rule, read from left to right: whether it applies, and what it then does.
class Rule {
 public:
  Rule(const Words& words, std::string_view protocol, std::uint16_t port)
      : words_(words), protocol_(protocol), port_(port) {
    while (at_ < words_.size() && fits != Fits::no && verdict.empty()) step();
  }
  Fits fits = Fits::yes;
  bool names_port = false;
  std::string verdict;  ///< accept, drop, reject, return, jump, goto; empty: none
  std::string target;

 private:
  std::string take() { return at_ < words_.size() ? words_[at_++] : std::string(); }
  std::string peek() const { return at_ < words_.size() ? words_[at_] : std::string(); }
  bool skip(std::string_view word) {
    const bool there = peek() == word;
    if (there) ++at_;
    return there;
  }
  void unless(bool fine) {
    if (!fine) fits = Fits::no;
  }
  void condition() { fits = std::min(fits, Fits::some); }

  /// What follows a match: a word, or all between braces.
  Words operand() {
    if (!skip("{")) return {take()};
    Words all;
    while (at_ < words_.size() && !skip("}")) all.push_back(take());
    return all;
  }

  void match_port() {
    const bool other = skip("!=");
    bool inside = false;
    for (const auto& part : operand()) {
      const auto held = holds(part, port_);
      if (!held) return condition();
      inside = inside || *held;
    }
    unless(inside != other);
    names_port = names_port || (inside && !other);
  }
  void match_protocol() {
    const bool other = skip("!=");
    const auto named = operand();
    unless(has(named, protocol_) != other);
  }
  void match_interface() {
    const bool other = skip("!=");
    const bool own = has(operand(), "lo");
    if (own)
      unless(other);
    else
      condition();
  }
  void match_connection() {
    const auto what = take();
    if (skip("vmap")) return unless(has(operand(), "new"));
    const auto states = operand();
    // Each connection begins as a new one; what belongs to one that was let in is no question.
    if (what == "state") return unless(has(states, "new") || has(states, "untracked"));
    condition();
  }

  void step() {
    static constexpr std::array<std::string_view, 4> kEnds{"accept", "drop", "reject", "return"};
    const auto word = take();
    if (std::ranges::find(kEnds, word) != kEnds.end()) {
      verdict = word;
    } else if (word == "jump" || word == "goto") {
      verdict = word;
      target = take();
    } else if (word == "counter") {
      if (skip("packets")) take(), skip("bytes"), take();
    } else if (word == "log") {
      while (skip("prefix") || skip("level") || skip("group") || skip("flags")) take();
    } else if (word == "comment") {
      take();
    } else if (word == "tcp" || word == "udp" || word == "th") {
      unless(word == "th" || word == protocol_);
      if (skip("dport"))
        match_port();
      else
        condition();
    } else if (word == "meta") {
      if (skip("l4proto"))
        match_protocol();
      else if (skip("iif") || skip("iifname"))
        match_interface();
      else
        condition();
    } else if ((word == "ip" && skip("protocol")) || (word == "ip6" && skip("nexthdr"))) {
      match_protocol();
    } else if (word == "iif" || word == "iifname") {
      match_interface();
    } else if (word == "ct") {
      match_connection();
    } else if (word == "icmp" || word == "icmpv6" || word == "igmp") {
      unless(false);
    } else {
      condition();
    }
  }

  const Words& words_;
  std::size_t at_ = 0;
  std::string_view protocol_;
  std::uint16_t port_;
};

/// Follows one packet through a table.
class Walk {
 public:
  Walk(const Table& table, std::string_view protocol, std::uint16_t port)
      : table_(table), protocol_(protocol), port_(port) {}

  Verdict from(const std::string& name, const Chain& chain) {
    verdict_ = {};
    dropped_for_some_ = accepted_for_some_ = false;
    const auto end = follow(name, chain, false, 0);
    if (end == End::none && chain.policy_drops) drop(name, false);
    if (verdict_.kind == Verdict::Kind::dropped && accepted_for_some_)
      verdict_.kind = Verdict::Kind::some;
    if (verdict_.kind == Verdict::Kind::open && dropped_for_some_) {
      verdict_.kind = Verdict::Kind::some;
      verdict_.where = some_where_;
    }
    return verdict_;
  }

 private:
  enum class End : std::uint8_t { none, decided };
  static constexpr int kDeepest = 16;
  static constexpr std::size_t kMostRules = 100'000;  ///< looked at; chains may fan out

  void drop(const std::string& chain, bool by_name) {
    verdict_.kind = Verdict::Kind::dropped;
    verdict_.where = table_.name + " " + chain;
    verdict_.by_name = by_name;
  }

  /// `some`: the way here had conditions, so nothing is decided for everybody.
  End follow(const std::string& name, const Chain& chain, bool some, int depth) {
    for (const auto& words : chain.rules) {
      if (++looked_at_ > kMostRules) return End::none;
      const Rule rule(words, protocol_, port_);
      if (rule.fits == Fits::no || rule.verdict.empty()) continue;
      const bool all = rule.fits == Fits::yes && !some;
      if (rule.verdict == "accept") {
        if (all) return End::decided;
        accepted_for_some_ = accepted_for_some_ || rule.names_port;
      } else if (rule.verdict == "drop" || rule.verdict == "reject") {
        if (all) {
          drop(name, rule.names_port);
          return End::decided;
        }
        if (rule.names_port) {
          dropped_for_some_ = true;
          some_where_ = table_.name + " " + name;
        }
      } else if (rule.verdict == "return") {
        if (all) return End::none;
      } else if (const auto to = table_.chains.find(rule.target);
                 to != table_.chains.end() && depth < kDeepest) {
        const auto end = follow(to->first, to->second, !all, depth + 1);
        if (end == End::decided) return end;
        if (all && rule.verdict == "goto") return End::none;
      }
    }
    return End::none;
  }

  const Table& table_;
  std::string_view protocol_;
  std::uint16_t port_;
  Verdict verdict_;
  std::size_t looked_at_ = 0;
  bool dropped_for_some_ = false;
  bool accepted_for_some_ = false;
  std::string some_where_;
};

}  // namespace

Verdict judge_ruleset(std::string_view ruleset, std::string_view protocol, std::uint16_t port) {
  Verdict worst;
  for (const auto& table : tables_of(ruleset)) {
    for (const auto& [name, chain] : table.chains) {
      if (!chain.base) continue;
      auto verdict = Walk(table, protocol, port).from(name, chain);
      if (verdict.kind > worst.kind) worst = std::move(verdict);
    }
  }
  return worst;
}

}  // namespace peer::doctor
