#include "cli/arguments.hpp"

// Names may hold commas: a value is one value. Patterns are matched without std::regex, which
// recurses over long arguments and costs start-up time.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#define CXXOPTS_NO_REGEX
#include <charconv>
#include <cstring>
#include <cxxopts.hpp>

#include "base/rate_limit.hpp"
#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/output.hpp"
#include "protocol/path.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kHelpColumn = 26;
constexpr std::size_t kHelpWidth = 80;

const std::vector<Option>& common_options() {
  static const std::vector<Option> options = {
      {"json", nullptr, "print rows of JSON, one a line, on standard output"},
      {"yes", nullptr, "answer this command's questions with yes"},
      {"no-input", nullptr, "never ask: what needs an answer fails, or is left pending"},
      {"timeout", "T", "give up after T (30s, 10m, 2h), exit 9"},
      {"home", "DIR", "keep all state under DIR (default: PEER_HOME, else XDG)"},
      {"q,quiet", nullptr, "errors only"},
      {"v,verbose", nullptr, "say more"},
      {"h,help", nullptr, "print this"},
  };
  return options;
}

std::string long_name(const Option& option) {
  const std::string_view names = option.names;
  const auto comma = names.find(',');
  return std::string(comma == std::string_view::npos ? names : names.substr(comma + 1));
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

/// `text` broken into lines that start at `column`; the cursor stands there already.
std::string wrapped(std::string_view text, std::size_t column) {
  std::string out;
  std::size_t at = column;
  for (const std::string& word : words_of(text)) {
    const std::size_t width = base::columns(word);
    if (at > column && at + 1 + width > kHelpWidth) {
      out += "\n" + std::string(column, ' ');
      at = column;
    }
    if (at > column) out += ' ', ++at;
    out += word;
    at += width;
  }
  return out;
}

std::string option_help(const Option& option) {
  const std::string_view names = option.names;
  const auto comma = names.find(',');
  std::string left = "  ";
  if (comma != std::string_view::npos) left += "-" + std::string(names.substr(0, comma)) + ", ";
  left += "--" + long_name(option);
  if (option.value) left += " " + std::string(option.value);
  if (left.size() + 2 > kHelpColumn)
    return left + "\n" + std::string(kHelpColumn, ' ') + wrapped(option.help, kHelpColumn) + "\n";
  left.resize(kHelpColumn, ' ');
  return left + wrapped(option.help, kHelpColumn) + "\n";
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

std::string indented(std::string_view lines) {
  std::string out;
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size());
    out += "  " + std::string(lines.substr(0, end)) + "\n";
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return out;
}

/// What cxxopts says, with the option that was probably meant.
std::string parse_problem(const Spec& spec, const std::string& message) {
  std::string text = base::escaped(message);
  const auto from = message.find("‘"), to = message.find("’");
  if (message.find("does not exist") == std::string::npos || to == std::string::npos) return text;
  const std::size_t quote_bytes = std::strlen("‘");
  const std::string word = message.substr(from + quote_bytes, to - from - quote_bytes);
  std::vector<std::string> known;
  for (const auto* options : {&spec.options, &common_options()})
    for (const Option& option : *options) known.push_back(long_name(option));
  const auto nearest = base::nearest(word, known);
  text = "there is no option " + std::string(word.size() == 1 ? "-" : "--") + base::escaped(word);
  if (word.size() > 1 && !nearest.empty()) text += "; did you mean --" + std::string(nearest) + "?";
  return text;
}

}  // namespace

base::Home Common::home() const {
  auto home = base::Home::locate(base::absolute_path(home_given));
  if (!home) throw CommandError(ExitCode::failed, home.error().text());
  return *std::move(home);
}

std::string Common::command(const std::string& words) const {
  std::string line = "peer " + words;
  if (!home_given.empty()) line += " --home " + base::shell_quoted(base::absolute_path(home_given));
  return line;
}

std::string help_text(const Spec& spec) {
  std::string out = "usage: ";
  std::string_view usage = spec.usage;
  for (bool first = true; !usage.empty(); first = false) {
    const auto end = std::min(usage.find('\n'), usage.size());
    out += (first ? "peer " : "       peer ") + std::string(usage.substr(0, end)) + "\n";
    usage.remove_prefix(std::min(end + 1, usage.size()));
  }
  out += "\n" + wrapped(spec.text, 0) + "\n";
  if (!spec.options.empty()) out += "\noptions:\n";
  for (const Option& option : spec.options) out += option_help(option);
  out += "\noptions of every command:\n";
  for (const Option& option : common_options()) out += option_help(option);
  if (spec.examples) out += "\nexamples:\n" + indented(spec.examples);
  if (spec.exits) out += "\nexit codes:\n" + indented(spec.exits);
  return out;
}

void Arguments::fail(const std::string& text) const {
  throw CommandError(ExitCode::usage, name_ + ": " + text + " (see: peer help " + name_ + ")");
}

std::optional<Arguments> Arguments::parse(const Spec& spec, std::span<char*> args) {
  Arguments result;
  result.name_ = spec.name;
  for (const char* word : args) result.line_ += " " + base::shell_quoted(word);
  cxxopts::Options parser(spec.name);
  for (const auto* options : {&spec.options, &common_options()}) {
    for (const Option& option : *options) {
      if (option.value)
        parser.add_options()(option.names, "", cxxopts::value<std::vector<std::string>>());
      else
        parser.add_options()(option.names, "", cxxopts::value<bool>());
    }
  }
  try {
    const auto parsed = parser.parse(static_cast<int>(args.size()), args.data());
    for (const auto* options : {&spec.options, &common_options()}) {
      for (const Option& option : *options) {
        const std::string name = long_name(option);
        if (parsed.count(name) == 0) continue;
        if (option.value) {
          result.values_[name] = parsed[name].as<std::vector<std::string>>();
          if (!option.repeats && result.values_[name].size() > 1)
            result.fail("--" + name + " was given twice");
        } else if (parsed[name].as<bool>()) {
          result.values_[name] = {};
        }
      }
    }
    result.words_ = parsed.unmatched();
  } catch (const cxxopts::exceptions::exception& e) {
    result.fail(parse_problem(spec, e.what()));
  }

  if (result.flag("help")) {
    print(help_text(spec));
    return std::nullopt;
  }
  Common& common = result.common_;
  common.json = result.flag("json");
  common.yes = result.flag("yes");
  common.no_input = result.flag("no-input");
  common.quiet = result.flag("quiet");
  common.verbose = result.flag("verbose");
  common.home_given = result.bytes("home");
  set_output({common.json, common.quiet, common.verbose});
  if (result.given("home") && common.home_given.empty()) result.fail("--home needs a folder");
  if (result.given("timeout")) {
    common.timeout = base::parse_duration(result.text("timeout"));
    if (!common.timeout || common.timeout->count() <= 0)
      result.fail("--timeout takes a time like 30s, 10m or 2h");
    common.deadline = std::chrono::steady_clock::now() + *common.timeout;
  }
  if (result.words_.size() < spec.min_words)
    result.fail("something is missing: peer " + first_line(spec.usage));
  if (result.words_.size() > spec.max_words)
    result.fail("one word too many: " + base::quoted(result.words_[spec.max_words]));
  return result;
}

std::string Arguments::bytes(const std::string& name) const {
  const auto it = values_.find(name);
  return it == values_.end() || it->second.empty() ? std::string() : it->second.back();
}

std::vector<std::string> Arguments::list(const std::string& name) const {
  const auto it = values_.find(name);
  return it == values_.end() ? std::vector<std::string>() : it->second;
}

std::string Arguments::text(const std::string& name) const {
  std::string value = bytes(name);
  if (!protocol::is_utf8(value)) fail("--" + name + " is not valid UTF-8");
  return value;
}

std::optional<std::uint16_t> Arguments::port(const std::string& name) const {
  if (!given(name)) return std::nullopt;
  const std::string value = bytes(name);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), port);
  if (error != std::errc{} || end != value.data() + value.size() || value.empty())
    fail("--" + name + " takes a number from 0 to 65535 (0: any free port)");
  return port;
}

std::optional<std::uint64_t> Arguments::limit() const {
  if (!given("limit")) return std::nullopt;
  const auto rate = base::parse_rate(bytes("limit"));
  if (!rate)
    fail("--limit takes a speed such as 20M or 500k (bytes a second, at least 1k), or none; " +
         base::quoted(bytes("limit")) + " is no speed");
  return rate;
}

std::string Arguments::word(std::size_t i) const {
  if (i >= words_.size()) return {};
  if (!protocol::is_utf8(words_[i])) fail(base::quoted(words_[i]) + " is not valid UTF-8");
  return words_[i];
}

std::vector<Option> operator+(std::vector<Option> a, const std::vector<Option>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const std::vector<Option>& landing_options() {
  static const std::vector<Option> options = {
      {"to", "DIR", "the folder where the files land"},
      {"as", "NAME", "another name for what arrives (offers with one root)"},
      {"only", "GLOB", kOnlyHelp, true},
      {"except", "GLOB", "leave out what matches; may be repeated", true},
      {"on-clash", "RULE",
       "when a name is taken: rename (default), skip, update (where size or date differ) or "
       "overwrite"},
      {"durable", nullptr,
       "done only when all of it is on the disk, not only in the machine's memory"},
      limit_option(),
  };
  return options;
}

Option dry_run_option() { return {"n,dry-run", nullptr, "only say what would be done"}; }

Option limit_option() {
  return {
      "limit", "RATE",
      "go no faster: 20M, 500k (bytes a second) or none; given again for a running transfer, it "
      "holds from then on"};
}

Option no_wait_option() {
  return {"no-wait", nullptr, "print the number and return; needs a running peer start"};
}

}  // namespace peer::cli
