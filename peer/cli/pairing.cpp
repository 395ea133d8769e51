#include "cli/pairing.hpp"

#include <charconv>
#include <cstddef>

#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/peer_rows.hpp"
#include "cli/prompt.hpp"
#include "trust/names.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kClaimedColumns = 40;

std::string claimed(const Json& peer) {
  const std::string name = text_of(peer, "calls_itself");
  return name.empty() ? "a peer without a name" : "‘" + base::escaped(name, kClaimedColumns) + "’";
}

/// "‘Alice’  ABCDEFG-HIJKLMN  at 192.168.1.7:56744"
std::string candidate_text(const Json& peer) {
  std::string text = claimed(peer) + "  " + base::escaped(text_of(peer, "short")) + "  at " +
                     base::escaped(text_of(peer, "address"));
  if (flag_of(peer, "contact")) text += "  (your contact " + peer_name(peer) + ")";
  return text;
}

}  // namespace

std::string wished_name(const Arguments& arguments) {
  if (!arguments.given("as")) return {};
  std::string name = arguments.text("as");
  const std::string error = trust::name_error(name);
  if (!error.empty()) arguments.fail("--as " + base::quoted(name) + ": " + base::escaped(error));
  return name;
}

void PairingTalk::hear(const Json& message) {
  if (message.contains("question")) {
    clear_status();
    const std::string kind = text_of(message, "kind");
    if (kind == "name") return ask_name(message);
    if (kind == "which") return ask_which(message);
    return client_.answer(message, Json(nullptr));
  }
  if (text_of(message, "event") != "paired") return;
  clear_status();
  const Json& peer = object_of(message, "peer");
  paired_ = peer_name(peer);
  unsure_ = message.contains("sure") && !flag_of(message, "sure");
  say("the codes match: " + claimed(peer) + " at " + base::escaped(text_of(message, "address")));
  say("  has the ID " + base::escaped(text_of(peer, "id")));
}

void PairingTalk::ask_name(const Json& question) {
  const std::string suggestion = base::escaped(text_of(question, "suggestion"));
  if (const std::string wrong = text_of(question, "wrong"); !wrong.empty())
    say(base::escaped(wrong));
  if (common_.yes || !can_ask(common_)) return keep_suggestion(question);
  ask_line(client_, "what is it to be called here? (Enter: " + suggestion + ") > ",
           [this, question](std::optional<std::string> line) {
             if (!line) return keep_suggestion(question);
             client_.answer(question, line->empty() ? Json(nullptr) : bytes_value(*line));
           });
}

void PairingTalk::keep_suggestion(const Json& question) {
  kept_name_ = true;
  client_.answer(question, Json(nullptr));
}

std::string PairingTalk::unsure_text(const std::string& name) {
  return "but the connection broke before " + name +
         "'s side could say the same: if you are no contact there, do it again with a new invite";
}

std::string PairingTalk::renaming(const std::string& name) const {
  return "another name: " + common_.command("rename " + base::shell_quoted(name) + " NAME");
}

void PairingTalk::ask_which(const Json& question) {
  const std::string text =
      "several nearby show an invite with slot " + std::to_string(number_of(question, "slot"));
  const Json& peers = array_of(question, "peers");
  if (!can_ask(common_)) {
    std::string all = text + "; the code is tried with one only, so name its address with --at:";
    for (const Json& peer : peers) all += "\n  " + candidate_text(peer);
    throw CommandError(ExitCode::unknown, all);
  }
  say(text + ". The code is tried with one only; which? ('peer id' there shows the ID)");
  std::size_t number = 0;
  for (const Json& peer : peers) say("  " + std::to_string(++number) + "  " + candidate_text(peer));
  ask_number(question);
}

void PairingTalk::ask_number(const Json& question) {
  ask_line(
      client_, "its number, or n for none > ", [this, question](std::optional<std::string> line) {
        const std::string word = line.value_or("n");
        if (word == "n" || word == "no") return client_.answer(question, Json(nullptr));
        const Json& peers = array_of(question, "peers");
        std::size_t number = 0;
        const auto end = word.data() + word.size();
        const auto parsed = std::from_chars(word.data(), end, number);
        if (parsed.ec != std::errc{} || parsed.ptr != end || number < 1 || number > peers.size())
          return ask_number(question);
        client_.answer(question, peers[number - 1]["id"]);
      });
}

ExitCode PairingTalk::tell(const Json& result) const {
  const Json& peer = object_of(result, "peer");
  if (common_.json) print_row("paired", result);
  const std::string name = peer_name(peer);
  say(name +
      (flag_of(result, "known") ? " was your contact already and is verified now: "
                                : " is your contact now, verified: ") +
      base::escaped(text_of(peer, "id")));
  warn_of_look_alikes(text_of(peer, "name"), array_of(result, "looks_like"));
  if (const std::string wish = text_of(result, "wish"); !wish.empty())
    say("it keeps that name; to call it " + base::quoted(wish) + ": " +
        common_.command("rename " + base::shell_quoted(name) + " " + base::shell_quoted(wish)));
  if (unsure_) {
    say(unsure_text(name));
    return ExitCode::partly;
  }
  if (kept_name_) say(renaming(name));
  say("try it: " + common_.command("offer " + base::shell_quoted(name) + " FILE"));
  return ExitCode::done;
}

std::string PairingTalk::so_far() const {
  if (paired_.empty()) return {};
  return paired_ + " is your contact now, verified; " + renaming(paired_) +
         (unsure_ ? "; " + unsure_text(paired_) : "");
}

}  // namespace peer::cli
