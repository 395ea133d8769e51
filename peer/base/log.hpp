#pragma once

#include <string>
#include <string_view>

namespace peer::base {

enum class Level { error, warning, info, debug };

/// The program's log: one line per call, "2026-11-22T14:05:01Z info net: text", escaped again here
/// so that nothing can forge a line. Thread-safe. Goes to a file in the state folder (rotated at 1
/// MiB, one old file kept) and, with -v, to stderr. Repeats of the same `area` and `what` beyond 10
/// a minute are counted, not written.
void log(Level level, std::string_view area, std::string_view text);
void log_to(const std::string& file);
void log_to_stderr(Level least);

}  // namespace peer::base
