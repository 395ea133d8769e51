#include <algorithm>
#include <optional>
#include <set>

#include "base/settings.hpp"
#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/command_error.hpp"
#include "cli/commands.hpp"
#include "cli/json_fields.hpp"
#include "cli/node_process.hpp"
#include "cli/output.hpp"

namespace peer::cli {
namespace {

const Spec& spec() {
  static const Spec instance{
      "config",
      "config [KEY [VALUE]]",
      "Show all settings, or one, or change one. They live in a file that can be edited by hand, "
      "comments are kept; a running node reads it again whenever this command runs. The rules "
      "about offers ([[policy]] tables) are shown too, and which of them name nobody; 'peer trust' "
      "writes those for one contact.",
      {},
      "peer config\n"
      "peer config downloads ~/Incoming\n"
      "peer config offers_from contacts\n"
      "peer config policy",
      "2 no such setting, or a value it cannot have",
      0,
      2};
  return instance;
}

/// A file that cannot be read, and what holds meanwhile.
[[noreturn]] void unreadable(const base::Home& home, const Error& error) {
  throw CommandError(
      ExitCode::failed,
      error.text() + (connect_to_node(home) ? "; until that is mended the running node goes on "
                                              "with the settings and rules it had"
                                            : "; until that is mended no node starts here"));
}

std::vector<base::SettingInfo> settings_of(const base::Home& home) {
  auto settings = base::list_settings(home.config_file);
  if (!settings) unreadable(home, settings.error());
  return *std::move(settings);
}

/// A TOML value of the kinds settings have: strings, numbers, booleans, lists of those.
Json json_value(const std::string& toml) {
  if (toml.size() >= 2 && toml.front() == '\'' && toml.back() == '\'')
    return toml.substr(1, toml.size() - 2);
  Json value = Json::parse(toml, nullptr, false);
  return value.is_discarded() ? Json(toml) : value;
}

void print_setting(const Common& common, const base::SettingInfo& setting) {
  if (common.json)
    return print_row("setting", Json::object({{"key", setting.key},
                                              {"value", json_value(setting.value)},
                                              {"default", setting.is_default},
                                              {"help", setting.help}}));
  std::string line = setting.key + " = " + base::escaped(setting.value);
  constexpr std::size_t kHelpColumn = 36;
  if (line.size() < kHelpColumn) line.resize(kHelpColumn, ' ');
  print(line + "  # " + setting.help + (setting.is_default ? " (default)" : ""));
}

std::string whom_text(const base::PolicyRule& rule) {
  if (rule.from != base::Whom::peer) return std::string(base::to_string(rule.from));
  const std::string name = base::escaped(rule.name);
  if (!rule.id) return name;
  return name.empty() ? rule.id->short_text() : name + " (" + rule.id->short_text() + ")";
}

/// "from bob (ABCDEFG-HIJKLMN): accept up to 1 GB, while 5 % of the disk stays free, on_clash
/// rename"
std::string rule_text(const base::PolicyRule& rule) {
  std::string text = "from " + whom_text(rule) + ": " + std::string(base::to_string(rule.verdict));
  if (!rule.trouble.empty()) return text + "  # " + rule.trouble;
  if (!rule.text.empty()) text += ", saying " + base::quoted(rule.text);
  if (rule.verdict != base::Verdict::accept) return text;
  text += rule.up_to == base::kNoBound ? " any size" : " up to " + base::size_text(rule.up_to);
  if (!rule.to.empty()) text += ", into " + base::quoted(rule.to);
  return text + ", while " + rule.keep_free.text() + " of the disk stays free, on_clash " +
         rule.on_clash;
}

Json rule_json(const base::PolicyRule& rule) {
  Json json = {{"do", base::to_string(rule.verdict)}};
  json["from"] = rule.id                         ? rule.id->text()
                 : rule.from == base::Whom::peer ? rule.name
                                                 : std::string(base::to_string(rule.from));
  if (rule.id && !rule.name.empty()) json["name"] = rule.name;
  if (!rule.trouble.empty()) json["trouble"] = rule.trouble;
  if (!rule.text.empty()) json["text"] = rule.text;
  if (rule.verdict != base::Verdict::accept) return json;
  if (rule.up_to != base::kNoBound) json["up_to"] = rule.up_to;
  if (rule.keep_free.bytes)
    json["keep_free_bytes"] = *rule.keep_free.bytes;
  else
    json["keep_free_percent"] = rule.keep_free.percent;
  if (!rule.to.empty()) json["to"] = rule.to;
  json["on_clash"] = rule.on_clash;
  return json;
}

/// What the node makes of the settings.
struct Heard {
  std::vector<std::string> warnings;
  std::set<std::uint64_t> nobody;  ///< the numbers of rules that name no contact and need one
  std::string downloads;           ///< where files land until it ends, if `start` was told
};

/// The node reads the file again. Only one that runs already is asked, unless it is `needed`.
Heard hear_node(const Common& common, bool needed) {
  Attachment attachment;
  attachment.command = "config";
  std::optional<Attached> attached;
  if (needed)
    attached = attach(common, attachment);
  else
    attached = attach_if_running(common, attachment);
  Heard heard;
  if (!attached) return heard;
  const Json result = attached->client->call(Json::object({{"do", "settings"}}));
  for (const Json& warning : array_of(result, "warnings"))
    if (warning.is_string()) heard.warnings.push_back(warning.get<std::string>());
  for (const Json& number : array_of(result, "nobody"))
    if (number.is_number_unsigned()) heard.nobody.insert(number.get<std::uint64_t>());
  heard.downloads = bytes_from(result.value("downloads", Json("")));
  return heard;
}

void print_warnings(const Heard& heard) {
  for (const std::string& warning : heard.warnings) say("warning: " + base::escaped(warning));
}

void print_landing(const Heard& heard) {
  if (!heard.downloads.empty())
    say("the running node was started with --downloads: files land in " +
        base::quoted(heard.downloads) + " until it ends");
}

std::string nobody_text(const base::PolicyRule& rule) {
  if (rule.id)
    return "names nobody: " + rule.id->short_text() +
           " is no contact; until it is one, the rule takes nothing";
  return "names nobody: no contact is called " + base::quoted(rule.name) +
         "; until that is mended everything is asked about that no earlier rule decides";
}

void print_rules(const Common& common, std::vector<base::PolicyRule> rules, const Heard& heard) {
  if (!common.json && !rules.empty()) print("# rules about offers, the first that fits decides");
  std::uint64_t number = 0;
  for (base::PolicyRule& rule : rules) {
    if (heard.nobody.contains(++number)) rule.trouble = nobody_text(rule);
    if (common.json) {
      Json row = rule_json(rule);
      row["number"] = number;
      print_row("policy", row);
    } else {
      print("policy " + std::to_string(number) + ": " + rule_text(rule));
    }
  }
}

/// All settings, or the rules alone.
ExitCode show(const Common& common, const base::Home& home, bool rules_alone) {
  const auto settings = settings_of(home);
  auto read = base::Settings::load(home.config_file);
  if (!read) unreadable(home, read.error());
  const bool names_peers = std::ranges::any_of(
      read->policy, [](const auto& rule) { return rule.from == base::Whom::peer; });
  const Heard heard = hear_node(common, names_peers);
  if (!rules_alone) {
    if (!common.json) print("# " + base::escaped(home.config_file));
    for (const auto& setting : settings) print_setting(common, setting);
  }
  print_rules(common, std::move(read->policy), heard);
  if (!rules_alone) print_landing(heard);
  print_warnings(heard);
  return ExitCode::done;
}

ExitCode change(const Arguments& arguments, const base::Home& home) {
  const std::string key = arguments.word(0);
  const auto changed = base::change_setting(home.config_file, key, arguments.word(1));
  if (!changed) throw CommandError(ExitCode::usage, changed.error().text());
  const Heard heard = hear_node(arguments.common(), false);
  if (key == "downloads") print_landing(heard);
  print_warnings(heard);
  if (arguments.common().json)
    for (const auto& setting : settings_of(home))
      if (setting.key == key) print_setting(arguments.common(), setting);
  return ExitCode::done;
}

}  // namespace

ExitCode run_config(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  const base::Home home = common.home();
  if (arguments->words().size() == 2) return change(*arguments, home);
  if (arguments->words().empty()) return show(common, home, false);
  if (arguments->word(0) == base::kPolicyKey) return show(common, home, true);
  const auto settings = settings_of(home);
  std::vector<std::string> keys;
  for (const auto& setting : settings) {
    keys.push_back(setting.key);
    if (setting.key != arguments->word(0)) continue;
    common.json ? print_setting(common, setting) : print(base::escaped(setting.value));
    return ExitCode::done;
  }
  const auto nearest = base::nearest(arguments->word(0), keys);
  arguments->fail("there is no setting " + base::quoted(arguments->word(0)) +
                  (nearest.empty() ? "" : "; did you mean " + std::string(nearest) + "?"));
}

}  // namespace peer::cli
