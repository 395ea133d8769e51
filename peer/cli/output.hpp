#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace peer::cli {

using Json = nlohmann::json;

/// How this process talks, from --json, -q and -v. One thread talks at a time.
struct OutputMode {
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};
void set_output(OutputMode mode);
const OutputMode& output_mode();

/// A line of results on stdout. A failure to write is a CommandError, one without a text when the
/// reader has gone.
void print(std::string_view line);
/// A row of NDJSON on stdout, flushed: {"v":1,"type":TYPE, and the fields of `fields`}. Bytes
/// values ({"base64":...}) under a key appear under that key with `64` appended, as a string.
void print_row(std::string_view type, const Json& fields);
/// Flushes stdout; call before a successful exit.
void finish_output();

/// A line of talk on stderr; nothing with -q.
void say(std::string_view line);
/// A line of talk with -v only.
void say_verbose(std::string_view line);
/// A message on stderr in any mode, behind "peer: ", each of its lines escaped; nothing if empty.
void complain(std::string_view text);

/// The progress line on stderr, rewritten in place; nothing unless stderr is a terminal, nor with
/// -q, nor while a prompt stands. Cut to the terminal's width.
void show_status(std::string_view line);
void clear_status();

/// A question's last line on stderr, without a newline; lines said while it stands appear above it.
void show_prompt(std::string_view line);
/// After Enter was read (`answered`: the cursor is on a new line already) or the question fell.
void end_prompt(bool answered);

bool stderr_is_terminal();
std::size_t terminal_columns();  ///< of stderr; 80 if unknown; at least 20
std::size_t terminal_rows();     ///< of stderr; 24 if unknown; at least 8

/// Why a command ends with `exit`: complained about, and with --json a row of type `error` too.
void report_error(std::string_view text, int exit);
/// Each line of `text` safe to show; line breaks stay.
std::string escaped_lines(std::string_view text);
/// `text` at most `columns` wide, cut with an ellipsis, and safe to show.
std::string clipped(std::string_view text, std::size_t columns);

}  // namespace peer::cli
