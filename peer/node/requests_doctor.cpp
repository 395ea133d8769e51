#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "async/run_on.hpp"
#include "discovery/probe.hpp"
#include "doctor/cipher.hpp"
#include "doctor/disk.hpp"
#include "doctor/firewall.hpp"
#include "doctor/interfaces.hpp"
#include "doctor/port.hpp"
#include "doctor/versions.hpp"
#include "net/interfaces.hpp"
#include "net/network_watch.hpp"
#include "net/resolve.hpp"
#include "node/bytes_json.hpp"
#include "node/doctor_events.hpp"
#include "node/knock.hpp"

/// `doctor` without a peer: what needs the node's sockets is looked at here, the rest in doctor/.
namespace peer::node {

using doctor::Check;
using Json = nlohmann::json;

namespace {

std::string trouble_of(const Knocked& knocked, const protocol::PeerId& ours) {
  if (knocked.answer == Knocked::Answer::identity)
    return knocked.met == ours ? "" : "another peer answers there: " + knocked.met->text();
  if (knocked.answer == Knocked::Answer::no_answer) return "no answer";
  return knocked.why;
}

/// Dials this peer's own listener at each address that others would use.
asio::awaitable<Check> look_at_port(Node& node) {
  const auto& settings = node.services.settings;
  doctor::PortFacts facts;
  if (!node.listening()) {
    auto tried = co_await node.listen(settings.listen, settings.port, false);
    if (!tried) facts.why_not = tried.error().text();
  }
  facts.listening = node.listening();
  facts.lasting = node.lasting();
  facts.port = node.listening() ? node.port() : settings.port;
  if (!node.listening()) {
    auto job = [port = facts.port] { return doctor::port_holder(port); };
    facts.holder = co_await async::run_on(node.services.disk, std::move(job));
  }
  std::vector<trust::Address> own;
  for (const auto& where : node.reachable_at()) {
    auto address = trust::parse_address(where, facts.port);
    if (address) own.push_back(std::move(*address));
  }
  const auto knocked = co_await knock_all(*node.services.tls, own);
  for (std::size_t i = 0; i < own.size(); ++i) {
    const auto literal = net::literal_address(own[i].host);
    facts.own.push_back({own[i].text(), literal && literal->is_loopback(),
                         trouble_of(knocked[i], node.services.identity->id())});
  }
  co_return doctor::port_check(facts);
}

Check look_at_interfaces() {
  std::vector<doctor::Interface> interfaces;
  const auto links = discovery::local_links();
  for (const auto& one : net::machine_addresses()) {
    auto at = std::ranges::find(interfaces, one.interface, &doctor::Interface::name);
    if (at == interfaces.end()) {
      doctor::Interface fresh;
      fresh.name = one.interface;
      fresh.loopback = one.address.is_loopback();
      const auto link = std::ranges::find(links, one.interface, &discovery::Link::name);
      fresh.discovery = link != links.end();
      fresh.low = discovery::ranks_low(one.interface);
      at = interfaces.insert(interfaces.end(), std::move(fresh));
    }
    at->addresses.push_back(one.address.to_string());
  }
  return doctor::interfaces_check(interfaces);
}

asio::awaitable<Check> look_at_multicast(Node& node) {
  const auto saying = node.saying();
  std::string quiet;
  if (!saying.listens) quiet = "discovery is off (peer config discovery named)";
  if (quiet.empty() && !saying.asks) quiet = "this peer is hidden (peer config hidden false)";
  std::vector<doctor::Heard> heard;
  if (quiet.empty()) {
    std::function<bool(const std::string&)> is_own = [](const std::string& host) {
      const auto address = net::literal_address(host);
      return address && net::is_own_address(*address);
    };
    const auto probed =
        co_await discovery::probe_links(node.services.io.get_executor(), std::move(is_own));
    for (const auto& one : probed) {
      const bool v4 = one.family == discovery::LinkSocket::Family::v4;
      heard.push_back({one.link.name, v4 ? "IPv4" : "IPv6", one.heard, one.trouble});
    }
  }
  co_return doctor::multicast_check(heard, quiet);
}

std::vector<Check> look_at_disk(const std::string& folder) {
  const auto facts = doctor::look_at_folder(folder);
  std::vector<Check> checks{doctor::folder_check(facts)};
  checks.front().facts["folder"] = json_bytes(folder);
  if (facts.there && facts.usable)
    checks.push_back(doctor::disk_check(doctor::write_speed(folder)));
  return checks;
}

}  // namespace

void CheckEvents::tell(const Check& check) {
  auto json = check.facts;
  json["check"] = check.name;
  json["state"] = doctor::to_string(check.state);
  json["text"] = json_text(check.text);
  json["remedy"] = json_text(check.remedy);
  json["lines"] = Json::array();
  for (const auto& line : check.lines) json["lines"].push_back(json_text(line));
  request_.event("check", std::move(json));
  if (check.state == Check::State::problem) ++problems_;
}

Json CheckEvents::result(base::Exit exit) const {
  return Json{{"problems", problems_}, {"exit", static_cast<int>(exit)}};
}

asio::awaitable<Json> do_doctor(Node& node, Request& request) {
  if (auto word = bytes_of(request.arguments(), "peer"); !word.empty())
    co_return co_await doctor_peer(node, request, std::move(word));
  CheckEvents events(request);
  const auto& settings = node.services.settings;
  auto& disk = node.services.disk;
  events.tell(doctor::settings_check(settings.warnings, std::getenv("HOME"), ::geteuid() == 0));
  const auto port = co_await look_at_port(node);
  events.tell(port);
  const auto number = port.facts["port"].get<std::uint16_t>();
  events.tell(doctor::port_range_check(number));
  events.tell(look_at_interfaces());
  const auto multicast = co_await look_at_multicast(node);
  events.tell(multicast);
  auto firewall = [number] {
    return doctor::firewall_check(doctor::look_at_firewall(), number, protocol::kBeaconPort);
  };
  const auto rules = co_await async::run_on(disk, std::move(firewall));
  events.tell(rules);
  auto folder = [where = settings.downloads] { return look_at_disk(where); };
  const auto checks = co_await async::run_on(disk, std::move(folder));
  for (const auto& check : checks) events.tell(check);
  auto cipher = [] { return doctor::cipher_check(doctor::cipher_rate()); };
  const auto speed = co_await async::run_on(disk, std::move(cipher));
  events.tell(speed);
  events.tell(doctor::limits_check());
  events.tell(doctor::versions_check(PEER_VERSION));
  co_return events.result(events.problems() > 0 ? base::Exit::failed : base::Exit::done);
}

}  // namespace peer::node
