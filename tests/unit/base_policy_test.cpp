#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/policy_file.hpp"
#include "base/settings.hpp"

using namespace peer;
using namespace peer::base;

namespace {

class File {
 public:
  explicit File(const std::string& text) {
    std::string name = "/tmp/peer-policy-test-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    std::ofstream(path()) << text;
  }
  File(const File&) = delete;
  ~File() { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/config.toml"; }
  std::string read() const {
    std::ifstream in(path());
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string folder_;
};

std::vector<PolicyRule> rules_of(const std::string& text) {
  const File file(text);
  auto settings = Settings::load(file.path());
  REQUIRE(settings);
  return settings->policy;
}

/// What is wrong with the one rule that has these lines.
std::string trouble_of(const std::string& lines) {
  const File file("[[policy]]\n" + lines);
  auto settings = Settings::load(file.path());
  REQUIRE(settings);
  REQUIRE(settings->policy.size() == 1);
  const auto& rule = settings->policy[0];
  if (rule.trouble.empty()) return {};
  CHECK(rule.verdict == Verdict::ask);
  REQUIRE(settings->warnings.size() == 1);
  CHECK(settings->warnings[0] == rule.trouble);
  CHECK(rule.trouble.find(file.path()) != std::string::npos);
  return rule.trouble;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

protocol::PeerId some_id(unsigned char first) {
  protocol::PeerId id;
  id.bytes[0] = static_cast<std::byte>(first);
  return id;
}

RuleFilter about(const protocol::PeerId& id) {
  return [id](const PolicyRule& rule) { return rule.id == id; };
}

RuleFilter fits(const protocol::PeerId& id) {
  return [id](const PolicyRule& rule) { return rule.from == Whom::contacts || rule.id == id; };
}

}  // namespace

TEST_SUITE("policy rules") {
  TEST_CASE("rules are read in their order, with bounds where they name none") {
    const auto id = some_id(7);
    const auto rules = rules_of(
        "port = 1234\n"
        "[[policy]]\nfrom = \"" +
        id.text() +
        "\"\nname = \"bob\"\ndo = \"accept\"\nup_to = \"1.5G\"\nkeep_free = \"20G\"\n"
        "to = \"/srv/in/\"\non_clash = \"update\"\n"
        "[[policy]]\nfrom = \"carol\"\ndo = \"accept\"\nup_to = \"none\"\nkeep_free = \"10%\"\n"
        "[[policy]]\nfrom = \"verified\"\ndo = \"accept\"\n"
        "[[policy]]\nfrom = \"strangers\"\ndo = \"reject\"\ntext = \"no thanks\"\n"
        "[[policy]]\nfrom = \"anyone\"\ndo = \"ask\"\n");
    REQUIRE(rules.size() == 5);
    for (const auto& rule : rules) CHECK(rule.trouble.empty());
    CHECK(rules[0].from == Whom::peer);
    CHECK(rules[0].id == id);
    CHECK(rules[0].name == "bob");
    CHECK(rules[0].verdict == Verdict::accept);
    CHECK(rules[0].up_to == 1'500'000'000);
    CHECK(rules[0].keep_free.of(100) == 20'000'000'000);
    CHECK(rules[0].to == "/srv/in");
    CHECK(rules[0].on_clash == "update");
    CHECK(rules[1].from == Whom::peer);
    CHECK(rules[1].name == "carol");
    CHECK(!rules[1].id);
    CHECK(rules[1].up_to == kNoBound);
    CHECK(rules[1].keep_free.of(1000) == 100);
    CHECK(rules[2].from == Whom::verified);
    CHECK(rules[2].up_to == kUnaskedBytes);
    CHECK(rules[2].keep_free.of(1000) == 50);
    CHECK(rules[2].to.empty());
    CHECK(rules[2].on_clash == "rename");
    CHECK(rules[3].verdict == Verdict::reject);
    CHECK(rules[3].text == "no thanks");
    CHECK(rules[4].from == Whom::anyone);
    CHECK(rules[4].verdict == Verdict::ask);
  }

  TEST_CASE("what cannot be read asks, and says which rule, which key and what is allowed") {
    const std::string bob = "from = \"bob\"\ndo = \"accept\"\n";
    struct Case {
      std::string lines, key, allowed;
    };
    for (const auto& one : {
             Case{bob + "up_to = \"1Q\"\n", "up_to = ‘1Q’", "\"1G\" or \"500M\""},
             Case{bob + "up_to = \"0\"\n", "up_to", "\"none\""},
             Case{bob + "up_to = 1000000\n", "up_to", "\"none\""},
             Case{bob + "keep_free = \"100%\"\n", "keep_free = ‘100%’", "\"99%\""},
             Case{bob + "keep_free = \"-1%\"\n", "keep_free", "\"99%\""},
             Case{bob + "keep_free = \"%\"\n", "keep_free", "\"99%\""},
             Case{bob + "to = \"in\"\n", "to = ‘in’", "absolute folder"},
             Case{bob + "to = \"/\"\n", "to = ‘/’", "absolute folder"},
             Case{bob + "on_clash = \"replace\"\n", "on_clash = ‘replace’", "\"overwrite\""},
             Case{bob + "upto = \"1G\"\n", "upto", "did you mean ‘up_to’?"},
             Case{bob + "text = \"thanks\"\n", "text", "do = \"reject\""},
             Case{"from = \"bob\"\ndo = \"reject\"\nto = \"/srv\"\n", "to", "do = \"accept\""},
             Case{"from = \"bob\"\ndo = \"take\"\n", "do = ‘take’", "\"accept\", \"ask\""},
             Case{"from = \"bob\"\n", "no `do`", ""},
             Case{"from = \"a\\u0007\"\ndo = \"accept\"\n", "from = ", "\"strangers\""},
             Case{"do = \"accept\"\n", "no `from`", ""},
         }) {
      CAPTURE(one.lines);
      const auto trouble = trouble_of(one.lines);
      CHECK(holds(trouble, "policy rule 1: "));
      CHECK(holds(trouble, one.key));
      CHECK(holds(trouble, one.allowed));
      CHECK(holds(trouble, "it only asks"));
    }
    CHECK(trouble_of(bob) == "");
  }

  TEST_CASE("every fault of a rule is named, the first few, and none that follows from another") {
    const auto two = trouble_of("from = \"anyone\"\nup_to = \"1Q\"\nto = \"~/x\"\n");
    CHECK(
        holds(two, "line 1, column 1: policy rule 1: it has no `do`; line 3: up_to = ‘1Q’: it is"));
    CHECK(!holds(two, "belongs to"));
    CHECK(two.ends_with("; until that is mended it only asks"));
    std::string many = "from = \"anyone\"\ndo = \"ask\"\n";
    for (int n = 0; n < 8; ++n) many += "x" + std::to_string(n) + " = 1\n";
    const auto eight = trouble_of(many);
    CHECK(holds(eight, "‘x4’"));
    CHECK(!holds(eight, "‘x5’"));
    CHECK(holds(eight, "; and 3 more; until that is mended it only asks"));
  }

  TEST_CASE("of whom a broken rule is about it asks; if that is not clear, about everybody") {
    const auto rules = rules_of(
        "[[policy]]\nfrom = \"verified\"\ndo = \"accept\"\nup_to = \"much\"\n"
        "[[policy]]\nfrom = 7\ndo = \"accept\"\n");
    REQUIRE(rules.size() == 2);
    CHECK(rules[0].from == Whom::verified);
    CHECK(rules[0].verdict == Verdict::ask);
    CHECK(rules[1].from == Whom::anyone);
    CHECK(rules[1].verdict == Verdict::ask);
    for (const char* text :
         {"policy = \"accept\"\n", "policy = [1]\n", "[policy]\ndo = \"ask\"\n"}) {
      const auto odd = rules_of(text);
      REQUIRE(odd.size() == 1);
      CHECK(odd[0].from == Whom::anyone);
      CHECK(odd[0].verdict == Verdict::ask);
      CHECK(holds(odd[0].trouble, "[[policy]]"));
    }
    CHECK(rules_of("policy = []\n").empty());
  }

  TEST_CASE("a rule for a peer becomes the first, comments and all else stay") {
    const auto bob = some_id(1), carol = some_id(2);
    const File file("# mine\nport = 1234  # odd\n");
    const RuleKeys first{{"from", bob.text()}, {"name", "bob"}, {"do", "accept"}};
    REQUIRE(put_policy_rule(file.path(), first, about(bob), fits(bob)));
    const std::string of_bob =
        "[[policy]]\nfrom = \"" + bob.text() + "\"\nname = \"bob\"\ndo = \"accept\"\n";
    CHECK(file.read() == "# mine\nport = 1234  # odd\n\n" + of_bob);
    const RuleKeys second{{"from", carol.text()}, {"do", "accept"}};
    REQUIRE(put_policy_rule(file.path(), second, about(carol), fits(carol)));
    CHECK(file.read() == "# mine\nport = 1234  # odd\n\n[[policy]]\nfrom = \"" + carol.text() +
                             "\"\ndo = \"accept\"\n\n" + of_bob);
    CHECK(*remove_policy_rules(file.path(), about(carol)) == 1);
    CHECK(file.read() == "# mine\nport = 1234  # odd\n\n" + of_bob);
    CHECK(*remove_policy_rules(file.path(), about(bob)) == 1);
    CHECK(file.read() == "# mine\nport = 1234  # odd\n");
    CHECK(*remove_policy_rules(file.path(), about(bob)) == 0);
  }

  TEST_CASE("a rule that is there is changed where it stands") {
    const auto bob = some_id(1);
    const File file("[[policy]]  # first\n# about bob\nfrom = \"" + bob.text() +
                    "\"\ndo = \"accept\"  # yes\nup_to = \"1G\"\n# the rest\n"
                    "[[policy]]\nfrom = \"contacts\"\ndo = \"ask\"");
    const RuleKeys rule{{"from", bob.text()}, {"do", "accept"}, {"to", "/srv/in"}};
    REQUIRE(put_policy_rule(file.path(), rule, about(bob), fits(bob)));
    CHECK(file.read() == "[[policy]]  # first\n# about bob\nfrom = \"" + bob.text() +
                             "\"\ndo = \"accept\"  # yes\nto = \"/srv/in\"\n# the rest\n"
                             "[[policy]]\nfrom = \"contacts\"\ndo = \"ask\"");
  }

  TEST_CASE("a rule that another one hides is put before it") {
    const auto bob = some_id(1);
    const File file(
        "# all of them\n[[policy]]\nfrom = \"contacts\"\ndo = \"ask\"\n\n[[policy]]\nfrom = \"" +
        bob.text() + "\"\ndo = \"accept\"\n");
    const RuleKeys rule{{"from", bob.text()}, {"do", "accept"}};
    REQUIRE(put_policy_rule(file.path(), rule, about(bob), fits(bob)));
    CHECK(file.read() == "[[policy]]\nfrom = \"" + bob.text() +
                             "\"\ndo = \"accept\"\n\n"
                             "# all of them\n[[policy]]\nfrom = \"contacts\"\ndo = \"ask\"\n");
  }

  TEST_CASE("the name that people read follows the contact's") {
    const auto bob = some_id(1);
    const std::string begin = "[[policy]]\nfrom = \"" + bob.text() + "\"\ndo = \"ask\"\n",
                      other = "\n[[policy]]\nfrom = \"bob\"\ndo = \"ask\"\n";
    const File file(begin + "name = \"bob\"  # him\n" + other);
    REQUIRE(name_policy_rules(file.path(), bob, "robert"));
    CHECK(file.read() == begin + "name = \"robert\"  # him\n" + other);
    REQUIRE(name_policy_rules(file.path(), some_id(2), "carol"));
    CHECK(file.read() == begin + "name = \"robert\"  # him\n" + other);
  }

  TEST_CASE("what only a person can change is left as it is") {
    const auto bob = some_id(1);
    const std::string text = "policy = [{ from = \"" + bob.text() +
                             "\", do = \"ask\" }, { from = \"x\", do = \"ask\" }]\n";
    const File file(text);
    const RuleKeys rule{{"from", bob.text()}, {"do", "accept"}};
    const auto put = put_policy_rule(file.path(), rule, about(bob), fits(bob));
    REQUIRE(!put);
    CHECK(put.error().code == SettingsErrc::not_editable);
    CHECK(!remove_policy_rules(file.path(), about(bob)));
    CHECK(file.read() == text);
    const auto other = some_id(2);
    const RuleKeys more{{"from", other.text()}, {"do", "accept"}};
    CHECK(!put_policy_rule(file.path(), more, about(other), fits(other)));
    CHECK(file.read() == text);
  }

  TEST_CASE("other settings are changed beside rules, and the rules by no single value") {
    const std::string text = "port = 1\n\n[[policy]]\nfrom = \"anyone\"\ndo = \"ask\"\n";
    const File file(text);
    REQUIRE(change_setting(file.path(), "hidden", "true"));
    CHECK(file.read() ==
          "port = 1\nhidden = true\n\n[[policy]]\nfrom = \"anyone\"\ndo = \"ask\"\n");
    const auto changed = change_setting(file.path(), "policy", "accept");
    REQUIRE(!changed);
    CHECK(holds(changed.error().text(), "peer trust"));
  }

  TEST_CASE("values of options are judged as those of the file") {
    CHECK(!policy_value_error("up_to", "1G"));
    CHECK(!policy_value_error("keep_free", "5%"));
    CHECK(!policy_value_error("to", "/srv/\"in\""));
    CHECK(holds(std::string(*policy_value_error("up_to", "lots")), "\"1G\""));
    CHECK(holds(std::string(*policy_value_error("to", "in")), "absolute"));
  }
}
