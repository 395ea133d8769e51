#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <thread>

#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/command_error.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/node_process.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/watch.hpp"
#include "node/run.hpp"
#include "protocol/limits.hpp"

namespace peer::cli {
namespace {

/// The node ends within a second of `stop`; longer than this nobody waits for it.
constexpr std::chrono::seconds kStopWait{5};

const Spec& spec() {
  static const Spec instance{
      "start",
      "start [--name N] [--port P] [--listen ADDR]... [--downloads DIR] [--hidden] [--background]",
      "Be here and listen, until Ctrl-C. On a terminal this is also the console: every offer is "
      "shown and asked about, and transfers are followed, both ways. Transfers that were cut go on "
      "by themselves. A node that another command started is taken over and stays.",
      {{"name", "N", "what this peer calls itself; remembered (default: the host name)"},
       {"port", "P",
        "the TCP port to listen on, this time; for good: peer config port P (default: 56744; 0: "
        "any "
        "free one)"},
       {"listen", "ADDR", "listen on this address only, this time; may be repeated", true},
       {"downloads", "DIR",
        "where files land, until this node ends; for good: peer config downloads DIR (default: the "
        "XDG downloads folder)"},
       {"hidden", nullptr,
        "tell strangers nothing: not this peer's name, and the local network not that it is here; "
        "remembered"},
       {"background", nullptr, "leave the node running and return"}},
      "peer start\n"
      "peer start --name laptop --downloads ~/Incoming\n"
      "peer start --background",
      "0 stopped by 'peer stop', or started with --background\n"
      "1 already running, or the port is taken\n"
      "130, 143 stopped by a signal",
      0,
      0};
  return instance;
}

Attachment attachment_from(const Arguments& arguments) {
  Attachment attachment;
  attachment.command = "start";
  attachment.lasting = true;
  attachment.listen = listen_from(arguments, arguments.common().home());
  if (arguments.given("downloads"))
    attachment.downloads = absolute_path(arguments.bytes("downloads"));
  attachment.name = arguments.text("name");
  if (attachment.name.size() > protocol::kMaxNameBytes)
    arguments.fail("--name takes at most " + std::to_string(protocol::kMaxNameBytes) + " bytes");
  if (arguments.given("name") && attachment.name.empty()) arguments.fail("--name needs a name");
  attachment.hidden = arguments.flag("hidden");
  return attachment;
}

void tell_node(const Common& common, const Json& node) {
  if (common.json) print_row("node", node);
  for (const std::string& line : node_lines(node)) say(line);
}

/// Refuses to start what is running already; a node that would end with its last client is fine.
void check_not_lasting(const Common& common) {
  Attachment look;
  look.command = "status";
  look.watch_signals = false;
  const auto running = attach_if_running(common, look);
  if (!running || !running->lasting()) return;
  throw CommandError(ExitCode::failed, "peer is already running (pid " +
                                           std::to_string(number_of(running->node, "pid")) +
                                           "); '" + common.command("status") + "' shows it, '" +
                                           common.command("stop") + "' ends it");
}

void run_console(Attached& attached, const Common& common) {
  tell_node(common, attached.node);
  WatchOptions options;
  options.outgoing = true;
  Watch watch(*attached.client, common, options);
  watch.run();
}

/// The node ends, by a signal or by `stop`.
void tell_stopped() {
  clear_status();
  end_prompt(false);
  say("stopped; open offers and transfers go on at the next start");
}

/// Console of a node in another process; a signal stops that node.
ExitCode run_attached(Attached attached, const Common& common) {
  try {
    run_console(attached, common);
  } catch (const NodeGone&) {
  } catch (const Interrupted&) {
    tell_stopped();
    attached.client->drop_handlers();  // what they refer to has gone
    try {
      attached.client->request(Json::object({{"do", "stop"}}), {});
      const auto until = Client::Clock::now() + kStopWait;
      while (Client::Clock::now() < until) attached.client->turn(until);
    } catch (const NodeGone&) {
    }
    throw;
  }
  tell_stopped();
  return ExitCode::done;
}

/// Over the socket: a node without clients may be ending already, and its process takes no signals
/// any more.
void stop_own_node(const base::Home& home, Common common) {
  common.deadline.reset();  // it may be what ended the console
  Attachment attachment;
  attachment.command = "stop";
  attachment.watch_signals = false;
  try {
    if (auto socket = connect_to_node(home))
      attach_over(*std::move(socket), common, attachment)
          .client->call(Json::object({{"do", "stop"}}));
  } catch (const NodeGone&) {
  } catch (const CommandError& error) {
    complain(error.what());
    ::kill(::getpid(), SIGTERM);
  }
}

/// The console's thread in a process that is the node: a client like any other. Whatever ends it
/// early ends the node too.
ExitCode console_thread(const base::Home& home, const Common& common, const Attachment& attachment,
                        Fd ready, std::unique_ptr<StartLock> lock) {
  const std::string problem = wait_ready(ready.get());
  if (!problem.empty()) {  // the node returns by itself
    report_error(problem, static_cast<int>(ExitCode::failed));
    return ExitCode::failed;
  }
  ExitCode code = ExitCode::done;
  try {
    auto socket = connect_to_node(home);
    lock.reset();
    if (!socket) throw NodeGone();
    Attached attached = attach_over(*std::move(socket), common, attachment);
    run_console(attached, common);
  } catch (const NodeGone&) {
    tell_stopped();
    return code;
  } catch (const CommandError& error) {
    report_error(error.what(), static_cast<int>(error.code()));
    code = error.code();
  } catch (const std::exception& error) {
    code = ExitCode::failed;
    report_error(error.what(), static_cast<int>(code));
  }
  stop_own_node(home, common);
  return code;
}

/// The node in this process, on this thread; the console on a second one. Signals go to this one.
ExitCode run_here(const base::Home& home, const Common& common, Attachment attachment,
                  std::unique_ptr<StartLock> lock) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
    throw CommandError(ExitCode::failed, std::string("start: ") + std::strerror(errno));
  attachment.watch_signals = false;
  node::RunOptions options;
  options.home = home;
  options.ready_fd = pipe[1];
  options.verbose = common.verbose;

  ExitCode console = ExitCode::done;
  auto signals = std::make_unique<SignalWatch>();  // the thread inherits the mask
  std::thread thread([&, ready = Fd(pipe[0]), held = std::move(lock)]() mutable {
    console = console_thread(home, common, attachment, std::move(ready), std::move(held));
  });
  signals.reset();
  const int code = node::run(options);
  thread.join();
  return console != ExitCode::done ? console : static_cast<ExitCode>(code);
}

}  // namespace

ExitCode run_start(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  if (common.yes) arguments->fail("--yes would accept whatever comes: see peer receive --yes");
  Attachment attachment = attachment_from(*arguments);
  check_not_lasting(common);

  if (arguments->flag("background")) {
    const Attached attached = attach(common, attachment);
    tell_node(common, attached.node);
    return ExitCode::done;
  }
  // The node lives on when a reader of its output goes, and when it is put in the background.
  for (const int signal : {SIGPIPE, SIGTTIN, SIGTTOU}) ::signal(signal, SIG_IGN);
  const base::Home home = common.home();
  auto lock = std::make_unique<StartLock>(home);
  if (auto socket = connect_to_node(home)) {
    lock.reset();
    return run_attached(attach_over(*std::move(socket), common, attachment), common);
  }
  wait_for_ending_node(home);
  return run_here(home, common, std::move(attachment), std::move(lock));
}

}  // namespace peer::cli
