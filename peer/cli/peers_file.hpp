#pragma once

#include <string>

#include "cli/arguments.hpp"
#include "cli/exit_code.hpp"

namespace peer::cli {

/// `peer peers --export`: contacts into a new file; "-" or nothing is standard output.
ExitCode export_peers(const Common& common, const std::string& file);
/// `peer peers --import`: contacts from a file, all of it judged before any is kept.
ExitCode import_peers(const Common& common, const std::string& file, bool verified);

}  // namespace peer::cli
