#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace peer::base {

enum class Level { error, warning, info, debug };

/// The log file is rotated when it would grow beyond this; one old one is kept ("NAME.1").
inline constexpr std::size_t kMaxLogBytes = std::size_t{1} << 20;
/// Shown characters of one line's text; the rest is cut.
inline constexpr std::size_t kMaxLogColumns = 2000;

/// The program's log: one line per call, "2026-11-22T14:05:01Z info net: text" (UTC), escaped here
/// again so that nothing can forge a line. Thread-safe, never throws, never fails: what cannot be
/// written is lost. Goes to a file in the state folder and, with -v, to stderr. Floods are counted,
/// not written (LogLimit): begin a text with what happens, put details behind ": ".
void log(Level level, std::string_view area, std::string_view text) noexcept;
/// Lines up to `least` go to this file, mode 0600, appended; an empty name closes it. A link is not
/// followed. Says on stderr if the file cannot be opened.
void log_to(const std::string& file, Level least = Level::info);
/// Lines up to `least` go to stderr too.
void log_to_stderr(Level least);

}  // namespace peer::base
