#pragma once

#include <optional>
#include <string>

#include "cli/arguments.hpp"
#include "cli/client.hpp"
#include "cli/exit_code.hpp"

namespace peer::cli {

/// --as of `invite` and `join`, checked; empty if it was not given.
std::string wished_name(const Arguments& arguments);

/// What the node says while it pairs, from either side: asks what the contact is to be called, or
/// which of several is meant, and says who it is now.
class PairingTalk {
 public:
  PairingTalk(Client& client, const Common& common) : client_(client), common_(common) {}
  void hear(const Json& message);
  /// The last word on it: a `paired`.
  ExitCode tell(const Json& result) const;
  /// When the command is interrupted: who is a contact by then, and how to name it otherwise; empty
  /// if nobody is.
  std::string so_far() const;

 private:
  void ask_name(const Json& question);
  void ask_which(const Json& question);
  void ask_number(const Json& question);
  void keep_suggestion(const Json& question);
  std::string renaming(const std::string& name) const;
  static std::string unsure_text(const std::string& name);

  Client& client_;
  const Common& common_;
  std::string paired_;      ///< the contact's name, once there is one
  bool unsure_ = false;     ///< the other side may not have heard the last word
  bool kept_name_ = false;  ///< nobody has said that it is to be called so
};

}  // namespace peer::cli
