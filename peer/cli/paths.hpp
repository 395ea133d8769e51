#pragma once

#include <string>
#include <vector>

#include "base/home.hpp"
#include "cli/arguments.hpp"

namespace peer::cli {

/// Absolute, without following links: `.` parts and slashes at the end dropped. Only a path that
/// ends in `..` is resolved, so that it has a name.
std::string absolute_path(const std::string& path);
/// absolute_path() of something that must be there; CommandError (unknown) if it is not.
std::string existing_path(const std::string& path);
std::string last_part(const std::string& path);

/// A usage error unless `name` can name a root.
void check_root_name(const Arguments& arguments, const std::string& name);
/// A usage error for a pattern of --only or --except that cannot be read.
void check_globs(const Arguments& arguments);

/// Writes standard input into a new file of the spool, mode 0600; its path. Nothing is left when
/// this is cut short.
std::string spool_stdin(const base::Home& home);

}  // namespace peer::cli
