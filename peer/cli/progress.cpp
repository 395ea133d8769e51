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

std::string percent_text(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "100 %";
  // By tenths of a percent a long transfer would seem busier; 99 until the last byte.
  const auto percent =
      static_cast<unsigned>(static_cast<double>(part) * 100 / static_cast<double>(whole));
  return std::to_string(part >= whole ? 100U : std::min(percent, 99U)) + " %";
}

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

/// Of what was chosen, where that is known.
std::uint64_t total_bytes(const Json& offer) {
  return number_of(offer, offer.contains("chosen_bytes") ? "chosen_bytes" : "bytes");
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

std::string fact_line(const Json& offer, const Timing& timing) {
  const bool incoming = text_of(offer, "direction") == "in";
  const auto files = number_of(offer, "files_done");
  const std::string who = peer_name(object_of(offer, "peer"));
  if (files == 0 && number_of(offer, "files") > 0 && number_of(offer, "failed") == 0)
    return incoming ? "nothing was missing: it is all there in " + landed_at(offer)
                    : who + " had all of it already";
  std::string line = incoming ? "received " : "sent ";
  if (files == 0 && number_of(offer, "files") == 0)
    line += totals_text(offer);  // folders and links alone
  else
    line += base::count_of(files, "file") + ", " + base::size_text(number_of(offer, "bytes_done"));
  if (timing.elapsed.count() > 0) {
    line += " in " + elapsed_text(timing.elapsed);
    if (timing.bytes > 0)
      line +=
          " (" + base::rate_text(static_cast<double>(timing.bytes) / timing.elapsed.count()) + ")";
  }
  return line + (incoming ? ", verified: " + landed_at(offer) : ", verified, delivered to " + who);
}

void add_failures(std::vector<std::string>& lines, const Json& offer) {
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

std::string progress_line(const Json& offer, std::size_t columns) {
  const std::string who = peer_name(object_of(offer, "peer"));
  const std::string state = text_of(offer, "state");
  const std::string number = std::to_string(number_of(offer, "number"));
  const bool incoming = text_of(offer, "direction") == "in";
  if (state == "preparing")
    return clipped(incoming ? "fetching the list of offer " + number + " from " + who
                            : "scanning for offer " + number + " to " + who,
                   columns);
  if (state == "pending")
    return clipped(
        "offer " + number + (incoming ? " from " : " to ") + who + ": waiting for an answer",
        columns);
  if (const std::string trouble = trouble_text(offer); !trouble.empty())
    return clipped(trouble, columns);

  const auto done = number_of(offer, "bytes_done"), total = total_bytes(offer);
  std::string line = (incoming ? "from " : "to ") + who + ": " + percent_text(done, total) + "  " +
                     base::size_text(done) + " of " + base::size_text(total);
  if (const auto rate = number_of(offer, "rate"); rate > 0)
    line += "  " + base::rate_text(static_cast<double>(rate));
  if (offer.contains("eta"))
    line += "  " +
            base::duration_text(
                std::chrono::seconds(std::max<std::uint64_t>(number_of(offer, "eta"), 1))) +
            " left";
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
  const std::string text = base::escaped(text_of(offer, "text"));
  const std::string because = text.empty() ? "" : ": " + text;
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
    if (const auto files = number_of(offer, "files_done"); files > 0 && incoming)
      lines.push_back(base::count_of(files, "file") + " had arrived before: " + landed_at(offer));
  } else if (state == "expired") {
    lines.push_back("offer " + number + (incoming ? " from " : " to ") + who +
                    " expired before it was answered");
  } else if (state == "active") {  // stopped by this side's disk
    lines.push_back("offer " + number + (incoming ? " from " : " to ") + who + ": " +
                    trouble_text(offer));
    lines.push_back("when there is room: " +
                    common.command((incoming ? "accept " : "wait ") + number));
  } else {
    lines.push_back("offer " + number + (incoming ? " from " : " to ") + who + " failed" + because);
    add_failures(lines, offer);
  }
  return lines;
}

TransferView::Seen& TransferView::seen(const Json& offer) {
  const auto [it, fresh] = offers_.try_emplace(number_of(offer, "number"));
  Seen& seen = it->second;
  const bool moving = text_of(offer, "state") == "active";
  // Before the first byte the clock is set anew, so that waiting for an answer does not count.
  if (fresh || (!seen.active && !is_ended(offer))) {
    seen.started = Clock::now();
    seen.bytes_at_start = number_of(offer, "bytes_done");
  }
  seen.active = seen.active || moving;
  if (moving) seen.ended = seen.told = false;  // another round of the same offer
  seen.offer = offer;
  return seen;
}

bool TransferView::update(const Json& offer) {
  Seen& now = seen(offer);
  const std::string trouble = trouble_text(offer);
  if (trouble != now.trouble && !is_ended(offer)) {
    now.trouble = trouble;
    if (!trouble.empty())
      say(offer_text(offer) + ": " + trouble);
    else
      say(offer_text(offer) + ": goes on");
  }
  const bool first_end = is_ended(offer) && !now.ended;
  now.ended = is_ended(offer);
  show();
  return first_end;
}

void TransferView::finish(const Json& offer) {
  Seen& now = seen(offer);
  if (now.told) return;
  now.told = true;
  now.ended = true;
  Timing timing;
  const auto bytes = number_of(offer, "bytes_done");
  timing.elapsed = Clock::now() - now.started;
  timing.bytes = bytes > now.bytes_at_start ? bytes - now.bytes_at_start : 0;
  if (!now.active && timing.bytes == 0) timing.elapsed = {};
  clear_status();
  for (const std::string& line : ending_lines(offer, timing, common_)) say(line);
  now.offer = nullptr;  // a console lives long
  show();
}

void TransferView::show() const {
  if (!stderr_is_terminal()) return;
  std::vector<const Json*> open;
  std::uint64_t done = 0, total = 0, rate = 0;
  for (const auto& [number, seen] : offers_) {
    if (seen.ended) continue;
    open.push_back(&seen.offer);
    done += number_of(seen.offer, "bytes_done");
    total += total_bytes(seen.offer);
    rate += number_of(seen.offer, "rate");
  }
  if (open.empty()) return clear_status();
  if (open.size() == 1) return show_status(progress_line(*open[0], terminal_columns() - 1));
  std::string line = base::count_of(open.size(), "transfer") + ": " + percent_text(done, total) +
                     "  " + base::size_text(done) + " of " + base::size_text(total);
  if (rate > 0) line += "  " + base::rate_text(static_cast<double>(rate));
  show_status(line);
}

}  // namespace peer::cli
