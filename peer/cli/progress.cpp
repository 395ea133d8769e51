#include "cli/progress.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kMinFileColumns = 12;  ///< a shorter piece of a path tells nothing
constexpr std::size_t kShownFailures = 20;

}  // namespace

std::string percent_text(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "100 %";
  // By tenths of a percent a long transfer would seem busier; 99 until the last byte.
  const auto percent =
      static_cast<unsigned>(static_cast<double>(part) * 100 / static_cast<double>(whole));
  return std::to_string(part >= whole ? 100U : std::min(percent, 99U)) + " %";
}

std::uint64_t total_bytes(const Json& offer) {
  return number_of(offer, offer.contains("chosen_bytes") ? "chosen_bytes" : "bytes");
}

namespace {

/// The last `columns` of a path: its end tells files apart.
std::string path_tail(const std::string& path, std::size_t columns) {
  const std::string shown = base::escaped(path);
  if (base::columns(shown) <= columns) return shown;
  std::size_t from = shown.size() > columns ? shown.size() - columns : 0;
  while (from < shown.size() && (static_cast<unsigned char>(shown[from]) & 0xC0) == 0x80) ++from;
  while (from < shown.size() && base::columns(shown.substr(from)) + 1 > columns) {
    ++from;
    while (from < shown.size() && (static_cast<unsigned char>(shown[from]) & 0xC0) == 0x80) ++from;
  }
  return "…" + shown.substr(from);
}

/// Rate and time left.
std::string pace_text(const Json& offer) {
  std::string text;
  if (const auto rate = number_of(offer, "rate"); rate > 0)
    text += "  " + base::rate_text(static_cast<double>(rate));
  if (!offer.contains("eta")) return text;
  const std::chrono::seconds left(std::max<std::uint64_t>(number_of(offer, "eta"), 1));
  return text + "  " + base::duration_text(left) + " left";
}

std::string route_text(const Json& offer) {
  const std::string route = text_of(offer, "route");
  if (route.empty()) return {};
  const auto lanes = number_of(offer, "lanes");
  std::string text = "via " + base::escaped(route);
  if (lanes > 0) text += ", " + base::count_of(lanes, "lane");
  return text;
}

std::string landed_at(const Json& offer) {
  const std::string folder = bytes_of(offer, "to");
  const Json& delivered = array_of(offer, "delivered");
  if (delivered.size() == 1) return base::quoted(joined(folder, bytes_from(delivered[0])));
  return base::quoted(folder);
}

/// Of what this process saw moving: all of it, or the part since a transfer went on.
std::string timing_text(const Timing& timing, std::uint64_t total) {
  if (timing.elapsed.count() <= 0 || (timing.bytes == 0 && total > 0)) return {};
  std::string text;
  if (timing.bytes < total) text = ", " + base::size_text(timing.bytes) + " of it";
  text += " in " + elapsed_text(timing.elapsed);
  if (timing.bytes == 0) return text;
  const auto rate = static_cast<double>(timing.bytes) / timing.elapsed.count();
  return text + " (" + base::rate_text(rate) + ")";
}

std::string fact_line(const Json& offer, const Timing& timing) {
  const bool incoming = text_of(offer, "direction") == "in";
  const auto files = number_of(offer, "files_done");
  const std::string who = peer_name(object_of(offer, "peer"));
  if (files == 0 && number_of(offer, "files") > 0 && number_of(offer, "failed") == 0)
    return offer_text(offer) + ": " +
           (incoming ? "nothing was missing: it is all there in " + landed_at(offer)
                     : who + " had all of it already");
  std::string line = offer_text(offer) + ": " + (incoming ? "received " : "sent ");
  if (files == 0 && number_of(offer, "files") == 0)
    line += totals_text(offer);  // folders and links alone
  else
    line += base::count_of(files, "file") + ", " + base::size_text(number_of(offer, "bytes_done"));
  line += timing_text(timing, number_of(offer, "bytes_done"));
  return line + (incoming ? ", verified: " + landed_at(offer) : ", verified, delivered to " + who);
}

void add_failures(std::vector<std::string>& lines, const Json& offer) {
  if (const auto unreadable = number_of(offer, "unreadable"); unreadable > 0)
    lines.push_back(base::count_of(unreadable, "entry", "entries") +
                    " could not be read here, and " + (unreadable == 1 ? "was" : "were") +
                    " not offered");
  const auto failed = number_of(offer, "failed");
  if (failed == 0) return;
  lines.push_back(base::count_of(failed, "entry", "entries") + " did not arrive:");
  std::size_t shown = 0;
  for (const Json& failure : array_of(offer, "failures")) {
    if (shown++ == kShownFailures) break;
    lines.push_back("  " + base::quoted(bytes_of(failure, "path")) + ": " +
                    base::escaped(text_of(failure, "text")));
  }
  if (failed > shown && shown > 0)
    lines.push_back("  and " + base::count_text(failed - shown) + " more");
}

}  // namespace

std::string progress_line(const Json& offer, std::size_t columns, std::chrono::seconds silent) {
  const std::string who = peer_name(object_of(offer, "peer"));
  const std::string state = text_of(offer, "state");
  const std::string number = std::to_string(number_of(offer, "number"));
  const bool incoming = text_of(offer, "direction") == "in";
  const std::string away = away_text(offer);
  if (const std::string trouble = trouble_text(offer); state == "preparing" && !trouble.empty())
    return clipped("the list of offer " + number + " from " + who + ": " + trouble, columns);
  if (state == "preparing")
    return clipped((incoming ? "fetching the list of offer " + number + " from " + who
                             : "scanning for offer " + number + " to " + who) +
                       (away.empty() ? "" : ": " + away),
                   columns);
  if (state == "pending")
    return clipped("offer " + number + (incoming ? " from " : " to ") + who +
                       ": waiting for an answer" + (away.empty() ? "" : "; " + away),
                   columns);
  if (const std::string trouble = trouble_text(offer); !trouble.empty())
    return clipped(trouble, columns);

  const auto done = number_of(offer, "bytes_done"), total = total_bytes(offer);
  std::string line = (incoming ? "from " : "to ") + who + ": " + percent_text(done, total) + "  " +
                     base::size_text(done) + " of " + base::size_text(total);
  if (!away.empty()) return clipped(line + "  " + away, columns);
  if (silent >= kSilence)
    return clipped(line + "  nothing moved for " + base::duration_text(silent), columns);
  line += pace_text(offer);
  const std::size_t used = base::columns(line);
  std::string route = route_text(offer);
  const std::size_t route_columns = route.empty() ? 0 : base::columns(route) + 2;
  const std::string current = bytes_of(offer, "current");
  if (!current.empty() && used + 2 + kMinFileColumns + route_columns <= columns)
    line += "  " + path_tail(current, columns - used - 2 - route_columns);
  if (!route.empty() && base::columns(line) + route_columns <= columns) line += "  " + route;
  return clipped(line, columns);
}

std::vector<std::string> ending_lines(const Json& offer, const Timing& timing,
                                      const Common& common) {
  const std::string state = text_of(offer, "state");
  const std::string number = std::to_string(number_of(offer, "number"));
  const std::string because = because_text(offer);
  const std::string who = peer_name(object_of(offer, "peer"));
  const bool incoming = text_of(offer, "direction") == "in";
  std::vector<std::string> lines;
  if (state == "done" || state == "partial") {
    lines.push_back(fact_line(offer, timing));
    add_failures(lines, offer);
    if (state == "partial")
      lines.push_back(incoming ? "the rest stays on offer: " + common.command("accept " + number)
                               : "the rest stays on offer; to end that: " +
                                     common.command("cancel " + number));
  } else if (state == "rejected") {
    lines.push_back(incoming ? "offer " + number + " is rejected" + because
                             : who + " rejected offer " + number + because);
  } else if (state == "cancelled") {
    lines.push_back("offer " + number + (incoming ? " from " : " to ") + who + " was cancelled" +
                    because);
    if (incoming && !array_of(offer, "delivered").empty())
      lines.push_back("what was taken before stays: " + landed_at(offer));
  } else if (state == "expired") {
    lines.push_back("offer " + number + (incoming ? " from " : " to ") + who +
                    " expired before it was answered");
  } else if (state == "active" && !trouble_text(offer).empty()) {  // stopped by this side's disk
    lines.push_back("offer " + number + (incoming ? " from " : " to ") + who + ": " +
                    trouble_text(offer));
    if (text_of(object_of(offer, "trouble"), "code") == "timed_out") {
      lines.push_back("it goes on if " + who +
                      " wants more after all: " + common.command("wait " + number) +
                      "; or: " + common.command("cancel " + number));
      return lines;
    }
    if (const std::string remedy = remedy_text(offer, common); !remedy.empty())
      lines.push_back(remedy);
  } else if (state == "failed") {
    lines.push_back("offer " + number + (incoming ? " from " : " to ") + who + " failed" + because);
    add_failures(lines, offer);
  } else {
    lines.push_back("offer " + number + (incoming ? " from " : " to ") + who +
                    " is open: " + state_text(offer));
  }
  return lines;
}

}  // namespace peer::cli
