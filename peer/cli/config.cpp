#include "base/settings.hpp"
#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/command_error.hpp"
#include "cli/commands.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"

namespace peer::cli {
namespace {

const Spec& spec() {
  static const Spec instance{
      "config",
      "config [KEY [VALUE]]",
      "Show all settings, or one, or change one. They live in a file that can be edited by hand, "
      "comments are kept; a running node reads it again whenever this command runs. The rules "
      "about "
      "offers ([[policy]] tables) are shown too; 'peer trust' writes those for one contact.",
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

std::vector<base::SettingInfo> settings_of(const base::Home& home) {
  auto settings = base::list_settings(home.config_file);
  if (!settings) throw CommandError(ExitCode::failed, settings.error().text());
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

void print_rules(const Common& common, const base::Home& home) {
  const auto settings = base::Settings::load(home.config_file);
  if (!settings) throw CommandError(ExitCode::failed, settings.error().text());
  if (!common.json && !settings->policy.empty())
    print("# rules about offers, the first that fits decides");
  std::uint64_t number = 0;
  for (const base::PolicyRule& rule : settings->policy) {
    ++number;
    if (common.json) {
      Json row = rule_json(rule);
      row["number"] = number;
      print_row("policy", row);
    } else {
      print("policy " + std::to_string(number) + ": " + rule_text(rule));
    }
  }
}

/// A running node reads the file again, and says what in it means nothing.
void tell_node(const Common& common) {
  Attachment attachment;
  attachment.command = "config";
  auto attached = attach_if_running(common, attachment);
  if (!attached) return;
  const Json result = attached->client->call(Json::object({{"do", "settings"}}));
  for (const Json& warning : array_of(result, "warnings"))
    if (warning.is_string()) say("warning: " + base::escaped(warning.get<std::string>()));
}

ExitCode change(const Arguments& arguments, const base::Home& home) {
  const auto changed = base::change_setting(home.config_file, arguments.word(0), arguments.word(1));
  if (!changed) throw CommandError(ExitCode::usage, changed.error().text());
  tell_node(arguments.common());
  if (arguments.common().json)
    for (const auto& setting : settings_of(home))
      if (setting.key == arguments.word(0)) print_setting(arguments.common(), setting);
  return ExitCode::done;
}

}  // namespace

ExitCode run_config(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  const base::Home home = common.home();
  if (arguments->words().size() == 2) return change(*arguments, home);
  const auto settings = settings_of(home);
  if (arguments->words().empty()) {
    if (!common.json) print("# " + base::escaped(home.config_file));
    for (const auto& setting : settings) print_setting(common, setting);
    print_rules(common, home);
    tell_node(common);
    return ExitCode::done;
  }
  if (arguments->word(0) == base::kPolicyKey) {
    print_rules(common, home);
    tell_node(common);
    return ExitCode::done;
  }
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
