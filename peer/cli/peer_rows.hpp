#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/attach.hpp"

namespace peer::cli {

/// Everybody who is known or nearby, as the node's pages (node/LOCAL.md, `peers`) tell it: contacts
/// by name, then strangers.
std::vector<Json> fetch_peers(Client& client);
void sort_peers(std::vector<Json>& peers);

/// One line: name, short ID, level, since when it can be reached or not, where, note.
std::string peer_line(const Json& peer);
/// All about one peer.
std::vector<std::string> peer_details(const Json& peer);

/// With a name that another contact's can be taken for: says so. `alike` is a list of PEER.
void warn_of_look_alikes(const std::string& name, const Json& alike);

}  // namespace peer::cli
