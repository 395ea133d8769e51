#include "cli/follow.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/prompt.hpp"
#include "cli/review_text.hpp"
#include "cli/transfer_view.hpp"

namespace peer::cli {
namespace {

class Follower {
 public:
  Follower(Attached& attached, const Common& common, std::function<void()> made)
      : attached_(attached), common_(common), made_(std::move(made)), view_(common) {}

  ExitCode run(Json body) {
    dry_run_ = flag_of(body, "dry_run");
    try {
      const Json result = attached_.client->call(std::move(body), [this](const Json& message) {
        hear_of_peer(*attached_.client, common_, message);
        event(message);
      });
      clear_status();
      return dry_run_ ? dry_run(result) : ended(result);
    } catch (const Interrupted&) {
      clear_status();
      end_prompt(false);
      say(how_to_go_on());
      throw;
    } catch (const TimeIsOver& error) {
      clear_status();
      end_prompt(false);
      throw CommandError(error.code(), std::string(error.what()) + "; " + how_to_go_on());
    } catch (...) {
      clear_status();
      end_prompt(false);
      throw;
    }
  }

 private:
  void event(const Json& message) {
    const std::string kind = text_of(message, "event");
    if (kind == "scanning") {
      show_status("scanning: " + base::count_of(number_of(message, "files"), "file") + ", " +
                  base::size_text(number_of(message, "bytes")));
    } else if (kind == "scanned") {
      scanned(event_body(message, "scan"));
    } else if (kind == "offered") {
      offered(message);
    } else if (kind == "progress") {
      const Json offer = event_body(message, "offer");
      const auto number = number_of(offer, "number");
      is_ended(offer) ? (void)numbers_.erase(number) : (void)numbers_.insert(number);
      if (common_.json && view_.is_news(offer)) print_row("progress", offer);
      view_.update(offer);
    }
  }

  void scanned(const Json& scan) {
    clear_status();
    if (dry_run_) return;  // it is the result
    if (common_.json) print_row("scanned", scan);
    const auto lines = scan_lines(scan);
    for (std::size_t i = 0; i < lines.size(); ++i) say(i == 0 ? "offering " + lines[i] : lines[i]);
  }

  void offered(const Json& message) {
    numbers_.insert(number_of(message, "number"));
    if (made_) made_();
    if (common_.json) print_row("offered", event_body(message, "offered"));
    const std::string number = std::to_string(number_of(message, "number"));
    const std::string who = peer_name(object_of(message, "peer"));
    const std::string way = base::escaped(text_of(message, "text"));
    clear_status();
    if (flag_of(message, "away")) {
      say(way);
      say("offer " + number + ": " + who + " is not reachable; the offer stays here and goes out " +
          "when " + who + " appears" +
          (attached_.lasting() ? "" : ", while this command or 'peer start' runs"));
      return;
    }
    say_verbose(way);
    say(flag_of(message, "again") ? "the same as offer " + number + " to " + who + ", which goes on"
                                  : "offer " + number + " to " + who + ": waiting for an answer");
  }

  ExitCode dry_run(const Json& result) {
    if (common_.json) {
      if (result.contains("scan")) print_row("scan", result["scan"]);
      if (result.contains("review")) print_row("review", result["review"]);
      return ExitCode::done;
    }
    std::vector<std::string> lines;
    if (result.contains("scan")) {
      lines = scan_lines(result["scan"]);
      lines.front() = "would offer " + lines.front();
    }
    if (result.contains("review")) lines = review_lines(result["review"], kAnyWidth);
    for (const std::string& line : lines) print(line);
    return ExitCode::done;
  }

  ExitCode ended(const Json& result) {
    if (made_) made_();
    if (!result.contains("offers")) {  // --no-wait
      for (const Json& number : array_of(result, "numbers"))
        common_.json ? print_row("number", Json::object({{"number", number}}))
                     : print(number.dump());
      return ExitCode::done;
    }
    if (flag_of(result, "stopped"))
      throw CommandError(ExitCode::failed, "the node was stopped; " + kept_text(result));
    for (const Json& offer : array_of(result, "offers")) {
      if (common_.json) print_row("offer", offer);
      view_.finish(offer);
    }
    const auto code = number_of(result, "exit");
    return static_cast<ExitCode>(std::min<std::uint64_t>(code, 125));
  }

  /// What the stopped node left open, and what takes it up again.
  std::string kept_text(const Json& result) const {
    std::string numbers;
    std::size_t open = 0;
    for (const Json& offer : array_of(result, "offers")) {
      if (is_ended(offer)) continue;
      numbers += (numbers.empty() ? "" : " ") + std::to_string(number_of(offer, "number"));
      ++open;
    }
    return (open > 1 ? "offers " : "offer ") + numbers + (open > 1 ? " are" : " is") +
           " kept and " + (open > 1 ? "go" : "goes") +
           " on at its next start: " + common_.command("start") +
           ", or to follow: " + common_.command("wait " + numbers);
  }

  std::string how_to_go_on() const {
    if (numbers_.empty()) return "nothing was agreed on yet: run the same command again";
    std::string wait = "wait", cancel;
    for (const auto number : numbers_) {
      wait += " " + std::to_string(number);
      cancel += (cancel.empty() ? "" : ", ") + common_.command("cancel " + std::to_string(number));
    }
    const std::string commands = common_.command(wait) + ", " + cancel;
    if (attached_.lasting()) return "the node goes on. " + commands;
    return "it is kept. To go on: " + commands + ", or the same command again";
  }

  Attached& attached_;
  const Common& common_;
  std::function<void()> made_;
  TransferView view_;
  std::set<std::uint64_t> numbers_;
  bool dry_run_ = false;
};

}  // namespace

ExitCode follow(Attached& attached, const Common& common, Json body, std::function<void()> made) {
  return Follower(attached, common, std::move(made)).run(std::move(body));
}

Json landing_fields(const Arguments& arguments) {
  Json fields = Json::object();
  if (arguments.given("to")) {
    if (arguments.bytes("to").empty()) arguments.fail("--to needs a folder");
    fields["to"] = bytes_value(absolute_path(arguments.bytes("to")));
  }
  if (arguments.given("as")) {
    check_root_name(arguments, arguments.bytes("as"));
    fields["as"] = bytes_value(arguments.bytes("as"));
  }
  check_globs(arguments);
  if (arguments.given("only")) fields["only"] = bytes_values(arguments.list("only"));
  if (arguments.given("except")) fields["except"] = bytes_values(arguments.list("except"));
  if (arguments.given("on-clash")) {
    constexpr std::array<std::string_view, 4> kRules = {"rename", "skip", "update", "overwrite"};
    const std::string rule = arguments.text("on-clash");
    if (std::find(kRules.begin(), kRules.end(), rule) == kRules.end())
      arguments.fail("--on-clash is one of rename, skip, update, overwrite");
    fields["on_clash"] = rule;
  }
  if (arguments.flag("durable")) fields["durable"] = true;
  if (const auto limit = arguments.limit()) fields["limit"] = *limit;
  return fields;
}

void require_lasting(const Arguments& arguments, const Attached& attached) {
  if (arguments.flag("no-wait") && !attached.lasting())
    throw CommandError(ExitCode::usage, "--no-wait needs a running node to leave the work to: " +
                                            arguments.common().command("start --background"));
}

}  // namespace peer::cli
