#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/review_text.hpp"

namespace peer::cli {
namespace {

const Spec& spec() {
  static const Spec instance{
      "offers",
      "offers [OFFER]",
      "Open offers, both ways, oldest first, each with the commands that answer it. With OFFER "
      "everything about that one: who, what, the commands, and its whole list with the numbers "
      "that the console's 's' takes.",
      {},
      "peer offers\npeer offers 3\npeer offers --json",
      "10 no such offer",
      0,
      1};
  return instance;
}

ExitCode print_all(const Common& common) {
  const Json result = ask_node(common, "offers", Json::object({{"do", "offers"}}));
  for (const Json& offer : array_of(result, "offers")) {
    if (common.json) {
      print_row("offer", offer);
    } else {
      for (const std::string& line : offer_lines(offer, common)) print(line);
    }
  }
  if (array_of(result, "offers").empty()) say("no open offers");
  return ExitCode::done;
}

void print_head(const Common& common, const Json& result) {
  const Json& offer = object_of(result, "offer");
  if (common.json) {
    Json row = offer;
    if (result.contains("review")) row["review"] = result["review"];
    return print_row("offer", row);
  }
  for (const std::string& line : offer_lines(offer, common)) print(line);
  if (is_ended(offer))
    for (const std::string& line : ending_lines(offer, {}, common)) print("  " + line);
  if (result.contains("review"))
    for (const std::string& line : review_lines(result["review"], kAnyWidth)) print("  " + line);
  print("");
}

/// "  12  -rw-r--r--  1.5 MB  2026-11-22 14:05  photos/a.jpg": the number is what `s` takes.
std::string numbered_text(const Json& entry, std::size_t digits) {
  std::string number = std::to_string(number_of(entry, "index"));
  if (number.size() < digits) number.insert(0, digits - number.size(), ' ');
  return number + "  " + entry_text(entry);
}

ExitCode print_one(const Common& common, const std::string& selector) {
  Attachment attachment;
  attachment.command = "offers";
  Attached attached = attach(common, attachment);
  Json body = {{"do", "offers"}, {"offer", selector}, {"want", "any"}, {"entries", false}};
  const Json head = attached.client->call(body);
  print_head(common, head);
  const Json& offer = object_of(head, "offer");
  const auto entries =
      number_of(offer, "files") + number_of(offer, "folders") + number_of(offer, "links");
  const std::size_t digits = std::to_string(entries).size();
  body["offer"] = std::to_string(number_of(offer, "number"));
  body["entries"] = true;
  attached.client->call(std::move(body), [&](const Json& event) {
    for (const Json& entry : array_of(event, "entries"))
      common.json ? print_row("entry", entry) : print(numbered_text(entry, digits));
  });
  return ExitCode::done;
}

}  // namespace

ExitCode run_offers(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  return arguments->words().empty() ? print_all(common) : print_one(common, arguments->word(0));
}

}  // namespace peer::cli
