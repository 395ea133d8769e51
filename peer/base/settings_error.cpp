#include <string>

#include "base/settings.hpp"

namespace peer::base {
namespace {

class Category : public std::error_category {
 public:
  const char* name() const noexcept override { return "settings"; }
  std::string message(int code) const override {
    switch (static_cast<SettingsErrc>(code)) {
      case SettingsErrc::not_toml:
        return "this is not TOML";
      case SettingsErrc::too_large:
        return "more than 1 MiB";
      case SettingsErrc::not_a_file:
        return "not a regular file";
      case SettingsErrc::unknown_key:
        return "there is no such setting";
      case SettingsErrc::bad_name:
        return "the name is 1 to 256 bytes of text without control or invisible characters";
      case SettingsErrc::bad_port:
        return "the port is a whole number from 1 to 65535";
      case SettingsErrc::bad_listen:
        return "the addresses to listen on are a list of at most 16 IPs without ports, such as "
               "[\"192.168.1.7\", \"::1\"]";
      case SettingsErrc::bad_downloads:
        return "downloads is an absolute folder, or one from ~/ on, but neither / nor your home "
               "itself";
      case SettingsErrc::bad_offers_from:
        return "offers_from is \"anyone\" or \"contacts\"";
      case SettingsErrc::bad_hidden:
        return "hidden is true or false";
      case SettingsErrc::bad_on_clash:
        return "on_clash is \"rename\", \"skip\", \"update\" or \"overwrite\"";
      case SettingsErrc::bad_limit:
        return "limit is a speed such as \"20M\" or \"500k\" (bytes a second, at least 1k), or "
               "\"none\"";
      case SettingsErrc::bad_sessions:
        return "sessions is \"contacts\", \"trusted\" or \"off\"";
      case SettingsErrc::bad_discovery:
        return "discovery is \"named\" or \"off\"";
      case SettingsErrc::bad_durable:
        return "durable is true or false";
      case SettingsErrc::bad_history_days:
        return "history_days is a whole number from 0 to 36500";
      case SettingsErrc::bad_give_up_after:
        return "give_up_after is a time such as \"30m\" or \"2h\"";
      case SettingsErrc::not_editable:
        return "the file is written in a way that only a person can "
               "change";
      case SettingsErrc::not_one_value:
        return "rules are [[policy]] tables: peer trust and peer untrust write those that take, "
               "others are written into the file by hand";
    }
    return "unknown error";
  }
};

}  // namespace

std::error_code make_error_code(SettingsErrc code) {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace peer::base
