#include "storage/selection.hpp"

#include <algorithm>
#include <cstddef>

namespace peer::storage {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

/// One character of UTF-8, or one byte that is none (numbered behind all characters).
struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
};

Character character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(at);
  if (lead < 0x80) return {lead, 1};
  const Character raw{0x110000 + lead, 1};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || at + length > text.size()) return raw;
  std::uint32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return raw;
    code = code << 6 | (byte(at + i) & 0x3F);
  }
  return {code, length};
}

/// The end of the set that begins with the `[` at `at`, behind its `]`; kNone if it has none. A `]`
/// that comes first is a member.
std::size_t set_end(std::string_view glob, std::size_t at) {
  std::size_t i = at + 1;
  if (i < glob.size() && (glob[i] == '!' || glob[i] == '^')) ++i;
  for (bool first = true; i < glob.size(); first = false) {
    if (glob[i] == ']' && !first) return i + 1;
    i += glob[i] == '\\' ? 2 : 1;
  }
  return kNone;
}

/// Whether the set `[at, end)` holds `code`.
bool set_holds(std::string_view glob, std::size_t at, std::size_t end, std::uint32_t code) {
  std::size_t i = at + 1;
  const bool opposite = glob[i] == '!' || glob[i] == '^';
  if (opposite) ++i;
  const auto member = [&] {
    if (glob[i] == '\\') ++i;
    const auto c = character_at(glob, i);
    i += c.bytes;
    return c.code;
  };
  bool found = false;
  while (i < end - 1) {
    const auto low = member();
    auto high = low;
    if (i + 1 < end - 1 && glob[i] == '-') {
      ++i;
      high = member();
    }
    found = found || (low <= code && code <= high);
  }
  return found != opposite;
}

/// Matches with at most one `*` and one `**` to go back to: the latest of each is enough.
class Matcher {
 public:
  Matcher(std::string_view glob, std::string_view text) : glob_(glob), text_(text) {}

  bool run() {
    while (true) {
      if (g_ < glob_.size() && glob_[g_] == '*') {
        take_star();
      } else if (t_ == text_.size()) {
        if (g_ == glob_.size()) return true;
        if (!go_back()) return false;
      } else if (g_ == glob_.size() || !take_one()) {
        if (!go_back()) return false;
      }
    }
  }

 private:
  struct Star {
    std::size_t glob = kNone;  ///< where the pattern goes on behind it
    std::size_t text = 0;      ///< up to where it has swallowed
  };

  void take_star() {
    if (g_ + 1 >= glob_.size() || glob_[g_ + 1] != '*') {
      star_ = {++g_, t_};
      return;
    }
    const bool begins_part = g_ == 0 || glob_[g_ - 1] == '/';
    while (g_ < glob_.size() && glob_[g_] == '*') ++g_;
    whole_parts_ = begins_part && g_ < glob_.size() && glob_[g_] == '/';
    if (whole_parts_) ++g_;  // `**/` matches nothing, or parts with their slashes
    stars_ = {g_, t_};
    star_ = {};
  }

  /// One character, set or escape of the pattern against one character of the text.
  bool take_one() {
    const auto c = character_at(text_, t_);
    if (glob_[g_] == '?') {
      if (c.code == '/') return false;
      ++g_;
    } else if (glob_[g_] == '[') {
      const auto end = set_end(glob_, g_);
      if (c.code == '/' || !set_holds(glob_, g_, end, c.code)) return false;
      g_ = end;
    } else {
      const std::size_t at = glob_[g_] == '\\' ? g_ + 1 : g_;
      const auto wanted = character_at(glob_, at);
      if (wanted.code != c.code) return false;
      g_ = at + wanted.bytes;
    }
    t_ += c.bytes;
    return true;
  }

  /// Lets the latest star swallow more.
  bool go_back() {
    if (star_.glob != kNone && star_.text < text_.size() && text_[star_.text] != '/') {
      star_.text += character_at(text_, star_.text).bytes;
      g_ = star_.glob;
      t_ = star_.text;
      return true;
    }
    if (stars_.glob == kNone || stars_.text >= text_.size()) return false;
    if (whole_parts_) {
      const auto slash = text_.find('/', stars_.text);
      if (slash == kNone) return false;
      stars_.text = slash + 1;
    } else {
      stars_.text += character_at(text_, stars_.text).bytes;
    }
    star_ = {};
    g_ = stars_.glob;
    t_ = stars_.text;
    return true;
  }

  std::string_view glob_;
  std::string_view text_;
  std::size_t g_ = 0;
  std::size_t t_ = 0;
  Star star_;
  Star stars_;
  bool whole_parts_ = false;
};

bool any_matches(const std::vector<std::string>& globs, std::string_view path) {
  if (globs.empty()) return false;
  for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
    const auto above = path.substr(0, end);
    const auto matches = [&](const std::string& glob) { return glob_matches(glob, above); };
    if (std::any_of(globs.begin(), globs.end(), matches)) return true;
    if (end == kNone) return false;
  }
}

}  // namespace

std::string glob_error(std::string_view glob) {
  if (glob.find_first_not_of('/') == kNone) return "an empty pattern matches nothing";
  for (std::size_t i = 0; i < glob.size();) {
    if (glob[i] == '\\') {
      if (i + 1 == glob.size()) return "a \\ at the end has nothing to act on";
      i += 2;
    } else if (glob[i] == '[') {
      i = set_end(glob, i);
      if (i == kNone) return "a [ lacks its ]";
    } else {
      ++i;
    }
  }
  return {};
}

bool glob_matches(std::string_view glob, std::string_view path) {
  if (!glob_error(glob).empty()) return false;
  const bool from_root = glob.front() == '/';
  if (from_root) glob.remove_prefix(1);
  while (glob.size() > 1 && glob.back() == '/') glob.remove_suffix(1);
  if (!from_root && glob.find('/') == kNone)
    path = path.substr(path.rfind('/') == kNone ? 0 : path.rfind('/') + 1);
  return Matcher(glob, path).run();
}

bool Selection::excludes(std::string_view path) const { return any_matches(except, path); }

bool Selection::chooses(std::string_view path) const {
  return (only.empty() || any_matches(only, path)) && !excludes(path);
}

}  // namespace peer::storage
