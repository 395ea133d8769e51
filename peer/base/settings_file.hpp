#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>

#include "base/settings.hpp"
#include "protocol/result.hpp"

/// The settings file as text: reading it whole, and changing one key without touching the rest.
namespace peer::base {

/// The file's text; empty if there is no such file. SettingsErrc::too_large, not_a_file, or what
/// the system says.
Result<std::string> read_settings_text(const std::string& file);
/// Puts `text` in the place of the file (through links to the file they lead to), whole or not at
/// all, mode 0600.
Result<void> write_settings_text(const std::string& file, const std::string& text);

/// SettingsErrc::not_toml, with place and reason as context.
Result<toml::table> parse_toml(const std::string& text, const std::string& file);

/// The rules that `policy` in a settings file holds; `file` is named in their `trouble`.
std::vector<PolicyRule> read_policy(const toml::node& node, const std::string& file);

/// `text` with `key = value` in its top table: in the place of the old value, comments kept, or
/// added. An empty value takes the key's lines away. The result has been parsed again, and holds
/// what `text` held but for this key; SettingsErrc::not_editable if that cannot be reached.
Result<std::string> edit_toml(const std::string& text, const std::string& file,
                              const std::string& key, const std::string& value);

/// Bytes of `text` before a place in it.
std::size_t offset_of(const std::string& text, toml::source_position place);
/// Where the line begins that `at` is in, and where the one behind it does.
std::size_t line_start(const std::string& text, std::size_t at);
std::size_t next_line(const std::string& text, std::size_t at);

/// A TOML string in quotes; `text` that is not UTF-8 gives one that does not parse.
std::string toml_string(std::string_view text);
/// "‘/home/ann/.config/peer/config.toml’ line 3, column 8"
std::string place_text(const std::string& file, toml::source_position position);

}  // namespace peer::base
