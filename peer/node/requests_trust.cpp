#include <algorithm>

#include "async/run_on.hpp"
#include "base/policy_file.hpp"
#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/requests.hpp"
#include "storage/space_book.hpp"

/// Who is answered without asking: the rules that commands write into the settings.
namespace peer::node {

using base::Exit;
using base::PolicyRule;
using base::Verdict;
using base::Whom;
using Json = nlohmann::json;

namespace {

/// Of a rule as it stands in the file; copies what it needs, for it is asked in the disk pool.
base::RuleFilter naming(Node& node, const protocol::PeerId& id) {
  return [id, names = node.policies.names_of(id)](const PolicyRule& rule) {
    if (rule.from != Whom::peer) return false;
    return rule.id ? *rule.id == id : std::ranges::find(names, rule.name) != names.end();
  };
}

base::RuleKeys keys_of(const storage::ContactRow& contact, const Json& arguments) {
  base::RuleKeys keys{{"from", contact.id.text()}, {"name", contact.name}, {"do", "accept"}};
  for (const auto* key : {"up_to", "keep_free", "to", "on_clash"}) {
    const auto value = bytes_of(arguments, key);
    if (value.empty()) continue;
    if (const auto allowed = base::policy_value_error(key, value)) {
      std::string option = key;
      std::ranges::replace(option, '_', '-');
      throw Failure(Exit::usage, "trust " + contact.name + ": --" + option + " " +
                                     base::quoted(value) + ": it is " + std::string(*allowed));
    }
    keys.emplace_back(key, value);
  }
  return keys;
}

/// What this rule makes of what the peer gives, where nothing else is in the way.
Verdict verdict_of(const OfferFacts& facts, const PolicyRule& rule) {
  Landing there;
  there.free_bytes = there.capacity_bytes = base::kNoBound;
  there.writable = true;
  return decide(facts, rule, there).verdict;
}

Json rule_json(const PolicyRule& rule, Verdict verdict, const std::string& folder) {
  Json json;
  json["from"] = rule.id ? rule.id->text() : std::string(base::to_string(rule.from));
  json["do"] = base::to_string(verdict);
  if (verdict != Verdict::accept) return json;
  if (rule.up_to != base::kNoBound) json["up_to"] = rule.up_to;
  if (rule.keep_free.bytes)
    json["keep_free_bytes"] = *rule.keep_free.bytes;
  else
    json["keep_free_percent"] = rule.keep_free.percent;
  json["to"] = json_bytes(folder);
  json["on_clash"] = rule.on_clash;
  return json;
}

/// What becomes now of what the peer offers.
Json answer(Node& node, const protocol::PeerId& id) {
  const auto facts = node.policies.facts_of(id, 0);
  const auto& rule = node.policies.rule_for(id);
  const auto verdict = verdict_of(facts, rule);
  const auto& folder = rule.to.empty() ? node.services.settings.downloads : rule.to;
  PolicyRule as_it_works = rule;
  as_it_works.verdict = verdict;
  Json json;
  json["peer"] = peer_json(node, id);
  json["rule"] = rule_json(rule, verdict, folder);
  auto text = policy_sentence(as_it_works, node.contacts.called(id), folder);
  if (!is_standing(rule) && rule.from != Whom::peer)
    text += " So says " + rule_text(rule, {}) + ", the first that fits.";
  if (verdict == Verdict::accept && rule.to.empty() && !node.downloads_told().empty())
    text +=
        " Files land there until this node ends, for it was started with --downloads; a rule "
        "keeps a folder of its own with --to.";
  json["text"] = json_text(text);
  json["warnings"] = node.policies.warnings();
  return json;
}

}  // namespace

asio::awaitable<std::size_t> drop_rules(Node& node, protocol::PeerId id, DropRules which) {
  const std::string stay = "the rules that name " + id.short_text() + " stay in the settings: ";
  try {
    read_settings(node);
  } catch (const Failure& failure) {
    throw Failure(failure.exit(), stay + failure.text());
  }
  auto job = [file = node.services.home.config_file, names = naming(node, id), which] {
    const auto meant = [&](const PolicyRule& rule) {
      return names(rule) && (which == DropRules::all || rule.verdict == Verdict::accept);
    };
    return base::remove_policy_rules(file, meant);
  };
  auto removed = co_await async::run_on(node.services.disk, std::move(job));
  if (!removed) throw Failure(Exit::failed, stay + removed.error().text());
  if (*removed > 0) read_settings(node);
  co_return *removed;
}

asio::awaitable<void> rename_in_rules(Node& node, protocol::PeerId id, std::string name) {
  auto job = [file = node.services.home.config_file, id, name] {
    return base::name_policy_rules(file, id, name);
  };
  auto renamed = co_await async::run_on(node.services.disk, std::move(job));
  if (!renamed) base::log(base::Level::warning, "settings", renamed.error().text());
}

asio::awaitable<Json> do_trust(Node& node, Request& request) {
  auto row = contact_of(node, request);
  if (row.blocked)
    throw Failure(Exit::failed, row.name + " is blocked: peer unblock " + row.name + " first");
  auto keys = keys_of(row, request.arguments());
  if (!row.verified && !flag_of(request.arguments(), "unverified")) {
    throw Failure(
        Exit::identity,
        "it is not verified that " + row.name +
            "'s ID is really theirs: compare it with what 'peer id' shows there and run peer add " +
            row.name + " --id ID, or trust it all the same with --unverified");
  }
  const auto id = row.id;
  read_settings(node);
  const auto names = naming(node, id);
  const auto facts = node.policies.facts_of(id, 0);
  auto job = [file = node.services.home.config_file, keys = std::move(keys), names, facts] {
    const auto first = [&](const PolicyRule& rule) { return names(rule) || fits(facts, rule); };
    return base::put_policy_rule(file, keys, names, first);
  };
  auto written = co_await async::run_on(node.services.disk, std::move(job));
  if (!written) throw Failure(Exit::failed, "trust " + row.name + ": " + written.error().text());
  const auto* now = node.contacts.find(id);
  if (!now || now->name.empty() || now->blocked) {  // meanwhile, by another command
    co_await drop_rules(node, id, DropRules::that_accept);
    throw Failure(Exit::failed, "trust " + row.name + ": it was blocked or forgotten meanwhile");
  }
  row = *now;
  row.trusted = true;
  co_await node.contacts.save(std::move(row));
  read_settings(node);
  auto result = answer(node, id);
  const auto& to = node.policies.rule_for(id).to;
  auto look = [folder = to.empty() ? node.services.settings.downloads : to] {
    return !storage::refuses_files(folder);
  };
  const bool takes = co_await async::run_on(node.services.disk, std::move(look));
  if (!takes && result["rule"]["do"] == base::to_string(Verdict::accept))
    result["text"] = result["text"].get<std::string>() +
                     " But nothing can be written there now: until it can, you are asked.";
  co_return result;
}

asio::awaitable<Json> do_untrust(Node& node, Request& request) {
  auto row = contact_of(node, request);
  const auto id = row.id;
  const bool was_trusted = row.trusted;
  const auto removed = co_await drop_rules(node, id, DropRules::that_accept);
  if (const auto* now = node.contacts.find(id)) {  // or it was forgotten meanwhile
    row = *now;
    row.trusted = false;
    co_await node.contacts.save(std::move(row));
  }
  auto result = answer(node, id);
  result["was_trusted"] = was_trusted || removed > 0;
  co_return result;
}

}  // namespace peer::node
