#include "base/settings_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/text.hpp"
#include "base/unicode.hpp"

namespace peer::base {
namespace {

Error failed(const char* what, const std::string& file) {
  const int code = errno;
  return Error(std::error_code(code, std::generic_category()),
               std::string(what).append(" ").append(quoted(file)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// A dotfile manager's link stays a link: the file behind it is what is replaced.
std::string behind_links(const std::string& file) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(file.c_str(), nullptr),
                                                         &std::free);
  return real ? std::string(real.get()) : file;
}

// Where a new key goes: behind the last value of the top table, for what follows the first [table]
// belongs to that one.
std::size_t place_for_new_key(const std::string& text, const toml::table& table) {
  bool has_tables = false;
  std::size_t last_value = 0;
  for (const auto& [key, node] : table) {
    const bool is_header = node.is_table() && !node.as_table()->is_inline();
    const bool is_headers = node.is_array_of_tables();
    has_tables = has_tables || is_header || is_headers;
    if (!is_header && !is_headers)
      last_value = std::max(last_value, next_line(text, offset_of(text, node.source().end)));
  }
  return has_tables ? last_value : text.size();
}

std::string with_new_key(const std::string& text, const toml::table& table, const std::string& key,
                         const std::string& value) {
  const std::size_t at = place_for_new_key(text, table);
  std::string line;
  if (at > 0 && text[at - 1] != '\n') line += '\n';
  line.append(key).append(" = ").append(value).append("\n");
  return std::string(text).insert(at, line);
}

std::string with_value(const std::string& text, const toml::node& old, const std::string& value) {
  const std::size_t begin = offset_of(text, old.source().begin);
  const std::size_t end = offset_of(text, old.source().end);
  if (!value.empty()) return text.substr(0, begin) + value + text.substr(end);
  return text.substr(0, line_start(text, begin)) + text.substr(next_line(text, end));
}

// Whether `edited` is `before` with another value of `key`, `value` as TOML or none.
bool is_the_change(toml::table before, toml::table edited, const std::string& key,
                   const std::string& value) {
  const toml::node* now = edited.get(key);
  if (value.empty() != (now == nullptr)) return false;
  if (now != nullptr) {
    const auto wanted = parse_toml(key + " = " + value, {});
    toml::table found;
    found.insert(key, *now);
    if (!wanted || *wanted != found) return false;
  }
  before.erase(key);
  edited.erase(key);
  return before == edited;
}

}  // namespace

std::size_t offset_of(const std::string& text, toml::source_position place) {
  std::size_t at = 0;  // columns count characters, from 1, as lines do
  for (toml::source_index line = 1; line < place.line && at < text.size(); ++line)
    at = std::min(text.find('\n', at), text.size() - 1) + 1;
  for (toml::source_index column = 1; column < place.column && at < text.size(); ++column)
    at += character_at(text, at).bytes;
  return at;
}

std::size_t line_start(const std::string& text, std::size_t at) {
  const std::size_t newline = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
  return newline == std::string::npos ? 0 : newline + 1;
}

std::size_t next_line(const std::string& text, std::size_t at) {
  const std::size_t newline = text.find('\n', at);
  return newline == std::string::npos ? text.size() : newline + 1;
}

Result<std::string> read_settings_text(const std::string& file) {
  // O_NONBLOCK: a FIFO must not hold up the start.
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0 && errno == ENOENT) return std::string{};
  if (fd.get() < 0) return failed("open the settings", file);
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0) return failed("read the settings", file);
  if (!S_ISREG(found.st_mode)) return Error(SettingsErrc::not_a_file, quoted(file));
  std::string text;
  std::array<char, 16 * 1024> buffer{};
  while (text.size() <= kMaxSettingsBytes) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n == 0) return text;
    if (n < 0 && errno != EINTR) return failed("read the settings", file);
    if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return Error(SettingsErrc::too_large, quoted(file));
}

Result<void> write_settings_text(const std::string& file, const std::string& text) {
  const std::string target = behind_links(file);
  std::string temporary = target + ".XXXXXX";
  const Descriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (fd.get() < 0) return failed("write the settings beside", target);
  const bool written = write_all(fd.get(), text) && ::fsync(fd.get()) == 0;
  if (!written || ::rename(temporary.c_str(), target.c_str()) != 0) {
    Error error = failed("write the settings", target);
    ::unlink(temporary.c_str());
    return error;
  }
  const std::string folder = target.substr(0, target.rfind('/') + 1);
  const Descriptor above(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (above.get() >= 0) ::fsync(above.get());
  return {};
}

Result<toml::table> parse_toml(const std::string& text, const std::string& file) {
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    const std::string place = place_text(file, error.source().begin);
    return Error(SettingsErrc::not_toml, place + ": " + escaped(error.description()));
  }
}

Result<std::string> edit_toml(const std::string& text, const std::string& file,
                              const std::string& key, const std::string& value) {
  const auto before = parse_toml(text, file);
  if (!before) return before.error();
  const toml::node* old = before->get(key);
  if (old == nullptr && value.empty()) return text;
  std::string edited =
      old != nullptr ? with_value(text, *old, value) : with_new_key(text, *before, key, value);
  const auto after = parse_toml(edited, file);
  if (!after || !is_the_change(*before, *after, key, value))
    return Error(SettingsErrc::not_editable, "change " + quoted(key) + " in " + quoted(file));
  return edited;
}

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.append("\\").append(1, c);
    } else if (byte < 0x20 || byte == 0x7F) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04X", static_cast<unsigned>(byte));
      out += escape.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string place_text(const std::string& file, toml::source_position position) {
  return quoted(file)
      .append(" line ")
      .append(std::to_string(position.line))
      .append(", column ")
      .append(std::to_string(position.column));
}

}  // namespace peer::base
