#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/home.hpp"

namespace peer::cli {

struct Option {
  const char* names;            ///< "n,dry-run" or "to"; the last one is how the code asks for it
  const char* value = nullptr;  ///< what the help calls its value; null for a flag
  const char* help = "";
  bool repeats = false;  ///< may be given several times
};

/// All a command's --help says, and what its command line may hold.
struct Spec {
  const char* name;
  const char* usage;  ///< one line or more, each without "peer "
  const char* text;   ///< one paragraph
  std::vector<Option> options;
  const char* examples = nullptr;  ///< lines, without indentation
  const char* exits = nullptr;     ///< the exit codes that matter here
  std::size_t min_words = 0;
  std::size_t max_words = SIZE_MAX;
};

/// The options every command has.
struct Common {
  bool json = false;
  bool yes = false;
  bool no_input = false;
  bool quiet = false;
  bool verbose = false;
  std::string home_given;  ///< --home as given, or empty
  std::optional<std::chrono::seconds> timeout;
  /// When --timeout ends, counted from parsing.
  std::optional<std::chrono::steady_clock::time_point> deadline;

  base::Home home() const;  ///< located; CommandError if it cannot be
  /// "peer accept 3", with the --home of this command line if there was one: to be typed as it is.
  std::string command(const std::string& words) const;
};

class Arguments {
 public:
  /// `args[0]` is the command's name. Empty if --help was asked for and has been printed. Sets the
  /// output mode. A CommandError (usage) for anything that does not fit `spec`.
  static std::optional<Arguments> parse(const Spec& spec, std::span<char*> args);

  const Common& common() const { return common_; }
  bool flag(const std::string& name) const { return values_.contains(name); }
  bool given(const std::string& name) const { return values_.contains(name); }
  /// Any bytes, as they came; empty if not given.
  std::string bytes(const std::string& name) const;
  std::vector<std::string> list(const std::string& name) const;
  /// Like bytes(), but UTF-8 (else a usage error).
  std::string text(const std::string& name) const;
  std::optional<std::uint16_t> port(const std::string& name) const;
  /// --limit in bytes a second, 0 for "none".
  std::optional<std::uint64_t> limit() const;
  /// The words that are no options, any bytes.
  const std::vector<std::string>& words() const { return words_; }
  /// Word `i`, UTF-8; "" if there are fewer.
  std::string word(std::size_t i) const;

  /// This command line, to be typed again as it is.
  std::string again() const { return "peer" + line_; }

  [[noreturn]] void fail(const std::string& text) const;  ///< a usage error of this command

 private:
  std::string name_;
  std::string line_;
  Common common_;
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> words_;
};

std::string help_text(const Spec& spec);

/// What a glob is held against.
inline constexpr char kOnlyHelp[] =
    "only what matches; may be repeated. A pattern without '/' is held against names at any depth "
    "(*.jpg), one with '/' against the path from the top as 'peer offers N' lists it "
    "(photos/raw/*, **/src/*); a folder means all that is in it";
/// Options several commands share.
std::vector<Option> operator+(std::vector<Option> a, const std::vector<Option>& b);
const std::vector<Option>& landing_options();  ///< of accept, receive and get
Option dry_run_option();
Option no_wait_option();
Option limit_option();

}  // namespace peer::cli
