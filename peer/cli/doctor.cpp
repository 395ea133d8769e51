#include <algorithm>

#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kStateColumns = 9;
constexpr std::size_t kNameColumns = 12;

const Spec& spec() {
  static const Spec instance{
      "doctor",
      "doctor [PEER]",
      "What could keep files from arriving, and what to do about it. Alone: this machine's port, "
      "network, firewall, disk, cipher, settings. With PEER, a contact, an ID or an address: who "
      "answers at which of its addresses, the way that is used, how long it takes there and back, "
      "and how fast the last transfers were and what held them back. Nothing is changed; up to "
      "64 MiB are written into the downloads folder for a second, and removed.",
      {},
      "peer doctor\npeer doctor bob\npeer doctor 192.168.1.7\npeer doctor --json",
      "0 no problem; 1 a problem here; of PEER: 4 not reachable, 5 another identity answers,\n"
      "10 no such peer",
      0,
      1};
  return instance;
}

std::string padded(std::string text, std::size_t columns) {
  text.resize(std::max(columns, text.size() + 1), ' ');
  return text;
}

void print_check(const Json& check) {
  const std::string state = text_of(check, "state");
  const std::string indent(kStateColumns + kNameColumns, ' ');
  std::string name = text_of(check, "check");
  std::ranges::replace(name, '_', ' ');
  print(padded(state == "problem" ? "PROBLEM" : base::escaped(state), kStateColumns) +
        padded(base::escaped(name), kNameColumns) + base::escaped(text_of(check, "text")));
  for (const Json& line : array_of(check, "lines"))
    if (line.is_string()) print(indent + base::escaped(line.get<std::string>()));
  if (const auto remedy = text_of(check, "remedy"); !remedy.empty())
    print(indent + "-> " + base::escaped(remedy));
}

Json row_of(const Json& event) {
  Json row = event;
  for (const char* key : {"request", "event", "lines"}) row.erase(key);
  return row;
}

}  // namespace

ExitCode run_doctor(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  if (!arguments->words().empty() && arguments->word(0).empty()) arguments->fail("a PEER, or none");
  Attachment attachment;
  attachment.command = "doctor";
  Attached attached = attach(common, attachment);
  Json body = {{"do", "doctor"}, {"peer", arguments->word(0)}};
  const Json result = attached.client->call(std::move(body), [&](const Json& event) {
    if (text_of(event, "event") != "check") return;
    common.json ? print_row("check", row_of(event)) : print_check(event);
  });
  return static_cast<ExitCode>(number_of(result, "exit"));
}

}  // namespace peer::cli
