#include "doctor/port.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "base/text.hpp"
#include "doctor/proc.hpp"

namespace peer::doctor {

namespace {

constexpr std::string_view kListens = "0A";  ///< TCP_LISTEN in the tables of /proc/net

template <class T>
std::optional<T> number(std::string_view text, int base = 10) {
  T value{};
  const auto* end = text.data() + text.size();
  if (text.empty() || std::from_chars(text.data(), end, value, base).ptr != end)
    return std::nullopt;
  return value;
}

bool has_socket(int pid, const std::vector<std::uint64_t>& inodes) {
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", error)) {
    std::error_code ignored;
    const auto target = std::filesystem::read_symlink(entry.path(), ignored).string();
    if (!target.starts_with("socket:[") || !target.ends_with("]")) continue;
    const auto inode = number<std::uint64_t>(std::string_view(target).substr(8, target.size() - 9));
    if (inode && std::ranges::find(inodes, *inode) != inodes.end()) return true;
  }
  return false;
}

std::string holder_text(const Holder& holder) {
  if (holder.pid == 0) return "a program of another user";
  return base::quoted(holder.program) + " (pid " + std::to_string(holder.pid) + ")";
}

Check not_listening(const PortFacts& facts, Check check) {
  check.state = Check::State::problem;
  const auto port = std::to_string(facts.port);
  if (facts.holder) {
    check.text = "TCP port " + port + " is used by " + holder_text(*facts.holder) +
                 ": nobody can dial this peer";
    check.remedy = "end that program, or take another port: peer config port " +
                   std::to_string(facts.port == 65535 ? 65534 : facts.port + 1);
    if (facts.holder->pid == 0)
      check.remedy += "  (who it is: sudo ss -ltnp sport = :" + port + ")";
    if (facts.holder->pid != 0) check.facts["pid"] = facts.holder->pid;
    if (!facts.holder->program.empty())
      check.facts["program"] = base::escaped(facts.holder->program);
    return check;
  }
  check.text = "nobody can dial this peer: " + base::escaped(facts.why_not);
  check.remedy = "look at the addresses it is to listen on: peer config listen";
  return check;
}

}  // namespace

std::vector<std::uint64_t> listening_sockets(std::string_view table, std::uint16_t port) {
  std::vector<std::uint64_t> inodes;
  std::istringstream lines{std::string(table)};
  for (std::string line; std::getline(lines, line);) {
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
    std::istringstream words(line);
    std::vector<std::string> word;
    for (std::string one; word.size() < 10 && words >> one;) word.push_back(one);
    if (word.size() < 10 || word[3] != kListens) continue;
    const auto colon = word[1].rfind(':');
    if (colon == std::string::npos) continue;
    if (number<std::uint16_t>(std::string_view(word[1]).substr(colon + 1), 16) != port) continue;
    if (const auto inode = number<std::uint64_t>(word[9])) inodes.push_back(*inode);
  }
  return inodes;
}

std::optional<Holder> port_holder(std::uint16_t port) {
  auto inodes = listening_sockets(read_file("/proc/net/tcp"), port);
  const auto v6 = listening_sockets(read_file("/proc/net/tcp6"), port);
  inodes.insert(inodes.end(), v6.begin(), v6.end());
  if (inodes.empty()) return std::nullopt;
  for (auto& process : processes())
    if (has_socket(process.pid, inodes)) return Holder{process.pid, std::move(process.program)};
  return Holder{};
}

Check port_check(const PortFacts& facts) {
  Check check;
  check.name = "port";
  check.facts["port"] = facts.port;
  check.facts["listening"] = facts.listening;
  check.facts["addresses"] = nlohmann::json::array();
  if (!facts.listening) return not_listening(facts, std::move(check));
  std::string answers;
  bool outside = false;
  for (const auto& own : facts.own) {
    check.facts["addresses"].push_back(
        {{"address", own.address}, {"answers", own.trouble.empty()}});
    if (!own.trouble.empty()) {
      check.state = Check::State::problem;
      check.lines.push_back(own.address + ": " + base::escaped(own.trouble));
      continue;
    }
    answers += (answers.empty() ? "" : ", ") + own.address;
    outside = outside || !own.loopback;
  }
  const auto port = std::to_string(facts.port);
  if (check.state == Check::State::problem) {
    check.text = "this peer listens on TCP port " + port +
                 " and does not answer at each of its own addresses";
    check.remedy = "a firewall of this machine may drop it; see below";
  } else if (!outside) {
    check.state = Check::State::note;
    check.text = "TCP port " + port + " is open to programs of this machine alone" +
                 (answers.empty() ? "" : " (" + answers + ")");
    check.remedy = "for others to reach it: a network, and no 'listen' of 127.0.0.1 in peer config";
  } else {
    check.text = "TCP " + port +
                 (facts.lasting ? " is ours; it answers at "
                                : " is free ('peer start' keeps it); tried, it answers at ") +
                 answers;
    check.lines.push_back("whether others get there is up to firewalls and routers between");
  }
  return check;
}

Check port_range_check(std::uint16_t port, std::string_view range, std::string_view reserved) {
  Check check;
  check.name = "port_range";
  std::istringstream words{std::string(range)};
  unsigned from = 0;
  unsigned to = 0;
  words >> from >> to;
  const auto text = std::to_string(port);
  check.facts["from"] = from;
  check.facts["to"] = to;
  check.text = "Linux gives port " + text + " to nobody else by itself";
  bool kept = false;
  std::istringstream parts{std::string(reserved)};
  std::string whole;
  for (std::string part; std::getline(parts, part, ',');) {
    while (!part.empty() && (part.back() == '\n' || part.back() == ' ')) part.pop_back();
    if (part.empty()) continue;
    whole += part + ",";
    const auto dash = part.find('-');
    const auto first = number<unsigned>(std::string_view(part).substr(0, dash));
    const auto last = dash == std::string::npos
                          ? first
                          : number<unsigned>(std::string_view(part).substr(dash + 1));
    kept = kept || (first && last && *first <= port && port <= *last);
  }
  check.facts["reserved"] = kept;
  if (kept || port < from || port > to) return check;
  check.state = Check::State::note;
  check.text = "Linux may lend port " + text +
               " to an outgoing connection of any program; 'peer start' then finds it taken";
  check.remedy = "sudo sysctl net.ipv4.ip_local_reserved_ports=" + whole + text;
  return check;
}

Check port_range_check(std::uint16_t port) {
  return port_range_check(port, read_file("/proc/sys/net/ipv4/ip_local_port_range"),
                          read_file("/proc/sys/net/ipv4/ip_local_reserved_ports"));
}

}  // namespace peer::doctor
