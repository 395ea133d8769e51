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
      "comments are kept; a running node is told.",
      {},
      "peer config\n"
      "peer config downloads ~/Incoming\n"
      "peer config offers_from contacts",
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

ExitCode change(const Arguments& arguments, const base::Home& home) {
  const auto changed = base::change_setting(home.config_file, arguments.word(0), arguments.word(1));
  if (!changed) throw CommandError(ExitCode::usage, changed.error().text());
  Attachment attachment;
  attachment.command = "config";
  if (auto attached = attach_if_running(arguments.common(), attachment))
    attached->client->call(Json::object({{"do", "settings"}}));
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
