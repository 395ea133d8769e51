#include "cli/transfer_view.hpp"

#include <algorithm>
#include <vector>

#include "base/text.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"

namespace peer::cli {
namespace {

/// Sessions come and go; a shorter absence is not worth a line.
constexpr std::chrono::seconds kAbsenceWorthALine{2};

bool is_active(const Json& offer) { return text_of(offer, "state") == "active"; }

/// What the node has moved for this offer: a giver counts what it sent, a taker what is there.
std::uint64_t moved_bytes(const Json& offer) {
  return number_of(offer, text_of(offer, "direction") == "in" ? "bytes_done" : "sent_bytes");
}

}  // namespace

bool RoundWatch::see(const Json& offer, Clock::time_point now) {
  const bool active = is_active(offer);
  const bool begins = active && !active_;
  const auto moved = moved_bytes(offer);
  const bool incoming = text_of(offer, "direction") == "in";  // counted from 0 in every round
  if (begins) {
    begun_ = last_moved_ = now;
    before_ = !watched_ ? moved : incoming ? 0 : idle_moved_;
  } else if (!active && !is_ended(offer)) {
    begun_ = now;  // waiting for an answer does not count
    before_ = moved;
  }
  if (!active) idle_moved_ = moved;
  if (begins) absent_ = {};
  if (away_ && active_) absent_ += now - seen_;
  away_ = flag_of(offer, "away");
  seen_ = now;
  // What an earlier run of the node had written.
  before_ = std::max(before_, number_of(offer, "resumed_bytes"));
  if (moved != moved_) last_moved_ = now;
  moved_ = moved;
  total_ = number_of(offer, "bytes_done");
  watched_ = watched_ || !active;
  active_ = active;
  return begins;
}

Timing RoundWatch::timing(Clock::time_point now) const {
  Timing timing;
  if (!begun_) return timing;
  timing.elapsed = now - *begun_ - absent_;
  timing.bytes = std::min(moved_ - std::min(before_, moved_), total_);
  return timing;
}

std::chrono::seconds RoundWatch::silent(Clock::time_point now) const {
  if (!active_) return {};
  return std::chrono::duration_cast<std::chrono::seconds>(now - last_moved_);
}

TransferView::Seen& TransferView::seen(const Json& offer) {
  Seen& seen = offers_[number_of(offer, "number")];
  const bool begins = seen.round.see(offer, Clock::now());
  // Another round of the same offer; a short one is seen by its end only.
  if (begins || text_of(offer, "state") != seen.state) seen.ended = seen.told = false;
  seen.state = text_of(offer, "state");
  seen.offer = offer;
  return seen;
}

void TransferView::expect(const Json& offer) {
  seen(offer).ended = true;  // nothing to show yet
}

bool TransferView::is_news(const Json& offer) const {
  const auto it = offers_.find(number_of(offer, "number"));
  return it == offers_.end() || it->second.offer != offer;
}

void TransferView::tell_trouble(Seen& now) const {
  const std::string trouble = trouble_text(now.offer);
  if (trouble == now.trouble) return;
  now.trouble = trouble;
  say(offer_text(now.offer) + ": " + (trouble.empty() ? "goes on" : trouble));
}

void TransferView::tell_absence(Seen& now) const {
  const std::string away = away_text(now.offer);
  if (away.empty()) {
    if (now.away_told)
      say(offer_text(now.offer) + ": " + peer_name(object_of(now.offer, "peer")) + " is back");
    now.away_since.reset();
    now.away_told = false;
    return;
  }
  if (!now.away_since) now.away_since = Clock::now();
  if (now.away_told || Clock::now() - *now.away_since < kAbsenceWorthALine) return;
  now.away_told = true;
  say(offer_text(now.offer) + ": " + away);
}

bool TransferView::update(const Json& offer) {
  Seen& now = seen(offer);
  if (!is_ended(offer)) {
    tell_trouble(now);
    tell_absence(now);
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
  clear_status();
  const Timing timing = now.round.timing(Clock::now());
  for (const std::string& line : ending_lines(offer, timing, common_)) say(line);
  now.offer = nullptr;  // a console lives long
  show();
}

void TransferView::show() const {
  if (!stderr_is_terminal()) return;
  std::vector<const Seen*> open;
  std::uint64_t done = 0, total = 0, rate = 0;
  for (const auto& [number, seen] : offers_) {
    if (seen.ended) continue;
    open.push_back(&seen);
    done += number_of(seen.offer, "bytes_done");
    total += total_bytes(seen.offer);
    if (away_text(seen.offer).empty() && seen.round.silent(Clock::now()) < kSilence)
      rate += number_of(seen.offer, "rate");
  }
  if (open.empty()) return clear_status();
  if (open.size() == 1)
    return show_status(
        progress_line(open[0]->offer, terminal_columns() - 1, open[0]->round.silent(Clock::now())));
  std::string line = base::count_of(open.size(), "transfer") + ": " + percent_text(done, total) +
                     "  " + base::size_text(done) + " of " + base::size_text(total);
  if (rate > 0) line += "  " + base::rate_text(static_cast<double>(rate));
  show_status(line);
}

}  // namespace peer::cli
