#include "cli/attach.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include "base/settings.hpp"
#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/json_fields.hpp"
#include "cli/node_process.hpp"
#include "cli/output.hpp"

namespace peer::cli {
namespace {

/// A node that is just ending still takes connections, and closes them without a word.
constexpr int kAttachTries = 3;

Json attach_request(const Attachment& attachment) {
  Json body = {{"do", "attach"},
               {"command", attachment.command},
               {"lasting", attachment.lasting},
               {"hidden", attachment.hidden}};
  if (attachment.listen) {
    Json listen = {{"port", attachment.listen->port}, {"must", true}};
    listen["addresses"] = attachment.listen->addresses;
    body["listen"] = std::move(listen);
  }
  if (!attachment.downloads.empty()) body["downloads"] = bytes_value(attachment.downloads);
  if (!attachment.name.empty()) body["name"] = attachment.name;
  return body;
}

bool taken_port(const Json& failed) {
  return is_failure(failed) &&
         text_of(failed, "failed").find("another program uses it") != std::string::npos;
}

/// An IP, as the node takes it: [v6] and a scope are fine.
bool is_ip(std::string text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']')
    text = text.substr(1, text.size() - 2);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* list = nullptr;
  // Numbers alone would be read as an IPv4 address in disguise.
  if (text.find_first_of(".:") == std::string::npos ||
      ::getaddrinfo(text.c_str(), nullptr, &hints, &list) != 0)
    return false;
  ::freeaddrinfo(list);
  return true;
}

std::string other_port_text(const Common& common, const Attachment& attachment) {
  const unsigned other = attachment.listen->port == 65535 ? 65534U : attachment.listen->port + 1U;
  return "; with another port: " +
         common.command(attachment.command + " --port " + std::to_string(other));
}

/// A taken port is answered with the command that goes around it.
[[noreturn]] void attach_failed(const CommandError& error, const Common& common,
                                const Attachment& attachment, bool port_taken) {
  std::string text = error.what();
  if (port_taken && attachment.listen && text.find("--port") == std::string::npos)
    text += other_port_text(common, attachment);
  throw CommandError(error.code(), text);
}

void check_version(const Json& node) {
  const std::string version = text_of(node, "version");
  if (!version.empty() && version != PEER_VERSION)
    say("the running node is version " + base::escaped(version) +
        ", this is " PEER_VERSION ": 'peer stop', then start it again");
}

}  // namespace

bool Attached::lasting() const { return flag_of(node, "lasting"); }

Listen listen_from(const Arguments& arguments, const base::Home& home) {
  const auto settings = base::Settings::load(home.config_file);
  if (!settings) throw CommandError(ExitCode::failed, settings.error().text());
  Listen listen;
  listen.port = arguments.port("port").value_or(settings->port);
  listen.addresses = arguments.given("listen") ? arguments.list("listen") : settings->listen;
  if (arguments.given("listen"))
    for (const std::string& address : listen.addresses)
      if (!is_ip(address))
        arguments.fail("--listen takes an IP address of this machine, not " +
                       base::quoted(address));
  return listen;
}

Attached attach_over(Fd socket, const Common& common, const Attachment& attachment) {
  Attached attached;
  attached.client =
      std::make_unique<Client>(std::move(socket), common.deadline, attachment.watch_signals);
  Json last;
  attached.client->request(attach_request(attachment), [&last](const Json& m) { last = m; });
  try {
    while (last.is_null()) attached.client->turn();
  } catch (const TimeIsOver& error) {
    if (!attachment.listen) throw;
    throw CommandError(error.code(), "listen on TCP port " +
                                         std::to_string(attachment.listen->port) +
                                         ": does another program use it? " + error.what() +
                                         other_port_text(common, attachment));
  }
  try {
    throw_if_failed(last);
  } catch (const CommandError& error) {
    attach_failed(error, common, attachment, taken_port(last));
  }
  attached.node = object_of(last, "result");
  check_version(attached.node);
  say_verbose("node " + std::to_string(number_of(attached.node, "pid")) +
              (attached.lasting() ? ", which stays" : ", which ends with its last command"));
  return attached;
}

Attached attach(const Common& common, const Attachment& attachment) {
  const base::Home home = common.home();
  for (int tries = 1;; ++tries) {
    try {
      return attach_over(connect_or_start(home, common.home_given), common, attachment);
    } catch (const NodeGone&) {
      if (tries == kAttachTries)
        throw CommandError(ExitCode::failed,
                           "the node ends whenever it is asked; its log is " + home.log_file);
    }
  }
}

std::optional<Attached> attach_if_running(const Common& common, const Attachment& attachment) {
  auto socket = connect_to_node(common.home());
  if (!socket) return std::nullopt;
  try {
    return attach_over(*std::move(socket), common, attachment);
  } catch (const NodeGone&) {
    return std::nullopt;
  }
}

Json ask_node(const Common& common, const std::string& command, Json body) {
  Attachment attachment;
  attachment.command = command;
  Attached attached = attach(common, attachment);
  return attached.client->call(std::move(body));
}

}  // namespace peer::cli
