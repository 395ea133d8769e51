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
                             "history",
                             "Offers that have ended, newest first, with what came of them.",
                             {},
                             "peer history | head\npeer history --json",
                             nullptr,
                             0,
                             0};
  return instance;
}

std::string history_line(const Json& offer) {
  const auto ended = static_cast<std::int64_t>(number_of(offer, "ended"));
  std::string line = base::time_text(ended) + "  " + offer_text(offer) + ": " + totals_text(offer) +
                     ", " + state_text(offer) + because_text(offer);
  const auto failed = number_of(offer, "failed");
  if (failed > 0) line += ", " + base::count_text(failed) + " did not arrive";
  return line;
}

}  // namespace

ExitCode run_history(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Attachment attachment;
  attachment.command = "history";
  Attached attached = attach(common, attachment);
  std::uint64_t before = 0;
  for (;;) {
    Json body = {{"do", "history"}, {"limit", kPageOffers}};
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
