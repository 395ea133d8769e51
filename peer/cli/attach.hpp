#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/client.hpp"

namespace peer::cli {

struct Listen {
  std::vector<std::string> addresses;  ///< empty: all
  std::uint16_t port = 0;              ///< 0: any free one
};
/// From --port and --listen, else the settings.
Listen listen_from(const Arguments& arguments, const base::Home& home);

/// What `attach` tells the node about this command.
struct Attachment {
  std::string command;
  bool lasting = false;
  std::optional<Listen> listen;  ///< must be had
  std::string downloads;         ///< absolute, or empty
  std::string name;
  bool hidden = false;
  bool watch_signals = true;
};

struct Attached {
  std::unique_ptr<Client> client;
  Json node;  ///< the result of `attach`

  bool lasting() const;
};

/// Attaches to the node, started first if none answers.
Attached attach(const Common& common, const Attachment& attachment);
/// Attaches only if one answers.
std::optional<Attached> attach_if_running(const Common& common, const Attachment& attachment);
/// Attaches over `socket`.
Attached attach_over(Fd socket, const Common& common, const Attachment& attachment);

/// Attaches, sends one request and returns its result: all most commands need.
Json ask_node(const Common& common, const std::string& command, Json body);

}  // namespace peer::cli
