#include <doctest/doctest.h>

#include <array>
#include <ostream>
#include <string>

#include "doctor/firewall.hpp"
#include "doctor/firewall_rules.hpp"

using peer::doctor::Check;
using peer::doctor::firewall_check;
using peer::doctor::FirewallFacts;
using peer::doctor::judge_ruleset;
using Kind = peer::doctor::Verdict::Kind;

namespace {

std::string input(const std::string& rules, const std::string& policy = "accept") {
  return "table inet filter {\n\tset names {\n\t\ttype inet_service\n\t\telements = { 22 }\n\t}\n"
         "\tchain input {\n\t\ttype filter hook input priority filter; policy " +
         policy + ";\n" + rules +
         "\n\t}\n\tchain output {\n\t\ttype filter hook output priority filter; policy "
         "drop;\n\t}\n}\n";
}

struct Case {
  const char* name;
  std::string ruleset;
  Kind tcp;
  Kind udp;
};

}  // namespace

TEST_CASE("what a ruleset does with a new connection from outside") {
  const std::array cases{
      Case{"nothing", "", Kind::open, Kind::open},
      Case{"an empty chain", input(""), Kind::open, Kind::open},
      Case{"a policy", input("ct state established,related accept\niif \"lo\" accept", "drop"),
           Kind::dropped, Kind::dropped},
      Case{"a policy, and one let in", input("tcp dport { 22, 56744 } accept", "drop"), Kind::open,
           Kind::dropped},
      Case{"a range", input("udp dport 56000-57000 accept", "drop"), Kind::dropped, Kind::open},
      Case{"both at once", input("meta l4proto { tcp, udp } th dport 56744 accept", "drop"),
           Kind::open, Kind::open},
      Case{"a rule that names it", input("udp dport 56744 counter packets 3 bytes 99 drop"),
           Kind::open, Kind::dropped},
      Case{"a rule that comes first", input("tcp dport 56744 accept\ntcp dport 1-65535 reject"),
           Kind::open, Kind::open},
      Case{"all but", input("tcp dport != 22 drop"), Kind::dropped, Kind::open},
      Case{"for some", input("ip saddr 192.168.0.0/16 tcp dport 56744 accept", "drop"), Kind::some,
           Kind::dropped},
      Case{"not for some", input("ip saddr 203.0.113.0/24 tcp dport 56744 drop"), Kind::some,
           Kind::open},
      Case{"a set by name", input("tcp dport @names accept", "drop"), Kind::dropped, Kind::dropped},
      Case{"the end of a chain",
           input("ct state vmap { established : accept, related : accept }\n"
                 "icmp type echo-request accept\nlog prefix \"no: \" drop"),
           Kind::dropped, Kind::dropped},
      Case{"only what is broken", input("ct state invalid drop"), Kind::open, Kind::open},
      Case{"ufw, as iptables-nft shows it",
           "table ip filter {\n\tchain ufw-user-input {\n\t\tmeta l4proto tcp tcp dport 56744 "
           "counter "
           "packets 0 bytes 0 accept\n\t}\n\tchain INPUT {\n\t\ttype filter hook input priority "
           "filter; policy drop;\n\t\tcounter packets 9 bytes 9 jump ufw-user-input\n\t}\n}\n",
           Kind::open, Kind::dropped},
      Case{"a chain that returns",
           "table ip filter {\n\tchain mine {\n\t\ttcp dport 56744 return\n\t\tdrop\n\t}\n\tchain "
           "INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\t\tjump "
           "mine\n\t}\n}\n",
           Kind::open, Kind::dropped},
      Case{"a chain that calls itself",
           "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy "
           "accept;\n\t\tjump INPUT\n\t}\n}\n",
           Kind::open, Kind::open},
      Case{"what is no ruleset", "table {\nchain\n}}}\n\"", Kind::open, Kind::open},
  };
  for (const auto& one : cases) {
    CAPTURE(one.name);
    CHECK(judge_ruleset(one.ruleset, "tcp", 56744).kind == one.tcp);
    CHECK(judge_ruleset(one.ruleset, "udp", 56744).kind == one.udp);
  }
  const auto verdict = judge_ruleset(input("tcp dport 56744 drop"), "tcp", 56744);
  CHECK(verdict.where == "inet filter input");
  CHECK(verdict.by_name);
}

TEST_CASE("chains that fan out cost no more than some milliseconds") {
  std::string ruleset = "table ip filter {\n";
  for (int i = 0; i < 14; ++i) {
    ruleset += "\tchain c" + std::to_string(i) + " {\n";
    for (int k = 0; k < 20; ++k)
      ruleset += "\t\tip saddr 10.0.0.1 jump c" + std::to_string(i + 1) + "\n";
    ruleset += "\t}\n";
  }
  ruleset +=
      "\tchain INPUT {\n\t\ttype filter hook input priority 0; policy drop;\n\t\tjump "
      "c0\n\t}\n}\n";
  CHECK(judge_ruleset(ruleset, "tcp", 56744).kind == Kind::dropped);
}

TEST_CASE("what is said of a firewall, and the command that opens it") {
  FirewallFacts facts;
  auto check = firewall_check(facts, 56744, 56744);
  CHECK(check.state == Check::State::ok);
  CHECK(check.remedy == "");

  facts.ufw = true;
  check = firewall_check(facts, 56744, 56744);
  CHECK(check.state == Check::State::note);
  CHECK(check.remedy == "sudo ufw allow 56744");
  CHECK(firewall_check(facts, 5000, 56744).remedy ==
        "sudo ufw allow 5000/tcp && sudo ufw allow 56744/udp");

  facts = {};
  facts.firewalld = true;
  check = firewall_check(facts, 56744, 56744);
  CHECK(check.remedy.find("firewall-cmd --permanent --add-port=56744/tcp --add-port=56744/udp") !=
        std::string::npos);

  facts = {};
  facts.readable = true;
  facts.ruleset = input("udp dport 56744 drop");
  check = firewall_check(facts, 56744, 56744);
  CHECK(check.state == Check::State::problem);
  CHECK(check.text == "nftables drops UDP 56744 from outside (inet filter input)");
  CHECK(check.remedy ==
        "sudo nft insert rule inet filter input meta l4proto '{ tcp, udp }' th dport 56744 accept");
  facts.ruleset = input("tcp dport 56744 accept\nudp dport 56744 accept", "drop");
  CHECK(firewall_check(facts, 56744, 56744).state == Check::State::ok);
}
