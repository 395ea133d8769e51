#include "cli/watch.hpp"

#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/prompt.hpp"

namespace peer::cli {

Watch::Watch(Client& client, const Common& common, WatchOptions options)
    : client_(client), common_(common), options_(std::move(options)), view_(common) {
  if (can_ask(common))
    console_ = std::make_unique<Console>(client, common, [this](std::uint64_t number, Json fields) {
      accept(number, true, std::move(fields));
    });
  Json body = {{"do", "watch"}, {"console", options_.outgoing}};
  if (!options_.from.empty()) body["from"] = options_.from;
  client_.request(std::move(body), [this](const Json& message) {
    if (is_last_word(message))
      failure_ = message;
    else
      event(message);
  });
}

void Watch::run() {
  while (!options_.count || ended_ < *options_.count || !accepted_.empty()) {
    client_.turn();
    if (!failure_) continue;
    throw_if_failed(*failure_);
    throw NodeGone();
  }
}

ExitCode Watch::exit_code() const {
  if (failed_ == 0) return ExitCode::done;
  return ended_ == 1 ? worst_ : ExitCode::partly;
}

bool Watch::has_room() const {
  return !options_.count || ended_ + accepted_.size() < *options_.count;
}

void Watch::tell_waiting() const {
  if (!options_.awaits_more || !accepted_.empty() || !has_room()) return;
  if (console_ && console_->asking()) return;
  say(ended_ == 0 ? "waiting for offers; Ctrl-C ends" : "waiting for the next offer; Ctrl-C ends");
}

void Watch::event(const Json& message) {
  const std::string kind = text_of(message, "event");
  if (kind == "offer") {
    arrived(object_of(message, "offer"), object_of(message, "review"));
  } else if (kind == "withdrawn") {
    const auto number = number_of(message, "number");
    waiting_.erase(number);
    if (console_) console_->remove(number, text_of(message, "state"));
    if (common_.json && !accepted_.contains(number))
      print_row("withdrawn", Json::object({{"number", number}}));
  } else if (kind == "progress") {
    progressed(event_body(message, "offer"));
  }
}

void Watch::arrived(const Json& offer, const Json& review) {
  view_.expect(offer);
  if (common_.json) {
    Json row = offer;
    row["review"] = review;
    print_row("offer", row);
  }
  if (has_room())
    consider(offer, review);
  else
    waiting_[number_of(offer, "number")] = {offer, review};
}

void Watch::consider(const Json& offer, const Json& review) {
  const auto number = number_of(offer, "number");
  const bool stranger = flag_of(offer, "from_stranger");
  if (stranger ? options_.accept_strangers : options_.accept_contacts) {
    say(offer_text(offer) + ": " + totals_text(offer) + ": accepted");
    accept(number, false, Json::object());
  } else if (console_) {
    ask(offer, review);
  } else {
    for (const std::string& line : offer_lines(offer, common_)) say(line);
  }
}

/// With options of its own this command looks at what they would do before anybody is asked.
void Watch::ask(const Json& offer, const Json& review) {
  if (options_.landing.empty()) return console_->add(offer, review);
  Json body = options_.landing;
  body["do"] = "accept";
  body["offer"] = std::to_string(number_of(offer, "number"));
  body["dry_run"] = true;
  client_.request(std::move(body), [this, offer](const Json& message) {
    if (is_failure(message))
      say(offer_text(offer) + ": " + base::escaped(text_of(message, "failed")));
    else if (message.contains("result"))
      console_->add(offer, object_of(object_of(message, "result"), "review"));
  });
}

void Watch::accept(std::uint64_t number, bool asked, Json fields) {
  Json body = options_.landing;
  body.update(fields);
  body["do"] = "accept";
  body["offer"] = std::to_string(number);
  body["wait"] = false;
  accepted_.insert(number);
  client_.request(std::move(body), [this, number, asked](const Json& message) {
    if (is_failure(message)) accept_failed(number, asked, message);
  });
}

void Watch::accept_failed(std::uint64_t number, bool asked, const Json& message) {
  accepted_.erase(number);
  const std::string text = std::to_string(number);
  say("offer " + text + " was not accepted: " + base::escaped(text_of(message, "failed")));
  const auto code = static_cast<ExitCode>(number_of(message, "exit"));
  if (code == ExitCode::unknown) return;  // withdrawn in the same moment
  say("it waits: " + common_.command("accept " + text));
  if (!asked) transfer_ended(code);  // nobody is there to try again
}

/// Whether this command counts a transfer that it has not accepted itself: it was, before this
/// node was started, or a rule has taken it.
bool Watch::adopts(const Json& offer) const {
  if (text_of(offer, "direction") != "in") return false;
  const bool taken_alone =
      !options_.outgoing && text_of(object_of(offer, "decided_by"), "do") == "accept";
  return options_.adopt || taken_alone;
}

/// Once of each: what a rule has answered in this user's place.
void Watch::tell_rule(const Json& offer) {
  const std::string did = text_of(object_of(offer, "decided_by"), "do");
  if (did.empty() || did == "ask" || !by_rule_.insert(number_of(offer, "number")).second) return;
  clear_status();
  say(offer_text(offer) + ": " + totals_text(offer) + ": " + decided_text(offer));
}

void Watch::progressed(const Json& offer) {
  tell_rule(offer);
  const bool news = view_.is_news(offer);
  const bool ended = view_.update(offer);
  if (adopts(offer) && (ended || text_of(offer, "state") == "active"))
    accepted_.insert(number_of(offer, "number"));
  if (common_.json && (news || ended)) print_row(ended ? "offer" : "progress", offer);
  if (!ended) return;
  view_.finish(offer);
  if (accepted_.erase(number_of(offer, "number")) > 0) transfer_ended(exit_code_of(offer));
}

void Watch::transfer_ended(ExitCode code) {
  ++ended_;
  if (code != ExitCode::done) ++failed_, worst_ = code;
  while (!waiting_.empty() && has_room()) {
    const auto next = waiting_.extract(waiting_.begin());
    consider(next.mapped().first, next.mapped().second);
  }
  tell_waiting();
}

}  // namespace peer::cli
