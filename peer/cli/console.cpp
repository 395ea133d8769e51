#include "cli/console.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/prompt.hpp"
#include "cli/review_text.hpp"
#include "trust/names.hpp"

namespace peer::cli {
namespace {

/// Contacts before strangers, then the older first.
bool comes_before(const Json& a, const Json& b) {
  const bool stranger_a = flag_of(a, "from_stranger"), stranger_b = flag_of(b, "from_stranger");
  if (stranger_a != stranger_b) return !stranger_a;
  return number_of(a, "number") < number_of(b, "number");
}

/// "12  1.5 MB  photos/a.jpg": what fits a narrow screen.
std::string list_line(const Json& entry) {
  const std::string kind = text_of(entry, "kind");
  const std::string what = kind == "file" ? base::size_text(number_of(entry, "size")) : kind;
  return std::to_string(number_of(entry, "index")) + "  " + what + "  " +
         base::escaped(bytes_of(entry, "path"));
}

/// Why an offer left the console, by the state it has now.
std::string gone_text(const std::string& state) {
  if (state == "active" || state == "done" || state == "partial") return "it is accepted";
  if (state == "rejected") return "it was rejected elsewhere";
  if (state == "cancelled") return "it was withdrawn";
  return state.empty() ? "it is gone" : "it is " + base::escaped(state);
}

std::uint64_t entry_count(const Json& offer) {
  return number_of(offer, "files") + number_of(offer, "folders") + number_of(offer, "links");
}

std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
}

}  // namespace

Console::Console(Client& client, const Common& common, Accept accept)
    : client_(client), common_(common), accept_(std::move(accept)) {}

std::uint64_t Console::number() const { return number_of(queue_.front().offer, "number"); }

bool Console::still(std::uint64_t number) const {
  return asking_ && !queue_.empty() && this->number() == number;
}

Allowed Console::allowed() const {
  const Question& question = queue_.front();
  return {has_rest(question.review), flag_of(question.offer, "from_stranger")};
}

void Console::add(const Json& offer, const Json& review) {
  if (input_ended_) return;
  // The one that stands on the screen stays there, whoever comes.
  const auto first = queue_.begin() + (asking_ ? 1 : 0);
  const auto at = std::find_if(
      first, queue_.end(), [&](const Question& other) { return comes_before(offer, other.offer); });
  queue_.insert(at, Question{offer, review});
  if (!asking_) next();
}

void Console::remove(std::uint64_t gone, const std::string& state) {
  const bool shown = still(gone);
  const auto at = std::find_if(queue_.begin(), queue_.end(), [gone](const Question& question) {
    return number_of(question.offer, "number") == gone;
  });
  if (at == queue_.end()) return;
  const std::string what = offer_text(at->offer);
  queue_.erase(at);
  if (!shown) return;
  client_.stop_lines();
  end_prompt(false);
  say(what + ": no answer is needed any more, " + gone_text(state));
  finished();
}

void Console::finished() {
  asking_ = false;
  next();
}

void Console::next() {
  if (queue_.empty() || input_ended_) return;
  asking_ = true;
  ask();
}

void Console::ask() {
  const Question& question = queue_.front();
  const std::size_t columns = terminal_columns() - 1;
  const std::string keys = keys_text(allowed(), columns);
  const std::size_t rows = terminal_rows() - std::min(terminal_rows() - 1, count_lines(keys) + 1);
  for (const std::string& line : question_lines(question.offer, question.review, columns, rows))
    say(line);
  ask_keys();
}

void Console::ask_keys() {
  const std::string keys = keys_text(allowed(), terminal_columns() - 1);
  const auto last = keys.rfind('\n');
  if (last != std::string::npos) say(keys.substr(0, last));
  ask_line(client_, last == std::string::npos ? keys : keys.substr(last + 1),
           [this](std::optional<std::string> line) { answered(std::move(line)); });
}

void Console::answered(std::optional<std::string> line) {
  if (!line) {  // the terminal's input ended
    input_ended_ = true;
    asking_ = false;
    for (const Question& question : queue_)
      say(offer_text(question.offer) + " waits: " +
          common_.command("accept " + std::to_string(number_of(question.offer, "number"))));
    queue_.clear();
    return;
  }
  if (const auto answer = parse_answer(*line, allowed())) return decide(*answer);
  if (line->find_first_not_of(" \t\r") == std::string::npos) return ask();
  say(base::quoted(*line) + " is none of the answers; Enter alone shows the offer again");
  ask_keys();
}

void Console::decide(Answer answer) {
  switch (answer) {
    case Answer::accept:
      return accept(Json::object());
    case Answer::update:
      return accept(Json::object({{"on_clash", "skip"}}));
    case Answer::reject:
      return reject(false);
    case Answer::block:
      return reject(true);
    case Answer::pair:
      return ask_name();
    case Answer::details:
      return show_list([this] { ask(); });
    case Answer::some:
      if (queue_.front().listed > 0) return ask_choice();
      return show_list([this] { ask_choice(); });
    case Answer::later: {
      const std::string number = std::to_string(this->number());
      say("offer " + number + " waits: " + common_.command("accept " + number));
      queue_.pop_front();
      return finished();
    }
  }
}

void Console::accept(Json fields) {
  const auto number = this->number();
  queue_.pop_front();
  accept_(number, std::move(fields));
  finished();
}

void Console::reject(bool block) {
  const std::string who = peer_text(object_of(queue_.front().offer, "peer"));
  Json body = {{"do", "reject"}, {"offer", std::to_string(number())}, {"block", block}};
  client_.request(std::move(body), [who, block](const Json& message) {
    if (is_failure(message))
      say(base::escaped(text_of(message, "failed")));
    else if (block && message.contains("result"))
      say(who + " is blocked; peer unblock undoes it");
  });
  queue_.pop_front();
  finished();
}

void Console::show_list(std::function<void()> then) {
  const auto number = this->number();
  const auto from = queue_.front().listed;
  const std::size_t wanted = std::max<std::size_t>(terminal_rows() - 4, 4);
  const auto page = std::make_shared<std::vector<Json>>();
  const auto shown = std::make_shared<bool>(false);
  Json body = {{"do", "offers"}, {"offer", std::to_string(number)}, {"entries", true}};
  client_.request(std::move(body), [=, this](const Json& message) {
    if (*shown) return;
    for (const Json& entry : array_of(message, "entries"))
      if (number_of(entry, "index") >= from && page->size() <= wanted) page->push_back(entry);
    const bool more = page->size() > wanted;
    if (!more && !is_last_word(message)) return;
    *shown = true;
    if (!is_last_word(message)) client_.stop(number_of(message, "request"));
    if (!still(number)) return;
    if (more) page->resize(wanted);
    if (is_failure(message)) say(base::escaped(text_of(message, "failed")));
    show_page(*page, more);
    then();
  });
}

void Console::show_page(const std::vector<Json>& page, bool more) {
  const std::size_t columns = terminal_columns() - 1;
  for (const Json& entry : page) say(clipped(list_line(entry), columns));
  Question& question = queue_.front();
  question.listed = more && !page.empty() ? number_of(page.back(), "index") + 1 : 0;
  if (more)
    say(clipped(
        "more follow: d again; all: " + common_.command("offers " + std::to_string(number())),
        columns));
}

void Console::ask_choice() {
  const std::string what = "numbers (1, 4-7) or patterns (*.jpg)", back = "Enter goes back > ";
  const bool one_line = what.size() + 2 + back.size() < terminal_columns();
  if (!one_line) say(clipped(what, terminal_columns() - 1));
  ask_line(client_, one_line ? what + ", " + back : back, [this](std::optional<std::string> line) {
    line ? chosen(*line) : answered(std::nullopt);
  });
}

void Console::chosen(const std::string& line) {
  if (line.find_first_not_of(" \t") == std::string::npos) return ask();
  std::string why;
  const auto choice = parse_choice(line, entry_count(queue_.front().offer), why);
  if (!choice) {
    say(base::escaped(why));
    return ask_choice();
  }
  Json fields = Json::object();
  if (!choice->entries.empty()) fields["entries"] = choice->entries;
  if (!choice->only.empty()) fields["only"] = bytes_values(choice->only);
  accept(std::move(fields));
}

void Console::ask_name() {
  const std::string suggested =
      trust::name_from(text_of(object_of(queue_.front().offer, "peer"), "calls_itself"));
  ask_line(client_,
           suggested.empty() ? "name of the contact > "
                             : "name of the contact (Enter: " + base::escaped(suggested) + ") > ",
           [this, suggested](std::optional<std::string> line) {
             line ? named(*line, suggested) : answered(std::nullopt);
           });
}

void Console::named(const std::string& line, const std::string& suggested) {
  const std::string name = line.empty() ? suggested : line;
  if (name.empty()) return ask();
  const std::string error = trust::name_error(name);
  if (!error.empty()) {
    say(base::escaped(error));
    return ask_name();
  }
  name_contact(name);
}

/// Whether the name is free only the node knows.
void Console::name_contact(const std::string& name) {
  const auto number = this->number();
  Json body = {{"do", "accept"},
               {"offer", std::to_string(number)},
               {"dry_run", true},
               {"add_contact", name}};
  client_.request(std::move(body), [this, number, name](const Json& message) {
    if (!is_last_word(message) || !still(number)) return;
    if (is_failure(message)) {
      say(base::escaped(text_of(message, "failed")));
      const bool name_taken = number_of(message, "exit") == static_cast<int>(ExitCode::usage);
      return name_taken ? ask_name() : ask();
    }
    say(base::escaped(name) + " becomes a contact, not verified; to verify: " +
        common_.command("invite") + ", and 'peer join' there");
    accept(Json::object({{"add_contact", name}}));
  });
}

}  // namespace peer::cli
