#include "base/settings.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "base/home.hpp"
#include "base/rate_limit.hpp"
#include "base/settings_file.hpp"
#include "base/text.hpp"
#include "base/unicode.hpp"
#include "protocol/limits.hpp"

namespace peer::base {
namespace {

std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "peer";
  const std::string name = escaped(buffer.data());
  return name.empty() ? "peer" : name;
}

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= protocol::kMaxNameBytes && escaped(text) == text;
}

bool is_ip(const std::string& text) {
  in_addr v4{};
  in6_addr v6{};
  // A scope such as %eth0 may follow a link-local address.
  const std::string without_scope = text.substr(0, text.find('%'));
  return ::inet_pton(AF_INET, text.c_str(), &v4) == 1 ||
         ::inet_pton(AF_INET6, without_scope.c_str(), &v6) == 1;
}

// The readers of one value each: false if it is not what the setting may be.

bool read_name(const toml::node& node, Settings& out) {
  const auto value = node.value_exact<std::string>();
  if (!value || !is_name(*value)) return false;
  out.name = *value;
  return true;
}

bool read_port(const toml::node& node, Settings& out) {
  const auto value = node.value_exact<std::int64_t>();
  if (!value || *value < 1 || *value > 65535) return false;
  out.port = static_cast<std::uint16_t>(*value);
  return true;
}

bool read_listen(const toml::node& node, Settings& out) {
  const toml::array* list = node.as_array();
  if (list == nullptr || list->size() > kMaxListenAddresses) return false;
  std::vector<std::string> addresses;
  for (const toml::node& element : *list) {
    const auto value = element.value_exact<std::string>();
    if (!value || !is_ip(*value)) return false;
    addresses.push_back(*value);
  }
  out.listen = std::move(addresses);
  return true;
}

bool read_downloads(const toml::node& node, Settings& out) {
  const auto value = node.value_exact<std::string>();
  const std::string folder = value ? landing_folder(*value) : std::string{};
  if (folder.empty()) return false;
  out.downloads = folder;
  return true;
}

bool read_word(const toml::node& node, std::initializer_list<std::string_view> allowed,
               std::string& out) {
  const auto value = node.value_exact<std::string>();
  if (!value || std::find(allowed.begin(), allowed.end(), *value) == allowed.end()) return false;
  out = *value;
  return true;
}

bool read_offers_from(const toml::node& node, Settings& out) {
  return read_word(node, {"anyone", "contacts"}, out.offers_from);
}

bool read_truth(const toml::node& node, bool& out) {
  const auto value = node.value_exact<bool>();
  if (value) out = *value;
  return value.has_value();
}

bool read_hidden(const toml::node& node, Settings& out) { return read_truth(node, out.hidden); }

bool read_durable(const toml::node& node, Settings& out) { return read_truth(node, out.durable); }

bool read_on_clash(const toml::node& node, Settings& out) {
  return read_word(node, {"rename", "skip", "update", "overwrite"}, out.on_clash);
}

bool read_limit(const toml::node& node, Settings& out) {
  const auto value = node.value_exact<std::string>();
  if (!value || !parse_rate(*value)) return false;
  out.limit = *value;
  return true;
}

bool read_sessions(const toml::node& node, Settings& out) {
  return read_word(node, {"contacts", "trusted", "off"}, out.sessions);
}

bool read_discovery(const toml::node& node, Settings& out) {
  return read_word(node, {"named", "off"}, out.discovery);
}

bool read_history_days(const toml::node& node, Settings& out) {
  const auto value = node.value_exact<std::int64_t>();
  if (!value || *value < 0 || *value > kMaxHistoryDays) return false;
  out.history_days = static_cast<std::uint32_t>(*value);
  return true;
}

bool read_give_up_after(const toml::node& node, Settings& out) {
  const auto value = node.value_exact<std::string>();
  const auto time = value ? parse_duration(*value) : std::nullopt;
  if (!time || time->count() <= 0) return false;
  out.give_up_after = *value;
  return true;
}

std::string truth(bool value) { return value ? "true" : "false"; }

std::string listed(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const std::string& value : values) {
    if (out.size() > 1) out += ", ";
    out += toml_string(value);
  }
  return out + "]";
}

enum class Form { text, number, truth, list };

// Everything there is to know about a setting: a new one is a row here.
struct Setting {
  std::string_view key;
  Form form;
  SettingsErrc error;
  bool (*read)(const toml::node& node, Settings& out);
  std::string (*as_toml)(const Settings& settings);
  std::string_view help;
};

constexpr std::array kSettings{
    Setting{"name", Form::text, SettingsErrc::bad_name, read_name,
            [](const Settings& s) { return toml_string(s.name); },
            "what this peer calls itself; default: the host name"},
    Setting{"port", Form::number, SettingsErrc::bad_port, read_port,
            [](const Settings& s) { return std::to_string(s.port); }, "the TCP port it listens on"},
    Setting{"listen", Form::list, SettingsErrc::bad_listen, read_listen,
            [](const Settings& s) { return listed(s.listen); },
            "the addresses it listens on; none: all of this machine"},
    Setting{"downloads", Form::text, SettingsErrc::bad_downloads, read_downloads,
            [](const Settings& s) { return toml_string(s.downloads); }, "where files land"},
    Setting{"offers_from", Form::text, SettingsErrc::bad_offers_from, read_offers_from,
            [](const Settings& s) { return toml_string(s.offers_from); },
            "whose offers are shown: \"anyone\" or \"contacts\""},
    Setting{
        "hidden", Form::truth, SettingsErrc::bad_hidden, read_hidden,
        [](const Settings& s) { return truth(s.hidden); },
        "whether strangers are not told its name, and the local network nothing: true or false"},
    Setting{
        "discovery", Form::text, SettingsErrc::bad_discovery, read_discovery,
        [](const Settings& s) { return toml_string(s.discovery); },
        "whether the local network is told this peer's name, ID and port, and others are heard: "
        "\"named\" or \"off\""},
    Setting{"on_clash", Form::text, SettingsErrc::bad_on_clash, read_on_clash,
            [](const Settings& s) { return toml_string(s.on_clash); },
            "what becomes of a file whose name is taken: \"rename\", \"skip\", \"update\" or "
            "\"overwrite\""},
    Setting{"limit", Form::text, SettingsErrc::bad_limit, read_limit,
            [](const Settings& s) { return toml_string(s.limit); },
            "how fast all transfers together may go, each way: \"20M\" (bytes a second) or "
            "\"none\""},
    Setting{"sessions", Form::text, SettingsErrc::bad_sessions, read_sessions,
            [](const Settings& s) { return toml_string(s.sessions); },
            "with whom 'peer start' keeps a connection where there is nothing to say: "
            "\"contacts\", \"trusted\" or \"off\""},
    Setting{"durable", Form::truth, SettingsErrc::bad_durable, read_durable,
            [](const Settings& s) { return truth(s.durable); },
            "whether what is received is on the disk before it is called done: true or false"},
    Setting{"history_days", Form::number, SettingsErrc::bad_history_days, read_history_days,
            [](const Settings& s) { return std::to_string(s.history_days); },
            "how many days 'peer history' tells of an offer that has ended"},
    Setting{"give_up_after", Form::text, SettingsErrc::bad_give_up_after, read_give_up_after,
            [](const Settings& s) { return toml_string(s.give_up_after); },
            "how long somebody who accepted an offer may take nothing of it before it is given up"},
};

const Setting* find_setting(std::string_view key) {
  for (const Setting& setting : kSettings)
    if (setting.key == key) return &setting;
  return nullptr;
}

std::string did_you_mean(std::string_view key) {
  std::vector<std::string_view> keys;
  for (const Setting& setting : kSettings) keys.push_back(setting.key);
  const std::string_view best = nearest(key, keys);
  return best.empty() ? std::string{}
                      : std::string("did you mean ").append(quoted(best)).append("?");
}

Settings defaults() {
  Settings settings;
  settings.name = host_name();
  settings.downloads = downloads_folder();
  return settings;
}

Result<Settings> read_table(const toml::table& table, const std::string& file) {
  Settings settings = defaults();
  for (const auto& [key, node] : table) {
    if (key.str() == kPolicyKey) {
      settings.policy = read_policy(node, file);
      continue;
    }
    const Setting* setting = find_setting(key.str());
    const std::string place = place_text(file, key.source().begin);
    if (setting == nullptr) {
      const std::string hint = did_you_mean(key.str());
      settings.warnings.push_back(place + ": there is no setting " + quoted(key.str()) +
                                  (hint.empty() ? "" : ": " + hint));
    } else if (!setting->read(node, settings)) {
      return Error(setting->error, place);
    }
  }
  for (const PolicyRule& rule : settings.policy)
    if (!rule.trouble.empty()) settings.warnings.push_back(rule.trouble);
  return settings;
}

// What was typed as a value, as TOML of the setting's form. Whether it is one of those allowed is
// found out by reading it.
std::string typed_as_toml(const Setting& setting, const std::string& typed) {
  const auto is_quoted = [](std::string_view text) {
    return text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
           text.back() == text.front();
  };
  if (setting.form == Form::text) return is_quoted(typed) ? typed : toml_string(typed);
  if (setting.form != Form::list || typed.starts_with('[')) return typed;
  std::vector<std::string> parts;
  for (std::size_t start = 0; start <= typed.size();) {
    const std::size_t comma = std::min(typed.find(',', start), typed.size());
    parts.push_back(typed.substr(start, comma - start));
    start = comma + 1;
  }
  return listed(parts);
}

// The value in the one way this program writes it, or what is wrong with it.
Result<std::string> checked_value(const Setting& setting, const std::string& typed) {
  const Error wrong(setting.error, std::string(setting.key).append(" = ").append(quoted(typed)));
  const std::string text = std::string(setting.key) + " = " + typed_as_toml(setting, typed);
  const auto table = parse_toml(text, {});
  // Line breaks could smuggle in a second key.
  if (!table || table->size() != 1) return wrong;
  Settings settings = defaults();
  const toml::node* node = table->get(setting.key);
  if (node == nullptr || !setting.read(*node, settings)) return wrong;
  if (setting.key == "downloads" && typed.starts_with("~/")) return toml_string(typed);
  return setting.as_toml(settings);
}

}  // namespace

Result<Settings> Settings::load(const std::string& file) {
  const auto text = read_settings_text(file);
  if (!text) return text.error();
  const auto table = parse_toml(*text, file);
  if (!table) return table.error();
  return read_table(*table, file);
}

Result<std::vector<SettingInfo>> list_settings(const std::string& file) {
  const auto text = read_settings_text(file);
  if (!text) return text.error();
  const auto table = parse_toml(*text, file);
  if (!table) return table.error();
  const auto settings = read_table(*table, file);
  if (!settings) return settings.error();
  std::vector<SettingInfo> out;
  for (const Setting& setting : kSettings) {
    SettingInfo info;
    info.key = setting.key;
    info.help = setting.help;
    info.value = setting.as_toml(*settings);
    info.is_default = !table->contains(setting.key);
    out.push_back(std::move(info));
  }
  return out;
}

Result<void> change_setting(const std::string& file, const std::string& key,
                            const std::string& value) {
  const Setting* setting = find_setting(key);
  if (key == kPolicyKey) return Error(SettingsErrc::not_one_value, quoted(key));
  if (setting == nullptr) {
    const std::string hint = did_you_mean(key);
    return Error(SettingsErrc::unknown_key, quoted(key) + (hint.empty() ? "" : " (" + hint + ")"));
  }
  std::string wanted;
  if (!value.empty()) {
    auto checked = checked_value(*setting, value);
    if (!checked) return std::move(checked).error();
    wanted = *std::move(checked);
  }
  const auto text = read_settings_text(file);
  if (!text) return text.error();
  const auto edited = edit_toml(*text, file, key, wanted);
  if (!edited) return edited.error();
  return write_settings_text(file, *edited);
}

}  // namespace peer::base
