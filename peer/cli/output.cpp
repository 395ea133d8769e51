#include "cli/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"
#include "base/unicode.hpp"
#include "cli/command_error.hpp"
#include "cli/json_fields.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kMinColumns = 20;
constexpr std::size_t kMinRows = 8;
constexpr char kClearLine[] = "\r\033[K";

struct State {
  OutputMode mode;
  std::string status;  // the progress line that stands on the last line, if any
  std::string prompt;  // what stands on the last line, empty if no question does
};
State& state() {
  static State instance;
  return instance;
}

void write_stderr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nobody is left to tell
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// A reader that has gone has had enough: that is no failure worth a word.
[[noreturn]] void output_failed(int error) {
  std::clearerr(stdout);
  if (error == EPIPE) throw CommandError(ExitCode::failed, "");
  throw CommandError(ExitCode::failed,
                     std::string("write to standard output: ") + std::strerror(error));
}

void write_stdout(std::string_view text, bool flush) {
  const bool ok = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
                  (!flush || std::fflush(stdout) == 0);
  if (!ok) output_failed(errno);
}

/// JSON in which what a terminal would obey or not show stands as escapes; it means the same.
std::string visible_json(const std::string& json) {
  std::string out;
  for (std::size_t at = 0; at < json.size();) {
    const auto c = base::character_at(json, at);
    if (!c.valid || c.value < 0x7F || !base::is_invisible(c.value)) {
      out.append(json, at, c.bytes);
    } else {
      std::array<char, 16> text{};
      const auto value = static_cast<unsigned>(c.value);
      if (value < 0x10000)
        std::snprintf(text.data(), text.size(), "\\u%04x", value);
      else
        std::snprintf(text.data(), text.size(), "\\u%04x\\u%04x",
                      0xD800 + ((value - 0x10000) >> 10), 0xDC00 + ((value - 0x10000) & 0x3FF));
      out += text.data();
    }
    at += c.bytes;
  }
  return out;
}

winsize terminal_size() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) return {};
  return size;
}

void write_line(std::string_view line) {
  std::string text;
  if (!state().status.empty() || !state().prompt.empty()) text = kClearLine;
  state().status.clear();
  text.append(line).append("\n").append(state().prompt);
  write_stderr(text);
}

}  // namespace

void set_output(OutputMode mode) { state().mode = mode; }
const OutputMode& output_mode() { return state().mode; }

void print(std::string_view line) {
  clear_status();
  write_stdout(std::string(line) + "\n", false);
}

void print_row(std::string_view type, const Json& fields) {
  clear_status();
  const std::string body =
      visible_json(public_json(fields).dump(-1, ' ', false, Json::error_handler_t::replace));
  std::string row = "{\"v\":1,\"type\":\"";
  row.append(type).append("\"");
  if (body.size() > 2) row.append(",").append(body, 1, body.size() - 2);
  row.append("}\n");
  if (!state().prompt.empty()) write_stderr(kClearLine);
  write_stdout(row, true);
  write_stderr(state().prompt);
}

void finish_output() {
  clear_status();
  if (std::fflush(stdout) != 0) output_failed(errno);
}

void say(std::string_view line) {
  if (!state().mode.quiet) write_line(line);
}

void say_verbose(std::string_view line) {
  if (state().mode.verbose) say(line);
}

void complain(std::string_view text) {
  if (!text.empty()) write_line("peer: " + escaped_lines(text));
}

void show_status(std::string_view line) {
  if (state().mode.quiet || !stderr_is_terminal() || !state().prompt.empty()) return;
  std::string shown = clipped(line, terminal_columns() - 1);
  if (shown == state().status) return;
  write_stderr(kClearLine + shown);
  state().status = std::move(shown);
}

void clear_status() {
  if (!state().status.empty()) write_stderr(kClearLine);
  state().status.clear();
}

void show_prompt(std::string_view line) {
  clear_status();
  state().prompt = line;
  write_stderr(line);
}

void end_prompt(bool answered) {
  if (state().prompt.empty()) return;
  state().prompt.clear();
  if (!answered) write_stderr("\n");
}

bool stderr_is_terminal() {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  return terminal;
}

std::size_t terminal_columns() {
  const auto columns = terminal_size().ws_col;
  return columns == 0 ? 80 : std::max<std::size_t>(columns, kMinColumns);
}

std::size_t terminal_rows() {
  const auto rows = terminal_size().ws_row;
  return rows == 0 ? 24 : std::max<std::size_t>(rows, kMinRows);
}

void report_error(std::string_view text, int exit) {
  clear_status();
  if (state().mode.json && !text.empty()) {
    Json row = Json::object();
    row["text"] = text;
    row["exit"] = exit;
    try {
      print_row("error", row);
    } catch (const CommandError&) {  // nobody reads rows any more
    }
  }
  complain(text);
}

std::string escaped_lines(std::string_view text) {
  std::string out;
  for (bool more = true; more;) {
    const auto end = text.find('\n');
    more = end != std::string_view::npos;
    out += base::escaped(text.substr(0, end)) + (more ? "\n" : "");
    if (more) text.remove_prefix(end + 1);
  }
  return out;
}

std::string clipped(std::string_view text, std::size_t columns) {
  return base::escaped(text, std::max<std::size_t>(columns, 1));
}

}  // namespace peer::cli
