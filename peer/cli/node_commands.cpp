#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/command_error.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/node_process.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"

namespace peer::cli {
namespace {

constexpr std::chrono::seconds kStopWait{10};
constexpr std::size_t kStatusColumns = 200;  ///< a line is cut there, wherever it goes

const Spec& stop_spec() {
  static const Spec instance{
      "stop",
      "stop",
      "End the running node. Offers and transfers are kept and go on at the next start.",
      {},
      "peer stop",
      "0 also if none was running",
      0,
      0};
  return instance;
}

const Spec& status_spec() {
  static const Spec instance{"status",
                             "status",
                             "What the running node is called, where it can be reached, who is "
                             "connected, what is being carried, and what waits, for whom or what. "
                             "Starts no node.",
                             {},
                             "peer status\npeer status --json",
                             "0 also if none is running",
                             0,
                             0};
  return instance;
}

Attachment quiet_attachment(const char* command) {
  Attachment attachment;
  attachment.command = command;
  return attachment;
}

void print_status(const Json& status, const Common& common) {
  for (const std::string& line : node_lines(status)) print(line);
  print("pid " + std::to_string(number_of(status, "pid")) +
        (flag_of(status, "lasting") ? "" : ", ends with its last command"));
  for (const Json& session : array_of(status, "sessions"))
    print("connected: " + peer_text(object_of(session, "peer")) + " via " +
          base::escaped(text_of(session, "route")) + ", since " +
          base::time_text(static_cast<std::int64_t>(number_of(session, "since"))));
  for (const Json& offer : array_of(status, "transfers")) {
    if (trouble_text(offer).empty() && away_text(offer).empty()) {
      print("offer " + std::to_string(number_of(offer, "number")) + " " +
            progress_line(offer, kStatusColumns));
      continue;
    }
    for (const std::string& line : offer_lines(offer, common)) print(line);  // it stands still
  }
  for (const Json& offer : array_of(status, "waiting"))
    for (const std::string& line : offer_lines(offer, common)) print(line);
}

}  // namespace

ExitCode run_stop(std::span<char*> args) {
  const auto arguments = Arguments::parse(stop_spec(), args);
  if (!arguments) return ExitCode::done;
  auto attached = attach_if_running(arguments->common(), quiet_attachment("stop"));
  if (!attached) {
    say("no node is running");
    return ExitCode::done;
  }
  const auto pid = static_cast<pid_t>(number_of(attached->node, "pid"));
  const ProcessEnd end(pid);
  const auto until = Client::Clock::now() + kStopWait;
  try {
    attached->client->call(Json::object({{"do", "stop"}}));
    while (Client::Clock::now() < until) attached->client->turn(until);
  } catch (const NodeGone&) {
    if (end.wait(kStopWait)) {
      say("stopped");
      return ExitCode::done;
    }
  }
  throw CommandError(ExitCode::failed, "the node (pid " + std::to_string(pid) +
                                           ") was told to stop, and is still "
                                           "there after " +
                                           base::duration_text(kStopWait));
}

ExitCode run_status(std::span<char*> args) {
  const auto arguments = Arguments::parse(status_spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  auto attached = attach_if_running(common, quiet_attachment("status"));
  if (!attached) {
    common.json ? print_row("status", Json::object({{"running", false}})) : print("not running");
    return ExitCode::done;
  }
  Json status = attached->client->call(Json::object({{"do", "status"}}));
  status["running"] = true;
  common.json ? print_row("status", status) : print_status(status, common);
  return ExitCode::done;
}

}  // namespace peer::cli
