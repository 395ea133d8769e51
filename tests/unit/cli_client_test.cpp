#include <ostream>
// <ostream> first: doctest prints with it.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <string>
#include <thread>
#include <vector>

#include "cli/client.hpp"
#include "cli/command_error.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"

using namespace peer::cli;

namespace {

/// A client and the node's end of its connection.
struct Pair {
  explicit Pair(std::optional<Client::Clock::time_point> deadline = std::nullopt) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    node = Fd(ends[1]);
    client = std::make_unique<Client>(Fd(ends[0]), deadline, false);
  }
  void say(const std::string& bytes) {
    REQUIRE(::send(node.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  void say(const Json& message) { say(peer::protocol::with_length(message.dump())); }
  Json heard() {
    std::string prefix(4, '\0');
    REQUIRE(::recv(node.get(), prefix.data(), 4, MSG_WAITALL) == 4);
    std::string body(static_cast<unsigned char>(prefix[3]), '\0');  // these are all short
    REQUIRE(::recv(node.get(), body.data(), body.size(), MSG_WAITALL) ==
            static_cast<ssize_t>(body.size()));
    return Json::parse(body);
  }

  Fd node;
  std::unique_ptr<Client> client;
};

ExitCode failure_of(const Json& message) {
  try {
    throw_if_failed(message);
  } catch (const CommandError& error) {
    return error.code();
  }
  return ExitCode::done;
}

}  // namespace

TEST_SUITE("cli client") {
  TEST_CASE("answers find their requests, in any order and however they are cut") {
    Pair pair;
    std::vector<std::string> got;
    const auto note = [&got](const std::string& name) {
      return [&got, name](const Json& message) {
        got.push_back(name + (is_last_word(message) ? "!" : "."));
      };
    };
    CHECK(pair.client->request(Json::object({{"do", "a"}}), note("a")) == 1);
    CHECK(pair.client->request(Json::object({{"do", "b"}}), note("b")) == 2);
    CHECK(pair.heard()["do"] == "a");
    CHECK(pair.heard()["request"] == 2);
    const Json result = {{"request", 2}, {"result", Json::object()}};
    const Json event = {{"request", 1}, {"event", "progress"}, {"failed", 0}};
    const Json late = {{"request", 2}, {"event", "progress"}};
    const Json failed = {{"request", 1}, {"failed", "no"}, {"exit", 4}};
    std::string bytes;
    for (const Json& message : {result, event, late, failed})
      bytes += peer::protocol::with_length(message.dump());
    for (const char byte : bytes) {
      pair.say(std::string(1, byte));
      pair.client->turn();
    }
    CHECK(got == std::vector<std::string>{"b!", "a.", "a!"});
  }

  TEST_CASE("a failed request is thrown with the node's words and code") {
    Pair pair;
    pair.say({{"request", 1}, {"failed", "no contact is called ‘x\x1b’"}, {"exit", 10}});
    try {
      pair.client->call(Json::object({{"do", "id"}}));
      FAIL("was not thrown");
    } catch (const CommandError& error) {
      CHECK(error.code() == ExitCode::unknown);
      CHECK(std::string(error.what()) == "no contact is called ‘x\\e’");
    }
    CHECK(escaped_lines("STOP\n  a\x1b[2J\n") == "STOP\n  a\\e[2J\n");
    CHECK(failure_of({{"failed", "x"}, {"exit", 0}}) == ExitCode::failed);
    CHECK(failure_of({{"failed", "x"}, {"exit", 11}}) == ExitCode::failed);
    CHECK(failure_of({{"failed", "x"}}) == ExitCode::failed);
    CHECK(failure_of({{"event", "progress"}, {"failed", 3}}) == ExitCode::done);
  }

  TEST_CASE("questions are answered under their number") {
    Pair pair;
    pair.say({{"request", 1}, {"question", 5}, {"kind", "identity"}});
    pair.say({{"request", 1}, {"result", {{"x", 1}}}});
    const Json result =
        pair.client->call(Json::object({{"do", "add"}}),
                          [&pair](const Json& question) { pair.client->answer(question, true); });
    CHECK(number_of(result, "x") == 1);
    pair.heard();
    CHECK(pair.heard() == Json::object({{"request", 1}, {"answer", 5}, {"value", true}}));
  }

  TEST_CASE("a node that goes away, a time that is over and nonsense end the waiting") {
    Pair gone;
    gone.node.reset();
    CHECK_THROWS_AS(gone.client->turn(), NodeGone);
    Pair late(Client::Clock::now());
    CHECK_THROWS_AS(late.client->turn(), TimeIsOver);
    Pair nonsense;
    nonsense.say(std::string("\0\0\0\2[]", 6));
    CHECK_THROWS_AS(nonsense.client->turn(), CommandError);
    Pair large;
    large.say(std::string("\xff\xff\xff\xff", 4));
    CHECK_THROWS_AS(large.client->turn(), CommandError);
  }

  TEST_CASE("a request at the size limit goes out, one past it is a usage error") {
    const std::size_t rest = std::string(R"({"do":"x","pad":"","request":1})").size();
    Json body = {{"do", "x"}, {"pad", std::string(peer::protocol::kMaxMessageBytes - rest, 'p')}};
    Pair pair;
    std::thread reader([&pair] {  // a socket's buffer may be smaller than that
      std::string bytes(peer::protocol::kMaxMessageBytes + 4, '\0');
      CHECK(::recv(pair.node.get(), bytes.data(), bytes.size(), MSG_WAITALL) ==
            static_cast<ssize_t>(bytes.size()));
    });
    CHECK(pair.client->request(body, {}) == 1);
    reader.join();
    Pair other;
    body["pad"] = body["pad"].get<std::string>() + "p";
    CHECK_THROWS_AS(other.client->request(body, {}), CommandError);
  }

  TEST_CASE("dropped handlers are not called any more") {
    Pair pair;
    bool called = false;
    pair.client->request(Json::object({{"do", "watch"}}), [&](const Json&) { called = true; });
    pair.client->drop_handlers();
    pair.say({{"request", 1}, {"event", "offer"}});
    pair.client->turn();
    CHECK_FALSE(called);
  }
}
