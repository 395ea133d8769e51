#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "base/policy_rule.hpp"
#include "protocol/result.hpp"

namespace peer::base {

/// A person writes this file; more than this is none of ours.
inline constexpr std::size_t kMaxSettingsBytes = 1024 * 1024;
inline constexpr std::size_t kMaxListenAddresses = 16;
inline constexpr std::int64_t kMaxHistoryDays = 36'500;

/// What can be wrong with a settings file or a value. The message of the code says what is allowed;
/// the context of the Error names the file, line and column, or the key and the value given.
enum class SettingsErrc {
  not_toml = 1,
  too_large,
  not_a_file,
  unknown_key,
  bad_name,
  bad_port,
  bad_listen,
  bad_downloads,
  bad_offers_from,
  bad_hidden,
  bad_on_clash,
  bad_limit,
  bad_sessions,
  bad_durable,
  bad_history_days,
  bad_give_up_after,
  bad_discovery,
  not_editable,
  not_one_value,
};
std::error_code make_error_code(SettingsErrc code);

/// The settings file, TOML that a person can read and edit. A broken file is an error that names
/// file, line and column.
struct Settings {
  std::string name;  ///< what this peer calls itself; default: the host name
  std::uint16_t port = 56744;
  std::vector<std::string> listen;     ///< addresses, IPs without port; empty, the default: all
  std::string downloads;               ///< where files land; default: the XDG downloads folder
  std::string offers_from = "anyone";  ///< or "contacts"
  bool hidden = false;
  std::string discovery = "named";  ///< on the local network; or "off"
  std::string on_clash = "rename";
  std::string limit = "none";         ///< for parse_rate(): of all transfers together, each way
  std::string sessions = "contacts";  ///< kept open by a node that stays; or "trusted", "off"
  bool durable = false;               ///< what is received is on the disk before it is called done
  std::uint32_t history_days = 90;    ///< how long offers that have ended are told of
  std::string give_up_after = "30m";  ///< for parse_duration(): of a taker that wants nothing

  /// Who is answered without asking; the first that fits decides. What is wrong with one stands in
  /// `warnings` too.
  std::vector<PolicyRule> policy;

  /// Keys in the file that mean nothing here, each as a whole sentence to show.
  std::vector<std::string> warnings;

  static Result<Settings> load(const std::string& file);  ///< a missing file is all defaults
};

/// For `peer config`: the known keys with one line of help each, and their values in the file or by
/// default.
struct SettingInfo {
  std::string key;
  std::string help;
  std::string value;  ///< as TOML
  bool is_default = true;
};
Result<std::vector<SettingInfo>> list_settings(const std::string& file);
/// Changes one key and keeps the rest of the file as the person wrote it, comments too; written to
/// a new file and renamed. `value` is TOML, but quotes are optional, a list may be written
/// `a,b`, and an empty value goes back to the default. Errors: unknown key (names the nearest), a
/// value out of its range.
Result<void> change_setting(const std::string& file, const std::string& key,
                            const std::string& value);

}  // namespace peer::base

template <>
struct std::is_error_code_enum<peer::base::SettingsErrc> : std::true_type {};
