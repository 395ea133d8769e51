#include "cli/review_text.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kShownNames = 3;   ///< of hidden, executable, clashing ones
constexpr std::size_t kSizeColumns = 8;  ///< "999.9 MB"
constexpr std::size_t kMaxNoteLines = 3;
constexpr std::size_t kClaimColumns = 19;  ///< of "who calls itself ‘’"

/// Paths as strings (bytes values), or ENTRYs.
std::string path_in(const Json& item) {
  return item.contains("path") ? bytes_of(item, "path") : bytes_from(item);
}

std::string names_text(const Json& list, std::uint64_t count) {
  std::string text;
  std::size_t shown = 0;
  for (const Json& item : list) {
    if (shown == kShownNames) break;
    text += (shown++ ? ", " : "") + base::escaped(path_in(item));
  }
  if (count > shown && shown > 0) text += ", …";
  return text;
}

void add_counted(std::vector<std::string>& lines, const Json& review, const char* count_key,
                 const char* list_key, const std::string& what) {
  const auto count = number_of(review, count_key);
  if (count == 0) return;
  const std::string names = names_text(array_of(review, list_key), count);
  lines.push_back(what + ": " + base::count_text(count) +
                  (names.empty() ? "" : " (" + names + ")"));
}

void add_largest(std::vector<std::string>& lines, const Json& review) {
  const Json& largest = array_of(review, "largest");
  if (largest.size() < 2) return;  // one file is its own title
  lines.emplace_back("largest:");
  for (const Json& entry : largest) {
    std::string size = base::size_text(number_of(entry, "size"));
    if (size.size() < kSizeColumns) size.insert(0, kSizeColumns - size.size(), ' ');
    lines.push_back("  " + size + "  " + base::escaped(bytes_of(entry, "path")));
  }
}

/// What becomes of files that are there already, under the rule for clashes.
std::vector<std::string> there_lines(const Json& review, const std::string& rest_word) {
  const auto files = number_of(object_of(review, "all"), "files");
  const auto same = number_of(review, "already_there");
  const auto different = number_of(review, "there_but_different");
  const std::string rule = text_of(review, "on_clash");
  const auto of_all = [files](std::uint64_t n) {
    return base::count_text(n) + " of " + base::count_of(files, "file") +
           (files == 1 ? " is" : " are");
  };
  std::vector<std::string> lines;
  if (rule == "overwrite") {
    if (same + different > 0)
      lines.push_back(of_all(same + different) + " there already and " +
                      (files == 1 ? "is" : "are") + " replaced; " + rest_word +
                      " leaves what is there");
    return lines;
  }
  const bool fixed = rule == "update" || rule == "skip";  // what is the same is left out anyway
  if (same > 0)
    lines.push_back(of_all(same) + " already there with the same size and date" +
                    (fixed ? ": not taken again" : ": " + rest_word + " takes only the rest"));
  if (different == 0) return lines;
  const std::string there =
      base::count_of(different, "file is", "files are") + " there but different";
  if (rule == "update")
    lines.push_back(there + " and " + (different == 1 ? "is" : "are") + " replaced; " + rest_word +
                    " leaves what is there");
  else if (rule == "skip")
    lines.push_back(there + (different == 1 ? ": it stays as it is" : ": they stay as they are"));
  else
    lines.push_back(there + ": " + rest_word + " leaves them as they are");
  return lines;
}

/// Lines that a decision should not miss.
std::vector<std::string> warning_lines(const Json& review, const std::string& rest_word) {
  std::vector<std::string> lines;
  add_counted(lines, review, "hidden_count", "hidden", "hidden");
  add_counted(lines, review, "executable_count", "executable", "executable");
  add_counted(lines, review, "refused_count", "refused", "cannot be stored here");
  add_counted(lines, review, "clashing_root_count", "clashing_roots", "there already");
  for (std::string& line : there_lines(review, rest_word)) lines.push_back(std::move(line));
  return lines;
}

std::vector<std::string> total_lines(const Json& review) {
  const Json& chosen = object_of(review, "chosen");
  const Json& all = object_of(review, "all");
  std::vector<std::string> lines;
  std::string totals = totals_text(chosen);
  if (number_of(chosen, "files") != number_of(all, "files")) totals += " of " + totals_text(all);
  lines.push_back(totals);
  std::string place = "into " + base::quoted(bytes_of(review, "to"));
  if (flag_of(review, "folder_exists") && !flag_of(review, "folder_writable"))
    place += ", which cannot be written";
  lines.push_back(place);
  if (!review.contains("free_bytes")) return lines;
  const auto needed = number_of(review, "needed_bytes"), free = number_of(review, "free_bytes");
  lines.push_back(needed > free ? "only " + base::size_text(free) + " free there, " +
                                      base::size_text(needed) + " needed"
                                : base::size_text(free) + " free there");
  return lines;
}

void clip_all(std::vector<std::string>& lines, std::size_t columns) {
  for (std::string& line : lines) line = clipped(line, columns);
}

/// A long sentence over several lines, broken at spaces.
std::vector<std::string> wrapped(const std::string& text, std::size_t columns) {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    at = end + 1;
    if (!line.empty() && base::columns(line) + 1 + base::columns(word) > columns) {
      lines.push_back(line);
      line = "  " + word;
    } else {
      line += (line.empty() ? "" : " ") + word;
    }
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

std::vector<std::string> who_lines(const Json& offer, std::size_t columns) {
  const Json& peer = object_of(offer, "peer");
  const std::string number = std::to_string(number_of(offer, "number"));
  std::vector<std::string> lines;
  if (text_of(peer, "name").empty()) {
    lines.push_back("offer " + number + " from a stranger, " + peer_name(peer));
    if (const std::string claimed = text_of(peer, "calls_itself"); !claimed.empty())
      lines.push_back("who calls itself ‘" + base::escaped(claimed, columns - kClaimColumns) + "’");
  } else {
    lines.push_back("offer " + number + " from " + peer_name(peer) +
                    (flag_of(peer, "verified") ? " (contact)" : " (contact, not verified)"));
  }
  if (const std::string title = text_of(offer, "title"); !title.empty())
    lines.push_back("title: " + base::escaped(title));
  if (const std::string note = text_of(offer, "note"); !note.empty()) {
    auto note_lines = wrapped("note: " + base::escaped(note), columns);
    if (note_lines.size() > kMaxNoteLines) {
      note_lines.resize(kMaxNoteLines);
      note_lines.back() += " …";
    }
    lines.insert(lines.end(), note_lines.begin(), note_lines.end());
  }
  return lines;
}

}  // namespace

bool has_rest(const Json& review) {
  return number_of(review, "already_there") + number_of(review, "there_but_different") > 0;
}

std::vector<std::string> review_lines(const Json& review, std::size_t columns,
                                      const std::string& rest_word) {
  std::vector<std::string> lines;
  add_largest(lines, review);
  for (const std::string& warning : warning_lines(review, rest_word)) {
    const auto pieces = wrapped(warning, columns);
    lines.insert(lines.end(), pieces.begin(), pieces.end());
  }
  for (const std::string& total : total_lines(review)) lines.push_back(total);
  clip_all(lines, columns);
  return lines;
}

std::vector<std::string> question_lines(const Json& offer, const Json& review, std::size_t columns,
                                        std::size_t rows) {
  std::vector<std::string> head = who_lines(offer, columns);
  std::vector<std::string> rest = review_lines(review, columns, "u");
  clip_all(head, columns);
  const std::size_t totals = total_lines(review).size();
  // Too many for the screen: the largest files and the warnings give way first, then title and
  // note; who it is from and the totals stay.
  const std::size_t room = std::max(rows, totals + 2);
  if (head.size() + rest.size() > room) {
    const std::size_t details = rest.size() - totals;
    const std::size_t over = head.size() + rest.size() + 1 - room;
    const std::size_t dropped = std::min(details, over);
    const auto end = rest.end() - static_cast<std::ptrdiff_t>(totals);
    rest.erase(end - static_cast<std::ptrdiff_t>(dropped), end);
    if (head.size() + rest.size() + 1 > room) head.resize(room - totals - 1);
    rest.insert(rest.end() - static_cast<std::ptrdiff_t>(totals),
                clipped("… d shows all", columns));
  }
  head.insert(head.end(), rest.begin(), rest.end());
  return head;
}

}  // namespace peer::cli
