#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"

namespace peer::cli {
namespace {

constexpr std::uint64_t kPageOffers = 100;  ///< of one request

const Spec& spec() {
  static const Spec instance{"history",
                             "history [PEER] [--clear]",
                             "Offers that have ended, newest first, with what came of them; with "
                             "PEER those with this one. With --json each is a receipt: the "
                             "offer's id, both IDs, the SHA-256 of its list, counts, bytes, times. "
                             "Kept for 90 days (peer config history_days).",
                             {{"clear", nullptr, "forget them instead"}},
                             "peer history | head\npeer history bob --json\npeer history --clear",
                             "10 no such peer",
                             0,
                             1};
  return instance;
}

/// Of what ended before all of it was taken; what arrived before that stays.
bool is_taken_in_part(const Json& offer) {
  if (text_of(offer, "state") == "done") return false;
  if (text_of(offer, "direction") == "out") return number_of(offer, "files_done") > 0;
  return !array_of(offer, "delivered").empty();
}

std::string history_line(const Json& offer) {
  const auto ended = static_cast<std::int64_t>(number_of(offer, "ended"));
  std::string line = base::time_text(ended) + "  " + offer_text(offer) + ": " + totals_text(offer) +
                     ", " + state_text(offer) + because_text(offer);
  if (is_taken_in_part(offer)) line += ", part of it taken";
  if (const std::string decided = decided_text(offer); !decided.empty()) line += ", " + decided;
  const auto failed = number_of(offer, "failed");
  if (failed > 0) line += ", " + base::count_text(failed) + " did not arrive";
  return line;
}

ExitCode clear_history(const Common& common, const std::string& peer) {
  Json body = {{"do", "clear_history"}, {"peer", peer}};
  const Json result = ask_node(common, "history", std::move(body));
  if (common.json) print_row("cleared", result);
  say(base::count_of(number_of(result, "cleared"), "offer") + " forgotten" +
      (peer.empty() ? "" : " of those with " + base::escaped(peer)));
  return ExitCode::done;
}

}  // namespace

ExitCode run_history(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  const std::string peer = arguments->word(0);
  if (arguments->flag("clear")) return clear_history(common, peer);
  Attachment attachment;
  attachment.command = "history";
  Attached attached = attach(common, attachment);
  std::uint64_t before = 0;
  for (;;) {
    Json body = {{"do", "history"}, {"limit", kPageOffers}, {"peer", peer}};
    if (before > 0) body["before"] = before;
    std::uint64_t shown = 0, last = before;
    const auto show = [&](const Json& part) {
      for (const Json& offer : array_of(part, "offers")) {
        common.json ? print_row("offer", offer) : print(history_line(offer));
        last = number_of(offer, "number");
        ++shown;
      }
    };
    show(attached.client->call(std::move(body), show));
    if (shown == 0 && before == 0) say("nothing yet");
    if (shown < kPageOffers || last == before) return ExitCode::done;
    before = last;
  }
}

}  // namespace peer::cli
