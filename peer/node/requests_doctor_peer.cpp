#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "async/run_on.hpp"
#include "async/sleep.hpp"
#include "base/text.hpp"
#include "net/endpoint_text.hpp"
#include "net/interfaces.hpp"
#include "node/bytes_json.hpp"
#include "node/doctor_events.hpp"
#include "node/failure.hpp"
#include "node/knock.hpp"
#include "node/known_addresses.hpp"
#include "node/speed.hpp"

/// `doctor` with a peer: who answers where, the way that is used, and how it has served.
namespace peer::node {

using base::Exit;
using doctor::Check;
using Json = nlohmann::json;
using std::chrono::microseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kPings = 5;
constexpr std::chrono::seconds kPingTime{3};
constexpr std::chrono::milliseconds kPingLook{1};
constexpr std::chrono::milliseconds kPingPause{20};
constexpr std::size_t kTransfers = 5;  ///< told of, the latest
constexpr std::size_t kTransfersRead = 50;
constexpr std::size_t kTitleColumns = 30;

std::string milliseconds_text(std::chrono::nanoseconds time) {
  const auto tenths = std::chrono::round<microseconds>(time).count() / 100;
  if (tenths == 0) return "under 0.1 ms";
  if (tenths >= 1000) return std::to_string(tenths / 10) + " ms";
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

/// An address and what came of knocking there.
struct Way {
  trust::Address address;
  Knocked knocked;
};

asio::awaitable<std::vector<Way>> knock_at(Node& node, std::vector<trust::Address> addresses) {
  const auto knocked = co_await knock_all(*node.services.tls, addresses);
  std::vector<Way> ways;
  for (std::size_t i = 0; i < addresses.size(); ++i) ways.push_back({addresses[i], knocked[i]});
  co_return ways;
}

/// How this peer knows that address of another.
storage::Learned known_by(Node& node, const protocol::PeerId& id, const std::string& where) {
  if (const auto* nearby = node.services.nearby.find(id)) {
    for (const auto& address : nearby->addresses)
      if (address.text() == where) return storage::Learned::nearby;
  }
  const auto* row = node.contacts.find(id);
  const auto* known = row ? find_address(row->addresses, where) : nullptr;
  return known ? known->learned : storage::Learned::heard;
}

std::string how_text(storage::Learned how) {
  if (how == storage::Learned::nearby) return " (heard nearby)";
  if (how == storage::Learned::paired) return " (told while pairing)";
  if (how == storage::Learned::imported) return " (from a file of contacts)";
  if (how == storage::Learned::heard) return " (where it said it listens)";
  return "";
}

/// What to do about an address where the right one does not answer.
std::string remedy_of(const Way& way, const std::string& who) {
  const auto port = std::to_string(way.address.port);
  switch (way.knocked.answer) {
    case Knocked::Answer::refused:
      return "run 'peer start' there";
    case Knocked::Answer::no_answer:
      return "run 'peer doctor' there; it may take: sudo ufw allow " + port + "/tcp";
    case Knocked::Answer::unreachable:
      return "is the network of this machine up? ip route get " + way.address.host;
    case Knocked::Answer::no_host:
      return "is the name spelt right, and is there a network?";
    case Knocked::Answer::no_peer:
      return "another program listens there: is the port right?";
    case Knocked::Answer::identity:
      return "ask " + who + " what 'peer id' shows there; if it has really changed: peer forget " +
             who + ", then peer add " + who + " " + way.address.text();
    case Knocked::Answer::failed:
      return "";
  }
  return "";
}

std::string answer_text(const Way& way) {
  const auto& knocked = way.knocked;
  switch (knocked.answer) {
    case Knocked::Answer::refused:
      return "refuses the connection: nobody listens there";
    case Knocked::Answer::no_answer:
      return "no answer: it is off, in another network, or a firewall drops it";
    case Knocked::Answer::unreachable:
      return "there is no way: " + base::escaped(knocked.why);
    case Knocked::Answer::no_host:
      return "no address has that name: " + base::escaped(knocked.why);
    case Knocked::Answer::no_peer:
      return "no peer answers: " + base::escaped(knocked.why);
    case Knocked::Answer::identity:
      return "answers in " + milliseconds_text(knocked.took);
    case Knocked::Answer::failed:
      break;
  }
  return "failed: " + base::escaped(knocked.why);
}

/// `found`: the right one is reached in some way, so that nothing else is worse than a note.
Check way_check(Node& node, const protocol::PeerId& id, const Way& way, bool found) {
  const auto where = way.address.text();
  const auto who = node.contacts.called(id);
  const auto how = known_by(node, id, where);
  const bool right = way.knocked.met == id;
  const bool other = way.knocked.met && !right;
  Check check;
  check.name = "address";
  check.facts["address"] = json_text(where);
  check.facts["known"] = storage::learned_word(how);
  check.facts["answer"] = right   ? "right"
                          : other ? "other_identity"
                                  : std::string(to_string(way.knocked.answer));
  check.text = base::escaped(where) + how_text(how) + " ";
  if (!way.knocked.local.empty()) check.facts["local"] = way.knocked.local;
  if (right) {
    check.facts["handshake_us"] =
        std::chrono::duration_cast<microseconds>(way.knocked.took).count();
    check.text += who + " " + answer_text(way);
    return check;
  }
  check.state = found && !other ? Check::State::note : Check::State::problem;
  check.remedy = remedy_of(way, who);
  if (other) {
    check.text += "another identity answers";
    check.facts["expected"] = id.text();
    check.facts["met"] = way.knocked.met->text();
    check.lines = {"expected " + id.text(), "met      " + way.knocked.met->text()};
  } else {
    check.text += answer_text(way);
  }
  return check;
}

std::string interface_of(const asio::ip::address& local) {
  for (const auto& one : net::machine_addresses())
    if (net::address_text(one.address) == net::address_text(local)) return one.interface;
  return {};
}

Check route_check(const Session& session) {
  Check check;
  check.name = "route";
  const auto local = net::address_text(session.local());
  const auto interface = interface_of(session.local());
  const auto since = std::chrono::system_clock::to_time_t(session.since());
  check.facts["remote"] = session.remote();
  check.facts["local"] = local;
  check.facts["interface"] = base::escaped(interface);
  check.facts["dialled"] = session.dialled();
  check.facts["since"] = since;
  check.text = "connected via " + session.remote() + " from " + local +
               (interface.empty() ? "" : " on " + base::escaped(interface)) + ", since " +
               base::time_text(since);
  check.lines.push_back(session.dialled() ? "dialled from here" : "dialled from there");
  return check;
}

/// Greeted and alive, or none.
std::shared_ptr<Session> session_with(Node& node, const protocol::PeerId& id) {
  auto session = node.sessions.pair(id).session;
  return session && !session->over() ? session : nullptr;
}

/// The median of some questions and answers over the session, or over the one that replaces it
/// meanwhile.
asio::awaitable<Check> round_trip_check(Node& node, protocol::PeerId id) {
  std::vector<std::chrono::nanoseconds> times;
  for (std::size_t tries = 0; tries < 2 * kPings && times.size() < kPings; ++tries) {
    const auto session = session_with(node, id);
    if (!session) break;
    const auto asked = steady_clock::now();
    session->talk().ping();
    session->flush();
    while (!session->over() && session->heard() <= asked && steady_clock::now() < asked + kPingTime)
      co_await async::sleep(kPingLook);
    if (session->heard() > asked)
      times.push_back(session->heard() - asked);
    else if (!session->over())
      break;
    co_await async::sleep(kPingPause);
  }
  Check check;
  check.name = "round_trip";
  check.facts["answered"] = times.size();
  if (times.size() < kPings) {
    check.state = Check::State::problem;
    check.text = times.empty() ? "no answer over the connection" : "not every question is answered";
    check.remedy = "the way there is broken or very busy; it is dialled anew by itself";
    co_return check;
  }
  std::ranges::sort(times);
  const auto median = times[times.size() / 2];
  check.facts["median_us"] = std::chrono::duration_cast<microseconds>(median).count();
  check.facts["least_us"] = std::chrono::duration_cast<microseconds>(times.front()).count();
  check.facts["most_us"] = std::chrono::duration_cast<microseconds>(times.back()).count();
  check.text = "there and back in " + milliseconds_text(median);
  if (times.back() > 4 * median + std::chrono::milliseconds(20))
    check.lines.push_back("at times " + milliseconds_text(times.back()));
  co_return check;
}

Check other_side_check(const Session& session) {
  const auto& hello = *session.talk().theirs();
  Check check;
  check.name = "other_side";
  const auto version = std::to_string(hello.major) + "." + std::to_string(hello.minor);
  check.facts["agent"] = json_text(hello.agent);
  check.facts["protocol"] = version;
  check.facts["calls_itself"] = json_text(hello.name);
  check.facts["port"] = hello.port;
  check.facts["features"] = Json::array();
  for (const auto& feature : hello.features) check.facts["features"].push_back(json_text(feature));
  constexpr std::size_t kColumns = 60;  // whatever it says
  check.text = base::escaped(hello.agent.empty() ? "some program" : hello.agent, kColumns) +
               ", protocol " + version;
  if (!hello.name.empty())
    check.text += ", calls itself ‘" + base::escaped(hello.name, kColumns) + "’";
  if (hello.port == 0) check.lines.push_back("it does not listen: it has to dial this peer");
  return check;
}

Check transfer_check(Node& node, const OfferRecord& offer, const TimeSpent::Totals& spent) {
  const auto& row = offer.row;
  const auto who = node.contacts.called(row.peer);
  Check check;
  check.name = "transfer";
  check.facts = speed_json(spent);
  check.facts["number"] = row.number;
  check.facts["direction"] = offer.given() ? "out" : "in";
  check.facts["title"] = json_text(row.offer.title);
  check.text = "offer " + std::to_string(row.number) + (offer.given() ? " to " : " from ") + who +
               " ‘" + base::escaped(row.offer.title, kTitleColumns) +
               "’: " + speed_text(spent, who);
  return check;
}

/// Of what is being carried, and then of what was, newest first.
asio::awaitable<std::vector<Check>> transfer_checks(Node& node, protocol::PeerId id) {
  auto& database = *node.services.database;
  const std::optional<protocol::PeerId> peer(id);
  auto job = [&database, peer] { return database.history(0, kTransfersRead, peer); };
  auto rows = co_await async::run_on(node.services.database_thread, std::move(job));
  if (!rows) throw Failure(Exit::failed, rows.error().text());
  std::vector<Check> checks;
  const auto note = [&](const OfferRecord& offer) {
    const auto spent = time_spent_on(offer);
    if (spent.bytes > 0 && checks.size() < kTransfers)
      checks.push_back(transfer_check(node, offer, spent));
  };
  for (const auto& [number, offer] : node.offers.open())
    if (offer->row.peer == id) note(*offer);
  for (auto& row : *rows) {
    OfferRecord offer;
    offer.row = std::move(row);
    note(offer);
  }
  co_return checks;
}

Check unknown_address_check(const Way& way) {
  Check check;
  check.name = "address";
  const auto where = way.address.text();
  check.facts["address"] = json_text(where);
  check.facts["answer"] = to_string(way.knocked.answer);
  check.text = base::escaped(where) + " ";
  if (!way.knocked.met) {
    check.state = Check::State::problem;
    check.text += answer_text(way);
    check.remedy = remedy_of(way, where);
    return check;
  }
  check.facts["met"] = way.knocked.met->text();
  check.text += "a peer that is no contact " + answer_text(way);
  check.lines = {way.knocked.met->text()};
  check.remedy = "peer add NAME " + where;
  return check;
}

/// An address that is no contact's: who is there?
asio::awaitable<Json> doctor_address(Node& node, Request& request, trust::Address address) {
  CheckEvents events(request);
  const std::vector<trust::Address> addresses(1, std::move(address));
  const auto ways = co_await knock_at(node, addresses);
  if (ways.front().knocked.met == node.services.identity->id())
    throw Failure(Exit::usage, "that is this peer itself: peer doctor");
  events.tell(unknown_address_check(ways.front()));
  co_return events.result(ways.front().knocked.met ? Exit::done : Exit::unreachable);
}

/// The address that a word means, if it is nobody's whom this peer knows.
std::optional<trust::Address> unknown_address(Node& node, const std::string& word) {
  const auto parsed = trust::parse_peer_word(word, protocol::kDefaultPort);
  if (!parsed) return std::nullopt;
  const auto* address = std::get_if<trust::Address>(&*parsed);
  if (!address || node.contacts.at_address(address->text()).size() == 1) return std::nullopt;
  return *address;
}

Check no_address_check(const std::string& who) {
  Check check;
  check.name = "address";
  check.state = Check::State::problem;
  check.text = "no address of " + who + " is known, and it is not heard nearby";
  check.remedy = "peer add " + who + " ADDRESS, or let " + who + " dial this peer";
  return check;
}

}  // namespace

asio::awaitable<Json> doctor_peer(Node& node, Request& request, std::string word) {
  co_await hear_nearby(node);
  if (auto address = unknown_address(node, word)) {
    auto where = *address;
    co_return co_await doctor_address(node, request, std::move(where));
  }
  const auto id = known_peer(node, word);
  if (id == node.services.identity->id())
    throw Failure(Exit::usage, "that is this peer itself: peer doctor");
  CheckEvents events(request);
  const auto who = node.contacts.called(id);
  if (node.contacts.is_blocked(id)) {
    Check check;
    check.name = "blocked";
    check.state = Check::State::problem;
    check.text = who + " is blocked here: nothing comes or goes";
    check.remedy = "peer unblock " + who;
    events.tell(check);
    co_return events.result(Exit::failed);
  }
  const auto ways = co_await knock_at(node, node.sessions.ways_to(node.sessions.pair(id)));
  const auto is_right = [&id](const Way& way) { return way.knocked.met == id; };
  const auto is_other = [&id](const Way& way) { return way.knocked.met && way.knocked.met != id; };
  const bool right = std::ranges::any_of(ways, is_right);
  std::string trouble;
  if (right && !session_with(node, id)) {
    auto reached = co_await node.sessions.reach(node.sessions.pair(id));
    trouble = std::move(reached.text);
  }
  const auto session = session_with(node, id);
  for (const auto& way : ways) events.tell(way_check(node, id, way, right || session));
  if (ways.empty() && !session) events.tell(no_address_check(who));
  if (session) {
    events.tell(route_check(*session));
    const auto round_trip = co_await round_trip_check(node, id);
    events.tell(round_trip);
    events.tell(other_side_check(*session));
  } else if (right) {
    Check check;
    check.name = "route";
    check.state = Check::State::problem;
    check.text = "no connection is made: " + base::escaped(trouble);
    events.tell(check);
  }
  const auto transfers = co_await transfer_checks(node, id);
  for (const auto& transfer : transfers) events.tell(transfer);
  if (std::ranges::any_of(ways, is_other) && !right) co_return events.result(Exit::identity);
  if (!session) co_return events.result(Exit::unreachable);
  co_return events.result(events.problems() > 0 ? Exit::failed : Exit::done);
}

}  // namespace peer::node
