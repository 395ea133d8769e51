#include <doctest/doctest.h>

#include <ostream>
#include <string>

#include "cli/command_error.hpp"
#include "cli/contacts_file.hpp"

using namespace peer::cli;

namespace {

Json contact(const char* name, bool verified) {
  return Json{
      {"name", name},    {"id", "ID"},       {"note", ""},           {"contact", true},
      {"trusted", true}, {"blocked", false}, {"verified", verified}, {"addresses", {"10.0.0.1:5"}}};
}

std::string refused(const std::string& text) {
  try {
    read_contacts(text, false);
  } catch (const CommandError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("contacts come back from a file, a line each, without what is nobody else's to say") {
  auto blocked = contact("eve", true);
  blocked["blocked"] = true;
  auto stranger = contact("", false);
  stranger["contact"] = false;
  const auto text =
      contacts_text({contact("bob", true), blocked, stranger, contact("carol", false)});
  CHECK(text ==
        "{\"peer_contacts\":1,\"contacts\":[\n"
        R"({"addresses":["10.0.0.1:5"],"id":"ID","name":"bob","note":"","verified":true},)"
        "\n"
        R"({"addresses":["10.0.0.1:5"],"id":"ID","name":"carol","note":"","verified":false})"
        "\n]}\n");
  const auto vouched = read_contacts(text, true);
  REQUIRE(vouched.size() == 2);
  CHECK(vouched[0]["verified"] == true);
  CHECK(vouched[1]["verified"] == false);
  CHECK(!vouched[0].contains("trusted"));
  CHECK(read_contacts(text, false)[0]["verified"] == false);
  CHECK(read_contacts(contacts_text({}), true).empty());
}

TEST_CASE("what is wrong with a file is named by line or contact") {
  CHECK(refused("{\"peer_contacts\":1,\n\n\"contacts\":[}").find("line 3: ") == 0);
  CHECK(refused("{\"contacts\":[]}").find("peer_contacts") != std::string::npos);
  CHECK(refused(R"({"peer_contacts":1,"contacts":[{"name":"a","id":"b"},{"name":7,"id":"c"}]})")
            .find("contact 2: name is no text; nothing was imported") == 0);
  CHECK(refused(R"({"peer_contacts":1,"contacts":[{"name":"a\u001b","id":7}]})")
            .find("contact 1 (‘a\\e’): id is no text") == 0);
}

TEST_CASE("several faults have a line each, the first few") {
  std::string all = R"({"peer_contacts":1,"contacts":[{"name":7,"note":7},1)";
  for (int n = 0; n < 4; ++n) all += R"(,{"id":"b"})";
  CHECK(refused(all + "]}") ==
        "nothing was imported:\n"
        "  contact 1: name is no text\n"
        "  contact 1: id is missing\n"
        "  contact 1: note is no text\n"
        "  contact 2 is no object\n"
        "  contact 3: name is missing\n"
        "  and 3 more");
}
