#include "cli/describe.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "base/text.hpp"
#include "cli/json_fields.hpp"
#include "cli/progress.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kShownNames = 10;  ///< of a list of exceptions

void add_named(std::vector<std::string>& lines, const Json& list, std::uint64_t count,
               const std::string& what) {
  if (count == 0) return;
  lines.push_back(what + ": " + base::count_text(count));
  std::size_t shown = 0;
  for (const Json& item : list) {
    if (shown == kShownNames) break;
    lines.push_back("  " + base::quoted(bytes_of(item, "path")) + ": " +
                    base::escaped(text_of(item, "why")));
    ++shown;
  }
  if (count > shown) lines.push_back("  and " + base::count_text(count - shown) + " more");
}

std::string mode_text(std::uint64_t mode, const std::string& kind) {
  std::string text = kind == "folder" ? "d" : kind == "link" ? "l" : "-";
  constexpr std::string_view kLetters = "rwxrwxrwx";
  for (std::size_t i = 0; i < kLetters.size(); ++i)
    text += (mode >> (kLetters.size() - 1 - i)) & 1 ? kLetters[i] : '-';
  return text;
}

std::int64_t signed_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_integer() ? it->get<std::int64_t>() : 0;
}

/// "12 MB of 100 MB done (12 %)".
std::string done_text(const Json& offer) {
  const auto done = number_of(offer, "bytes_done"), all = total_bytes(offer);
  std::string text = base::size_text(done);
  if (all > 0 && done <= all)
    return text + " of " + base::size_text(all) + " done (" +
           std::to_string(
               static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(all))) +
           " %)";
  return text + " done";
}

/// ", expires in 29 d" of what nobody has answered yet.
std::string left_text(const Json& offer) {
  const auto end = static_cast<std::time_t>(number_of(offer, "expires"));
  const auto left = std::chrono::seconds(end - std::time(nullptr));
  if (text_of(offer, "state") != "pending" || left.count() <= 0) return {};
  return ", expires in " + base::duration_text(left);
}

}  // namespace

std::string peer_name(const Json& peer) {
  const std::string name = text_of(peer, "name");
  return base::escaped(name.empty() ? text_of(peer, "short") : name);
}

std::string peer_text(const Json& peer) {
  if (!text_of(peer, "name").empty()) return peer_name(peer);
  constexpr std::size_t kClaimedColumns = 40;
  std::string text = "stranger " + peer_name(peer);
  const std::string claimed = text_of(peer, "calls_itself");
  if (!claimed.empty()) text += " (calls itself ‘" + base::escaped(claimed, kClaimedColumns) + "’)";
  return text;
}

std::string totals_text(const Json& totals) {
  const auto files = number_of(totals, "files"), folders = number_of(totals, "folders");
  const auto links = number_of(totals, "links");
  std::string text;
  if (files > 0 || (folders == 0 && links == 0)) text = base::count_of(files, "file");
  if (folders > 0) text += (text.empty() ? "" : ", ") + base::count_of(folders, "folder");
  if (links > 0) text += (text.empty() ? "" : ", ") + base::count_of(links, "link");
  return text + ", " + base::size_text(number_of(totals, "bytes"));
}

std::string offer_text(const Json& offer) {
  constexpr std::size_t kTitleColumns = 60;
  std::string text = "offer " + std::to_string(number_of(offer, "number")) +
                     (text_of(offer, "direction") == "in" ? " from " : " to ") +
                     peer_text(object_of(offer, "peer"));
  const std::string title = text_of(offer, "title");
  if (!title.empty()) text += " ‘" + base::escaped(title, kTitleColumns) + "’";
  return text;
}

std::string state_text(const Json& offer) {
  const std::string state = text_of(offer, "state");
  const std::string trouble = trouble_text(offer);
  const std::string away = away_text(offer);
  if ((state == "active" || state == "pending") && !trouble.empty()) return trouble;
  if (state == "active" && !away.empty()) return away;
  std::string text = state == "partial" ? "part of it taken" : base::escaped(state);
  if (flag_of(offer, "paused") && !is_ended(offer)) text += ", paused";
  return text + (away.empty() ? "" : ", " + away);
}

std::string because_text(const Json& offer) {
  const std::string text = text_of(offer, "text");
  if (text.empty()) return {};
  // What the node notes when the other side gave no word of its own.
  if (text != "by the other side") return ": " + base::escaped(text);
  return text_of(offer, "state") == "expired" ? "" : " by " + peer_name(object_of(offer, "peer"));
}

std::string decided_text(const Json& offer) {
  const Json& decided = object_of(offer, "decided_by");
  const std::string rule = base::escaped(text_of(decided, "rule"));
  const std::string why = base::escaped(text_of(decided, "why"));
  const std::string did = text_of(decided, "do");
  if (did == "accept") return "taken by " + rule;
  if (did == "reject") return "rejected by " + rule;
  if (did != "ask") return {};
  return why.empty() ? "asked about by " + rule : "not taken by " + rule + ": " + why;
}

std::string away_text(const Json& offer) {
  if (!flag_of(offer, "away")) return {};
  const std::string who = peer_name(object_of(offer, "peer"));
  const bool moves = text_of(offer, "state") == "active" || text_of(offer, "state") == "preparing";
  if (moves) return who + " is away; goes on when " + who + " is back";
  return who + (text_of(offer, "direction") == "out" ? " is not reachable" : " is away");
}

std::string unreached_text(const Json& offer) {
  std::string text = base::escaped(text_of(offer, "unreached"));
  if (text.empty() || !offer.contains("next_try")) return text;
  const std::chrono::seconds left(std::max<std::uint64_t>(number_of(offer, "next_try"), 1));
  return text + " (next try in " + base::duration_text(left) + ")";
}

std::string trouble_text(const Json& offer) {
  const Json& trouble = object_of(offer, "trouble");
  if (trouble.empty()) return {};
  const bool ours = flag_of(trouble, "ours");
  const std::string who = peer_name(object_of(offer, "peer"));
  const std::string code = text_of(trouble, "code");
  const std::string text = base::escaped(text_of(trouble, "text"));
  if (code == "no_space") {
    const auto missing = number_of(trouble, "missing");
    const std::string folder = bytes_of(trouble, "folder");
    std::string disk = ours ? "the disk here" : who + "'s disk";
    if (!folder.empty()) disk = "the disk of " + base::quoted(folder);
    if (flag_of(trouble, "records")) disk += " (where this program keeps its records)";
    return disk + " is full: paused" +
           (missing > 0 ? ", " + base::size_text(missing) + " missing" : "");
  }
  if (code == "disk" && text_of(offer, "state") == "pending")
    return (ours ? "the disk here" : who + "'s disk") + " fails" +
           (text.empty() ? "" : ": " + text);
  if (code == "disk")
    return std::string("paused") + (ours ? "" : " by " + who + "'s side") + ": " +
           (text.empty() ? "the disk fails" : text);
  if (code == "paused")
    return ours ? "paused" : who + " paused" + (text.empty() ? "" : ": " + text);
  if (code == "timed_out") return who + (ours ? " " + text + ": given up" : " waits: " + text);
  return text.empty() ? base::escaped(code) : text;
}

std::string remedy_text(const Json& offer, const Common& common) {
  const Json& trouble = object_of(offer, "trouble");
  const std::string code = text_of(trouble, "code");
  if (!flag_of(trouble, "ours") || (code != "no_space" && code != "disk")) return {};
  const std::string when = code == "no_space" ? "when there is room" : "when that is mended";
  return when + " it goes on by itself within a minute, or at once by " +
         common.command("accept " + std::to_string(number_of(offer, "number")));
}

std::string elapsed_text(std::chrono::duration<double> elapsed) {
  if (elapsed.count() >= 10)
    return base::duration_text(std::chrono::duration_cast<std::chrono::seconds>(elapsed));
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), elapsed.count() < 0.1 ? "%.3f s" : "%.1f s",
                std::max(elapsed.count(), 0.001));
  return text.data();
}

std::string ago_text(std::uint64_t unix_seconds) {
  const auto now = static_cast<std::uint64_t>(std::max<std::time_t>(std::time(nullptr), 0));
  if (unix_seconds + 60 > now) return "just now";
  return base::duration_text(std::chrono::seconds((now - unix_seconds) / 60 * 60)) + " ago";
}

std::string joined(const std::string& folder, const std::string& path) {
  if (path.starts_with('/') || folder.empty()) return path;
  return folder + (folder.ends_with('/') ? "" : "/") + path;
}

std::vector<std::string> scan_lines(const Json& scan) {
  std::vector<std::string> lines = {totals_text(scan)};
  add_named(lines, array_of(scan, "left_out"), number_of(scan, "left_out_count"), "left out");
  add_named(lines, array_of(scan, "unreadable"), number_of(scan, "unreadable_count"),
            "cannot be read, and is not offered");
  if (const auto copies = number_of(scan, "hard_link_copies"); copies > 0)
    lines.push_back("hard links become copies: " + base::count_of(copies, "file") + ", " +
                    base::size_text(number_of(scan, "hard_link_bytes")) + " more");
  if (flag_of(scan, "other_owners"))
    lines.push_back("owners are not carried: everything will belong to whoever takes it");
  if (flag_of(scan, "acls_or_xattrs"))
    lines.push_back("access control lists and extended attributes are not carried");
  return lines;
}

std::vector<std::string> offer_lines(const Json& offer, const Common& common) {
  const bool incoming = text_of(offer, "direction") == "in";
  const std::string number = std::to_string(number_of(offer, "number"));
  std::vector<std::string> lines = {offer_text(offer) + ": " + totals_text(offer) + ", " +
                                    state_text(offer) + ", " + ago_text(number_of(offer, "made")) +
                                    left_text(offer)};
  const std::string note = text_of(offer, "note");
  if (!note.empty()) lines.push_back("  note: " + base::escaped(note));
  if (const std::string decided = decided_text(offer); !decided.empty())
    lines.push_back("  " + decided);
  const std::string state = text_of(offer, "state");
  const auto moved = number_of(offer, "bytes_done");
  const auto limit = number_of(offer, "limit");
  const bool paused = flag_of(offer, "paused");
  const std::string go_on = (paused ? common.command("resume " + number) + "     " : "");
  if (const std::string why = unreached_text(offer); !why.empty()) lines.push_back("  " + why);
  if (state == "active") {
    if (const std::string remedy = remedy_text(offer, common); !remedy.empty())
      lines.push_back("  " + remedy);
    lines.push_back(
        "  " + (moved > 0 ? done_text(offer) + "     " : "") +
        (limit > 0 ? "at most " + base::rate_text(static_cast<double>(limit)) + "     " : "") +
        go_on + common.command("wait " + number) + "     " + common.command("cancel " + number));
  } else if (incoming && (state == "pending" || state == "partial")) {
    lines.push_back("  " + common.command("accept " + number) + "     " +
                    common.command("reject " + number));
  } else if (!is_ended(offer) || state == "partial") {
    lines.push_back("  " + go_on + common.command("cancel " + number));
  }
  return lines;
}

std::string entry_text(const Json& entry) {
  const std::string kind = text_of(entry, "kind");
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  std::string size = kind == "file" ? base::size_text(number_of(entry, "size")) : "";
  constexpr std::size_t kSizeColumns = 10;
  if (size.size() < kSizeColumns) size.insert(0, kSizeColumns - size.size(), ' ');
  std::string line = entry.contains("mode") ? mode_text(number_of(entry, "mode"), kind) + " " : "";
  line += size + "  " + base::time_text(signed_of(entry, "mtime_ns") / kNanoseconds) + "  ";
  line += base::escaped(bytes_of(entry, entry.contains("path") ? "path" : "name"));
  if (kind == "folder") line += "/";
  if (kind == "link" && entry.contains("target"))
    line += " -> " + base::escaped(bytes_of(entry, "target"));
  return line;
}

std::vector<std::string> node_lines(const Json& node) {
  const std::string name = base::escaped(text_of(node, "name"));
  std::string line = name + " (ID " + text_of(node, "id") + ")";
  std::string addresses;
  for (const Json& address : array_of(node, "reachable"))
    if (address.is_string())
      addresses += (addresses.empty() ? " at " : ", ") + base::escaped(bytes_from(address));
  line += addresses.empty() ? ", not listening" : addresses;
  std::vector<std::string> lines = {line + "; files land in " +
                                    base::quoted(bytes_of(node, "downloads"))};
  if (node.contains("announced"))
    lines.push_back("the local network hears of ‘" + base::escaped(text_of(node, "announced")) +
                    "’, its ID and its port (peer config discovery off ends that)");
  if (const auto limit = number_of(node, "limit"); limit > 0)
    lines.push_back("all transfers together go at " + base::rate_text(static_cast<double>(limit)) +
                    " at most, each way (peer config limit none lifts that)");
  if (flag_of(node, "root"))
    lines.emplace_back("warning: running as root: whatever is accepted is written as root");
  for (const Json& warning : array_of(node, "warnings"))
    if (warning.is_string())
      lines.push_back("warning: " + base::escaped(warning.get<std::string>()));
  return lines;
}

bool is_ended(const Json& offer) {
  constexpr std::array<std::string_view, 6> kEnds = {"done",      "partial", "rejected",
                                                     "cancelled", "expired", "failed"};
  return std::find(kEnds.begin(), kEnds.end(), text_of(offer, "state")) != kEnds.end();
}

ExitCode exit_code_of(const Json& offer) {
  const std::string state = text_of(offer, "state");
  const std::string trouble = text_of(object_of(offer, "trouble"), "code");
  if (state == "done" || state == "partial")
    return number_of(offer, "failed") + number_of(offer, "unreadable") > 0 ? ExitCode::partly
                                                                           : ExitCode::done;
  if (state == "rejected" || state == "cancelled") return ExitCode::rejected;
  if (state == "expired") return ExitCode::timed_out;
  if (trouble == "no_space") return ExitCode::no_space;
  if (trouble == "bad_digest") return ExitCode::integrity;
  return ExitCode::failed;
}

}  // namespace peer::cli
