#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/result.hpp"

namespace peer::base {

/// The settings file, TOML that a person can read and edit. A broken file is an error that names
/// file, line and column.
struct Settings {
  std::string name;  ///< what this peer calls itself; default: the host name
  std::uint16_t port = 56744;
  std::vector<std::string> listen;     ///< addresses; default: all
  std::string downloads;               ///< where files land; default: the XDG downloads folder
  std::string offers_from = "anyone";  ///< or "contacts"
  bool hidden = false;
  std::string on_clash = "rename";

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
/// a new file and renamed. Errors: unknown key (names the nearest), a value out of its range.
Result<void> change_setting(const std::string& file, const std::string& key,
                            const std::string& value);

}  // namespace peer::base
