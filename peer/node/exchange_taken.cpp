#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "async/run_on.hpp"
#include "async/sleep.hpp"
#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/exchange.hpp"
#include "node/failure.hpp"
#include "node/fetching.hpp"
#include "node/wire_text.hpp"
#include "storage/staging.hpp"

namespace peer::node {

using base::Exit;
using protocol::Direction;
using protocol::Errc;
using std::chrono::steady_clock;
using Json = nlohmann::json;

// ---- deciding

namespace {
constexpr std::chrono::seconds kListTime{10};  ///< that somebody waits for a damaged list
constexpr std::chrono::seconds kMemoryPause{2};
}  // namespace

storage::LandingPlan Exchange::default_plan() const {
  storage::LandingPlan plan;
  plan.folder = services_.settings.downloads;
  plan.durable = services_.settings.durable;
  storage::parse_on_clash(services_.settings.on_clash, plan.on_clash);
  return plan;
}

asio::awaitable<storage::Review> Exchange::review(OfferPtr offer, storage::LandingPlan plan) {
  const auto* what = &plan;
  auto job = [folder = offer->folder, what]() -> Result<storage::Review> {
    auto catalogue = storage::Catalogue::open(folder);
    if (!catalogue) return std::move(catalogue).error();
    return storage::review(**catalogue, *what);
  };
  const auto number = offer->row.number;
  auto seen = co_await async::run_on(services_.disk, job);
  if (!seen && seen.error().code == std::errc::state_not_recoverable && !offer->given()) {
    renew_list(offer);
    const auto give_up = steady_clock::now() + kListTime;
    while (renewing_.contains(number) && steady_clock::now() < give_up)
      co_await services_.changed.wait_for(give_up - steady_clock::now());
    auto again = co_await async::run_on(services_.disk, job);
    seen = std::move(again);
  }
  if (!seen)
    throw Failure(Exit::failed, "offer " + std::to_string(number) + ": " + seen.error().text());
  co_return std::move(*seen);
}

namespace {

bool is_home_or_root(const std::string& folder) {
  std::error_code ignored;
  return std::filesystem::equivalent(folder, "/", ignored) ||
         std::filesystem::equivalent(folder, base::user_home(), ignored);
}

/// What chooses nothing was mistyped.
void check_choice(const storage::Selection& selection, const storage::Review& seen,
                  const std::string& called) {
  if (!selection.entries.empty() && selection.entries.back() >= seen.all.entries()) {
    throw Failure(Exit::usage,
                  called + " has no entry " + std::to_string(selection.entries.back()) +
                      ": they are numbered from 0 to " + std::to_string(seen.all.entries() - 1));
  }
  if (selection.all() || seen.matched > 0) return;
  throw Failure(Exit::usage, "nothing in " + called +
                                 " matches what was chosen: peer offers shows its whole list");
}

std::uint32_t lanes_for(const protocol::ManifestTotals& chosen, const Pair& pair) {
  if (chosen.bytes < kLaneWorthBytes && chosen.files < kLaneWorthFiles) return 0;
  return pair.round_trip < kFar ? kLanes : kLanesFar;
}

}  // namespace

asio::awaitable<void> Exchange::accept(OfferPtr offer, storage::LandingPlan plan, Answerer by) {
  auto& row = offer->row;
  const auto called = "offer " + std::to_string(row.number);
  if (offer->taking) {  // the same answer again
    if (row.paused) co_return resume(offer);
    if (!offer->taking->paused() || offer->clearing) co_return;
    if (!offer->trouble_is_ours) {
      offer->taking->resume();
      co_return;
    }
    // The folder may be another one than it was: all is looked at anew, as after a restart.
    const auto before = offer->taking;
    auto same = before->plan();
    before->stop();
    while (offer->taking == before) co_await services_.changed.wait();
    if (before->drive_away()) {
      auto job = [record = offer->folder]() -> Result<void> {
        auto folder = storage::Folder::open(record);
        if (!folder) return std::move(folder).error();
        return storage::Staging::leave_drive_away(*folder);
      };
      // If not, it is told once more that the drive is away.
      if (auto forgot = co_await async::run_on(services_.disk, std::move(job)); !forgot)
        base::log(base::Level::warning, "exchange", called + ": " + forgot.error().text());
    }
    if (!offer->taking && offer->is(state::active) && !offer->clearing && !offer->ended() &&
        !stopping_)
      go_on_taking(offer, std::move(same));
    co_return;
  }
  if (!(offer->is(state::pending) || offer->is(state::partial))) {
    throw Failure(Exit::failed, called + " cannot be accepted: it is " + row.state);
  }
  // What a `get` asked for by name may land where its user stands, even at home.
  if (by != Answerer::get && is_home_or_root(plan.folder)) {
    throw Failure(Exit::failed, called + ": files are not received straight into " +
                                    base::quoted(plan.folder) +
                                    ": name a folder below it with --to");
  }
  const auto where = plan;
  auto seen = co_await review(offer, where);
  if (!plan.as.empty() && seen.root_count != 1) {
    throw Failure(Exit::usage, "--as names the one root of an offer; " + called + " has " +
                                   std::to_string(seen.root_count));
  }
  check_choice(plan.selection, seen, called);
  if (seen.folder_refuses) {
    throw Failure(Exit::failed,
                  called + ": cannot " + (seen.folder_exists ? "write into " : "make the folder ") +
                      base::quoted(plan.folder) + ": " + seen.folder_refuses.message() +
                      ": choose another folder with --to");
  }
  if (!(offer->is(state::pending) || offer->is(state::partial)) || offer->taking) {
    throw Failure(Exit::failed, called + " was decided elsewhere meanwhile");
  }
  std::uint64_t missing = 0;
  if (!services_.space.reserve(row.id, plan.folder, seen.needed_bytes, missing)) {
    throw Failure(Exit::no_space, called + " needs " + base::size_text(seen.needed_bytes) + " in " +
                                      base::quoted(plan.folder) + ", where " +
                                      base::size_text(seen.free_bytes) + " are free (" +
                                      base::size_text(missing) +
                                      " missing, counting what other transfers still need): free "
                                      "some, or choose another folder with --to");
  }
  auto& pair = sessions_->pair(row.peer);
  protocol::Accept message;
  message.id = row.id;
  message.manifest = row.offer.manifest;
  message.files = seen.chosen.files;
  message.bytes = seen.chosen.bytes;
  message.lanes = lanes_for(seen.chosen, pair);
  if (auto said = pair.ledger.accept(message); !said) {
    services_.space.release(row.id);
    throw Failure(Exit::failed, called + " cannot be accepted any more: " + said.error().text());
  }
  row.options = plan_to_json(plan);
  if (by != Answerer::rule) row.decided_by.clear();
  row.state = state::active;
  row.files_done = 0;
  row.bytes_done = 0;
  row.failed = 0;
  row.failures.clear();
  note(offer);
  co_await services_.saved();  // once the giver knows, so must we after a crash
  if (!offer->is(state::active) || offer->ended() || offer->taking || stopping_) co_return;
  start_taking(offer, std::move(plan));
  say(pair);
  sessions_->open_lanes(pair, row.id, message.lanes);
}

void Exchange::reject(const OfferPtr& offer, const std::string& code, const std::string& text,
                      Answerer by) {
  auto& pair = sessions_->pair(offer->row.peer);
  protocol::Reject message;
  message.id = offer->row.id;
  message.reason = code;
  message.text = wire_text(text, protocol::kMaxTextBytes);
  if (offer->is(state::partial)) {
    protocol::Cancel cancel;  // a round was taken already: what is declined now is the rest
    cancel.id = message.id;
    cancel.reason = "cancelled";
    cancel.text = message.text;
    if (!pair.ledger.cancel(cancel))
      throw Failure(Exit::failed,
                    "offer " + std::to_string(offer->row.number) + " has ended meanwhile");
    offer->row.state = state::cancelled;
  } else {
    if (auto said = pair.ledger.reject(message); !said) {
      throw Failure(Exit::failed, "offer " + std::to_string(offer->row.number) +
                                      " cannot be rejected: it is " + offer->row.state);
    }
    offer->row.state = state::rejected;
  }
  if (const auto it = fetches_.find(offer->row.number); it != fetches_.end()) it->second->stop();
  offer->row.outcome_text = text;
  if (by != Answerer::rule) offer->row.decided_by.clear();
  note(offer);
  say(pair);
  drop_list(offer);
}

/// Of what was rejected only the answer is kept, until it has been heard.
void Exchange::drop_list(const OfferPtr& offer) {
  offer->row.manifest_here = false;
  offers_.save(offer);
  offers_.drop_record(offer);
}

// ---- carrying it out

void Exchange::start_taking(const OfferPtr& offer, storage::LandingPlan plan) {
  auto& pair = sessions_->pair(offer->row.peer);
  const auto* taken = pair.ledger.find_taken(offer->row.id);
  offer->trouble.reset();
  offer->taking = std::make_shared<Taking>(services_, offers_, pair, offer, std::move(plan),
                                           taken ? taken->round : 1);
  if (offer->row.paused) offer->taking->pause();
  tasks_.spawn("take", carry_out(offer));
}

void Exchange::go_on_taking(const OfferPtr& offer, storage::LandingPlan plan) {
  const auto* taken = sessions_->pair(offer->row.peer).ledger.find_taken(offer->row.id);
  const auto chosen = taken && taken->accept ? taken->accept->bytes : 0;
  const auto left = chosen - std::min(offer->row.bytes_done, chosen);
  std::uint64_t missing = 0;  // if it does not fit any more, the disk will tell
  services_.space.reserve(offer->row.id, plan.folder, left, missing);
  start_taking(offer, std::move(plan));
}

asio::awaitable<void> Exchange::carry_out(OfferPtr offer) {
  bool no_memory = false;
  try {
    co_await carry_out_once(offer);
  } catch (const std::bad_alloc& error) {
    base::log(base::Level::error, "exchange",
              "offer " + std::to_string(offer->row.number) + ": " + error.what());
    no_memory = true;
  }
  if (!no_memory) co_return;
  offer->taking.reset();
  co_await async::sleep(kMemoryPause);
  if (offer->is(state::active) && !offer->taking && !offer->clearing && !offer->ended() &&
      !stopping_)
    go_on_taking(offer, plan_from_json(offer->row.options));
}

asio::awaitable<void> Exchange::carry_out_once(OfferPtr offer) {
  const auto taking = offer->taking;
  auto ending = co_await taking->run();
  offer->taking.reset();
  offer->lanes = 0;
  if (ending.kind == Taking::Ending::Kind::delivered) {
    // What the giver could not send did not arrive either: both are named, and told to the giver.
    auto& result = ending.delivered;
    result.failed += result.gone;
    for (auto& gone : result.gone_entries) {
      if (result.failures.size() < protocol::kMaxFailuresNamed)
        result.failures.push_back(std::move(gone));
    }
    const auto* failures = &result.failures;
    auto job = [folder = offer->folder, failures] { return with_paths(folder, *failures); };
    offer->row.failures = co_await async::run_on(services_.disk, std::move(job));
    co_await delivered(offer, std::move(ending.delivered));
  } else if (ending.kind == Taking::Ending::Kind::failed) {
    if (!offer->clearing) (void)co_await remove_staged(offer, taking->intake(), false);
    taking_failed(offer, ending.text);
  } else if (ending.kind == Taking::Ending::Kind::again && offer->is(state::active) &&
             !offer->clearing && !offer->ended() && !stopping_) {
    go_on_taking(offer, taking->plan());
  } else if (ending.kind == Taking::Ending::Kind::list_damaged && !stopping_) {
    renew_list(offer);
  }
  services_.changed.notify_all();
}

asio::awaitable<void> Exchange::delivered(OfferPtr offer, storage::Intake::Delivered result) {
  auto& row = offer->row;
  auto& pair = sessions_->pair(row.peer);
  row.files_done = result.files;
  row.bytes_done = result.bytes;
  row.failed = result.failed;
  row.delivered_to = result.roots;
  // What a `get` asked for was asked once: no rest of it stays on offer.
  const bool complete = result.complete || row.offer.get.has_value();
  row.state = complete ? state::done : state::partial;
  protocol::Done done;
  done.id = row.id;
  done.files = result.files;
  done.bytes = result.bytes;
  done.failed = result.failed;
  done.complete = complete;
  for (const auto& failure : result.failures) {
    if (done.failures.size() == protocol::kMaxFailuresNamed) break;
    done.failures.push_back({failure.entry, wire_text(failure.text, kFailureTextBytes)});
  }
  if (auto said = pair.ledger.finish(done); !said)
    base::log(base::Level::warning, "exchange", said.error().text());
  note(offer);
  co_await services_.saved();  // or a crash would make us accept what the other side knows is done
  say(pair);
}

void Exchange::taking_failed(const OfferPtr& offer, const std::string& text) {
  auto& pair = sessions_->pair(offer->row.peer);
  protocol::Cancel cancel;
  cancel.id = offer->row.id;
  cancel.reason = protocol::wire_code(Errc::bad_digest);
  cancel.text = wire_text(text, protocol::kMaxTextBytes);
  offer->row.state = state::failed;
  offer->row.outcome_text = text;
  if (pair.ledger.cancel(cancel)) note(offer);
  say(pair);
}

// ---- decisions and plans in the database

std::string decided_by(base::Verdict verdict, const std::string& rule, const std::string& why) {
  Json json;
  json["do"] = base::to_string(verdict);
  json["rule"] = rule;
  if (!why.empty()) json["why"] = why;
  return json.dump();
}

std::string plan_to_json(const storage::LandingPlan& plan, bool keep) {
  Json json;
  if (keep) json["keep"] = true;
  json["to"] = json_bytes(plan.folder);
  json["as"] = json_bytes(plan.as);
  json["on_clash"] = storage::to_string(plan.on_clash);
  json["only"] = json_byte_list(plan.selection.only);
  json["except"] = json_byte_list(plan.selection.except);
  json["entries"] = plan.selection.entries;
  if (plan.durable) json["durable"] = true;
  return json.dump();
}

storage::LandingPlan plan_from_json(const std::string& text) {
  storage::LandingPlan plan;
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return plan;
  plan.folder = bytes_of(json, "to");
  plan.as = bytes_of(json, "as");
  storage::parse_on_clash(bytes_of(json, "on_clash"), plan.on_clash);
  plan.selection.only = byte_list_of(json, "only");
  plan.selection.except = byte_list_of(json, "except");
  plan.selection.entries = numbers_of(json, "entries");
  plan.durable = flag_of(json, "durable");
  return plan;
}

bool keeps_complete(const std::string& text) {
  const auto json = Json::parse(text, nullptr, false);
  return json.is_object() && flag_of(json, "keep");
}

}  // namespace peer::node
