#include "doctor/firewall.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "doctor/firewall_rules.hpp"
#include "doctor/proc.hpp"

namespace peer::doctor {

namespace {

constexpr char kNftService[] = "/etc/systemd/system/sysinit.target.wants/nftables.service";

bool has_line(const std::string& text, const std::string& begin) {
  return text.starts_with(begin) || text.find("\n" + begin) != std::string::npos;
}

/// The command that lets both in, for whoever manages the rules here.
std::string opening(const FirewallFacts& facts, std::uint16_t port, std::uint16_t udp_port,
                    const std::string& where) {
  const auto tcp = std::to_string(port);
  const auto udp = std::to_string(udp_port);
  if (facts.ufw) {
    return port == udp_port ? "sudo ufw allow " + tcp
                            : "sudo ufw allow " + tcp + "/tcp && sudo ufw allow " + udp + "/udp";
  }
  if (facts.firewalld) {
    return "sudo firewall-cmd --permanent --add-port=" + tcp + "/tcp --add-port=" + udp +
           "/udp && sudo firewall-cmd --reload";
  }
  if (!where.empty()) {
    const auto insert = "sudo nft insert rule " + base::escaped(where) + " ";
    return port == udp_port ? insert + "meta l4proto '{ tcp, udp }' th dport " + tcp + " accept"
                            : insert + "tcp dport " + tcp + " accept && " + insert + "udp dport " +
                                  udp + " accept";
  }
  return "sudo iptables -I INPUT -p tcp --dport " + tcp +
         " -j ACCEPT && sudo iptables -I INPUT -p udp --dport " + udp + " -j ACCEPT";
}

std::string managed_by(const FirewallFacts& facts) {
  if (facts.ufw) return "ufw";
  if (facts.firewalld) return "firewalld";
  if (facts.iptables) return "iptables";
  return "nftables";
}

void judge(const Verdict& tcp, const Verdict& udp, Check& check, const std::string& tcp_port,
           const std::string& udp_port) {
  const auto kind = std::max(tcp.kind, udp.kind);
  const auto& worst = tcp.kind >= udp.kind ? tcp : udp;
  const auto what = tcp.kind == udp.kind  ? "TCP " + tcp_port + " and UDP " + udp_port
                    : tcp.kind > udp.kind ? "TCP " + tcp_port
                                          : "UDP " + udp_port;
  if (kind == Verdict::Kind::open) {
    check.text = "lets TCP " + tcp_port + " and UDP " + udp_port + " in";
    return;
  }
  if (kind == Verdict::Kind::some) {
    check.state = Check::State::note;
    check.text =
        "lets " + what + " in for some and not for others (" + base::escaped(worst.where) + ")";
    return;
  }
  check.state = Check::State::problem;
  check.text = "drops " + what + " from outside (" + base::escaped(worst.where) + ")";
}

}  // namespace

FirewallFacts look_at_firewall() {
  FirewallFacts facts;
  facts.ufw = has_line(read_file("/etc/ufw/ufw.conf"), "ENABLED=yes");
  const auto running = processes();
  facts.firewalld = std::ranges::find(running, "firewalld", &Process::program) != running.end();
  facts.iptables = has_line(read_file("/proc/modules"), "iptable_filter ");
  if (::geteuid() == 0) {
    const auto rules = output_of({"/usr/sbin/nft", "list", "ruleset"});
    facts.readable = rules.has_value();
    facts.ruleset = rules.value_or("");
  } else if (std::error_code error; std::filesystem::exists(kNftService, error)) {
    facts.ruleset = read_file("/etc/nftables.conf");
  }
  return facts;
}

Check firewall_check(const FirewallFacts& facts, std::uint16_t port, std::uint16_t udp_port) {
  Check check;
  check.name = "firewall";
  const auto tcp_port = std::to_string(port);
  const auto udp_port_text = std::to_string(udp_port);
  const auto tcp = judge_ruleset(facts.ruleset, "tcp", port);
  const auto udp = judge_ruleset(facts.ruleset, "udp", udp_port);
  const bool managed = facts.ufw || facts.firewalld || facts.iptables;
  check.facts["by"] = managed || !facts.ruleset.empty() ? managed_by(facts) : "none";
  check.facts["readable"] = facts.readable;
  judge(tcp, udp, check, tcp_port, udp_port_text);
  if (facts.readable && !facts.iptables) {
    check.text = facts.ruleset.empty() ? "none here" : managed_by(facts) + " " + check.text;
  } else if (!facts.readable && check.state != Check::State::ok) {
    check.text = "/etc/nftables.conf " + check.text;
  } else if (managed) {
    check.state = Check::State::note;
    check.text = managed_by(facts) + " is on; what it lets in cannot be read here";
  } else if (!facts.ruleset.empty()) {
    check.text = "/etc/nftables.conf " + check.text + "; only root can read what holds now";
  } else {
    check.text = "none found; without root not all can be seen";
  }
  if (check.state != Check::State::ok) {
    const auto& worst = tcp.kind >= udp.kind ? tcp : udp;
    check.remedy = opening(facts, port, udp_port, worst.where);
  }
  return check;
}

}  // namespace peer::doctor
