#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/exit_code.hpp"

namespace peer::cli {

/// Sends a request that offers, accepts, gets or waits, and follows it to its last word: progress,
/// troubles, questions, facts. Returns the command's exit code. An interruption says what to run to
/// go on. `made` is called once the node has made an offer of it.
ExitCode follow(Attached& attached, const Common& common, Json body,
                std::function<void()> made = {});

/// The fields of `accept` from the options of landing_options(); `to` made absolute.
Json landing_fields(const Arguments& arguments);
/// Checks that --no-wait has a node to leave the transfer to: a usage error otherwise.
void require_lasting(const Arguments& arguments, const Attached& attached);

}  // namespace peer::cli
