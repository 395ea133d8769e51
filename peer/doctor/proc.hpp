#pragma once

#include <optional>
#include <string>
#include <vector>

namespace peer::doctor {

/// The whole of a small file of the system; empty if it cannot be read.
std::string read_file(const std::string& path);
/// A running process.
struct Process {
  int pid = 0;
  std::string program;  ///< its name as `ps` shows it, hostile text
};
std::vector<Process> processes();
/// What a command prints; nothing if it cannot be run, fails, or takes more than two seconds. It
/// gets no input, and what it complains about goes nowhere.
std::optional<std::string> output_of(const std::vector<std::string>& command);

}  // namespace peer::doctor
