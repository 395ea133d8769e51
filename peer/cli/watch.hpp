#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "cli/arguments.hpp"
#include "cli/client.hpp"
#include "cli/console.hpp"
#include "cli/exit_code.hpp"
#include "cli/transfer_view.hpp"

namespace peer::cli {

struct WatchOptions {
  std::string from;       ///< "anyone", "contacts", a PEER; empty: whoever may knock, as by default
  bool outgoing = false;  ///< follow outgoing offers too
  bool accept_contacts = false;   ///< without asking
  bool accept_strangers = false;  ///< without asking
  bool adopt = false;             ///< what was accepted before and goes on counts as accepted here
  bool awaits_more = false;       ///< says that it waits for the next offer
  std::optional<std::uint64_t> count;  ///< of transfers to accept
  Json landing = Json::object();       ///< fields of every `accept`
};

/// Watches incoming offers: asks about them, or accepts them, and follows what was accepted. The
/// common part of `start` and `receive`.
class Watch {
 public:
  Watch(Client& client, const Common& common, WatchOptions options);

  /// Runs until `count` transfers, and all that were accepted, have ended; without it only an
  /// exception ends it.
  void run();
  /// Says, where that is wanted, that offers are waited for.
  void tell_waiting() const;
  /// Of what ended: done, the one code of what failed, or partly if more than one ended.
  ExitCode exit_code() const;
  /// How many transfers this command has accepted.
  std::uint64_t taken() const { return ended_ + accepted_.size(); }
  /// Accepted by this command and not ended yet.
  const std::set<std::uint64_t>& open() const { return accepted_; }

 private:
  void event(const Json& message);
  void arrived(const Json& offer, const Json& review);
  void consider(const Json& offer, const Json& review);
  void ask(const Json& offer, const Json& review);
  void accept(std::uint64_t number, bool asked, Json fields);
  void accept_failed(std::uint64_t number, bool asked, const Json& message);
  void transfer_ended(ExitCode code);
  bool adopts(const Json& offer) const;
  void tell_rule(const Json& offer);
  void progressed(const Json& offer);
  bool has_room() const;

  Client& client_;
  const Common& common_;
  WatchOptions options_;
  TransferView view_;
  std::unique_ptr<Console> console_;                        ///< if somebody can be asked
  std::set<std::uint64_t> accepted_;                        ///< by this command, and not ended
  std::map<std::uint64_t, std::pair<Json, Json>> waiting_;  ///< beyond `count`
  std::set<std::uint64_t> by_rule_;                         ///< offers whose rule was told
  std::uint64_t ended_ = 0;
  std::uint64_t failed_ = 0;
  ExitCode worst_ = ExitCode::done;
  std::optional<Json> failure_;  ///< the watch itself failed
};

}  // namespace peer::cli
