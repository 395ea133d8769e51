#pragma once

#include <functional>
#include <string>

#include "cli/arguments.hpp"
#include "cli/client.hpp"

namespace peer::cli {

/// Whether somebody can be asked: no --no-input, standard input is a terminal and this process is
/// in its foreground.
bool can_ask(const Common& common);

/// Shows `prompt`, throws away what was typed before it appeared, and hands the next line to
/// `handler`, which then stands alone: it may ask again. Nothing at the end of the input.
void ask_line(Client& client, const std::string& prompt, Client::LineHandler handler);

/// Answers the node's question of kind `identity`: this command's --yes, or the person; or of kind
/// `nearby`: the person alone. With nobody
/// to ask a CommandError (identity) that says how to go on.
void ask_identity(Client& client, const Common& common, const Json& question);

/// Of a request that dials: answers its questions, and says who became a contact by it. Other
/// events pass.
void hear_of_peer(Client& client, const Common& common, const Json& message);

}  // namespace peer::cli
