#include <ostream>
// <ostream> first: doctest prints with it.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/progress.hpp"
#include "cli/transfer_view.hpp"

using namespace peer::cli;

namespace {

Json transfer(const char* direction) {
  Json offer = {{"number", 3},
                {"direction", direction},
                {"state", "active"},
                {"files", 1024},
                {"bytes", 3'400'000'000U},
                {"files_done", 500},
                {"bytes_done", 1'700'000'000U},
                {"rate", 112'000'000},
                {"eta", 15},
                {"route", "192.168.1.7:56744"},
                {"lanes", 2},
                {"current", "photos/2026/" + std::string(60, 'x') + "/last.jpg"}};
  offer["peer"] = {{"name", "bob"}, {"short", "ABCDEFG-HIJKLMN"}};
  return offer;
}

std::string all(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace

TEST_SUITE("cli text") {
  TEST_CASE("the progress line fits, and drops the least important first") {
    for (std::size_t columns = 20; columns < 200; ++columns) {
      CAPTURE(columns);
      CHECK(peer::base::columns(progress_line(transfer("out"), columns)) <= columns);
    }
    const std::string wide = progress_line(transfer("out"), 140);
    for (const char* part : {"to bob: 50 %", "1.7 GB of 3.4 GB", "112 MB/s", "15 s left",
                             "last.jpg", "via 192.168.1.7:56744, 2 lanes"})
      CHECK_MESSAGE(wide.find(part) != std::string::npos, part);
    CHECK(progress_line(transfer("in"), 60).find("1.7 GB of 3.4 GB") != std::string::npos);
  }

  TEST_CASE("100 % is said at the last byte only") {
    Json offer = transfer("in");
    offer["bytes_done"] = 3'399'999'999U;
    CHECK(progress_line(offer, 80).find("99 %") != std::string::npos);
    offer["bytes_done"] = 3'400'000'000U;
    CHECK(progress_line(offer, 80).find("100 %") != std::string::npos);
    offer["bytes"] = offer["bytes_done"] = 0;
    CHECK(progress_line(offer, 80).find("100 %") != std::string::npos);
  }

  TEST_CASE("the other side's full disk is told with what is missing") {
    Json offer = transfer("out");
    offer["trouble"] = {{"code", "no_space"}, {"missing", 12'000'000'000U}, {"ours", false}};
    CHECK(trouble_text(offer) == "bob's disk is full: paused, 12 GB missing");
  }

  TEST_CASE("trouble of the disk here names the folder and what to do") {
    Json offer = transfer("in");
    offer["trouble"] = {{"code", "no_space"}, {"missing", 12'000'000U}, {"ours", true}};
    offer["trouble"]["folder"] = "/home/bob/Downloads";
    CHECK(trouble_text(offer) ==
          "the disk of ‘/home/bob/Downloads’ is full: paused, 12 MB missing");
    CHECK(remedy_text(offer, Common()).starts_with("when there is room it goes on by itself"));
    offer["trouble"] = {{"code", "no_space"}, {"ours", true}, {"records", true}};
    offer["trouble"]["folder"] = "/home/bob/.peer/offers/7";
    CHECK(trouble_text(offer) ==
          "the disk of ‘/home/bob/.peer/offers/7’ (where this program keeps its records) is full: "
          "paused");
    offer["trouble"] = {{"code", "disk"}, {"text", "the folder ‘/x’ was removed"}, {"ours", true}};
    CHECK(trouble_text(offer) == "paused: the folder ‘/x’ was removed");
  }

  TEST_CASE("trouble of the other side's disk says what was tried") {
    Json offer = transfer("out");
    offer["trouble"] = {{"code", "disk"}, {"text", "cannot write: Permission denied"}};
    CHECK(trouble_text(offer) == "paused by bob's side: cannot write: Permission denied");
    CHECK(remedy_text(offer, Common()).empty());
  }

  TEST_CASE("an end says what is known, and what to run for the rest") {
    Common common;
    Json offer = transfer("in");
    offer["state"] = "partial";
    offer["to"] = "/home/u/Downloads";
    offer["delivered"] = {"photos"};
    offer["failed"] = 1;
    offer["failures"] = Json::array();
    offer["failures"].push_back({{"path", "photos/a\x1b"}, {"text", "changed while it was sent"}});
    const std::string text =
        all(ending_lines(offer, {std::chrono::seconds(20), 1'700'000'000U}, common));
    for (const char* part :
         {"500 files, 1.7 GB in 20 s (85 MB/s), verified", "‘/home/u/Downloads/photos’",
          "1 entry did not arrive", "‘photos/a\\e’: changed while it was sent", "peer accept 3"})
      CHECK_MESSAGE(text.find(part) != std::string::npos, part);
  }

  TEST_CASE("only what is done is called delivered") {
    Common common;
    for (const char* state : {"rejected", "cancelled", "expired", "failed", "active"}) {
      CAPTURE(state);
      Json offer = transfer("out");
      offer["state"] = state;
      const std::string text = all(ending_lines(offer, {}, common));
      CHECK(text.find("delivered") == std::string::npos);
      CHECK(text.find("verified") == std::string::npos);
    }
    Json offer = transfer("out");
    offer["state"] = "done";
    CHECK(all(ending_lines(offer, {}, common)).find("delivered to bob") != std::string::npos);
  }

  TEST_CASE("what is open is never called failed") {
    Common common;
    for (const char* state : {"pending", "active", "preparing"}) {
      CAPTURE(state);
      Json offer = transfer("out");
      offer["state"] = state;
      const std::string text = all(ending_lines(offer, {}, common));
      CHECK(text.find("failed") == std::string::npos);
      CHECK(text.find("when there is room") == std::string::npos);
    }
  }

  TEST_CASE("an absent peer is named instead of a rate, and so is silence") {
    Json offer = transfer("out");
    CHECK(progress_line(offer, 100, std::chrono::seconds(24)).find("nothing moved for 24 s") !=
          std::string::npos);
    CHECK(progress_line(offer, 100, std::chrono::seconds(24)).find("MB/s") == std::string::npos);
    CHECK(progress_line(offer, 100, std::chrono::seconds(1)).find("MB/s") != std::string::npos);
    offer["away"] = true;
    CHECK(progress_line(offer, 100) ==
          "to bob: 50 %  1.7 GB of 3.4 GB  bob is away; goes on when bob is back");
    CHECK(state_text(offer) == "bob is away; goes on when bob is back");
    offer["state"] = "pending";
    CHECK(state_text(offer) == "pending, bob is not reachable");
  }

  TEST_CASE("time and rate are of what moved while somebody looked") {
    using Clock = RoundWatch::Clock;
    const Clock::time_point start{};
    const auto at = [&](int seconds) { return start + std::chrono::seconds(seconds); };
    const auto event = [](const char* direction, const char* state, std::uint64_t bytes,
                          std::uint64_t sent, std::uint64_t resumed) {
      Json offer = {{"direction", direction}, {"state", state}, {"bytes_done", bytes}};
      if (sent > 0) offer["sent_bytes"] = sent;
      if (resumed > 0) offer["resumed_bytes"] = resumed;
      return offer;
    };
    SUBCASE("a resumed one counts from what was there") {
      RoundWatch round;
      CHECK(round.see(event("in", "active", 0, 0, 0), at(0)));
      round.see(event("in", "active", 600, 0, 540), at(1));
      round.see(event("in", "done", 740, 0, 0), at(10));
      CHECK(round.timing(at(10)).bytes == 200);
      CHECK(round.timing(at(10)).elapsed.count() == 10);
    }
    SUBCASE("the second part has its own time, on both sides") {
      for (const char* direction : {"in", "out"}) {
        CAPTURE(direction);
        RoundWatch round;
        round.see(event(direction, "pending", 0, 0, 0), at(0));
        round.see(event(direction, "active", 50, 50, 0), at(100));
        round.see(event(direction, "partial", 90, 90, 0), at(101));
        CHECK(round.timing(at(101)).bytes == 90);
        CHECK(round.see(event(direction, "active", 4, 94, 0), at(200)));
        round.see(event(direction, "done", 10, 100, 0), at(202));
        CHECK(round.timing(at(202)).bytes == 10);
        CHECK(round.timing(at(202)).elapsed.count() == 2);
      }
    }
    SUBCASE("a giver that looks late counts what it sees sent") {
      RoundWatch round;
      round.see(event("out", "active", 700, 700, 0), at(0));
      round.see(event("out", "done", 1000, 1000, 0), at(3));
      CHECK(round.timing(at(3)).bytes == 300);
    }
    SUBCASE("an absence is not counted") {
      RoundWatch round;
      round.see(event("out", "pending", 0, 0, 0), at(0));
      round.see(event("out", "active", 50, 50, 0), at(1));
      Json away = event("out", "active", 50, 50, 0);
      away["away"] = true;
      round.see(away, at(2));
      round.see(away, at(30));
      round.see(event("out", "active", 50, 50, 0), at(32));
      round.see(event("out", "done", 100, 100, 0), at(34));
      CHECK(round.timing(at(34)).bytes == 100);
      CHECK(round.timing(at(34)).elapsed.count() == 3);
    }
    SUBCASE("what ended before has no time") {
      RoundWatch round;
      round.see(event("in", "done", 740, 0, 0), at(0));
      CHECK(round.timing(at(9)).elapsed.count() == 0);
    }
    Json offer = transfer("in");
    offer["state"] = "done";
    const auto line = [&offer](Timing timing) { return ending_lines(offer, timing, {}).front(); };
    CHECK(line({std::chrono::seconds(2), 200'000'000})
              .find("1.7 GB, 200 MB of it in 2.0 s (100 MB/s)") != std::string::npos);
    CHECK(line({std::chrono::seconds(2), 0}).find("MB/s") == std::string::npos);
  }

  TEST_CASE("what could not be read is named at the end too") {
    Json offer = transfer("out");
    offer["state"] = "done";
    offer["unreadable"] = 2;
    CHECK(all(ending_lines(offer, {}, {})).find("2 entries could not be read here") !=
          std::string::npos);
  }

  TEST_CASE("the reason of a rejection is shown, escaped") {
    Json offer = transfer("out");
    offer["state"] = "rejected";
    offer["text"] = "no\x1b[2J";
    CHECK(ending_lines(offer, {}, Common{}).front() == "bob rejected offer 3: no\\e[2J");
  }

  TEST_CASE("exit codes follow the state") {
    const auto code = [](const char* state, int failed) {
      Json offer = {{"state", state}, {"failed", failed}};
      return exit_code_of(offer);
    };
    CHECK(code("done", 0) == ExitCode::done);
    CHECK(code("done", 1) == ExitCode::partly);
    CHECK(code("partial", 0) == ExitCode::done);
    CHECK(exit_code_of({{"state", "done"}, {"unreadable", 1}}) == ExitCode::partly);
    CHECK(code("rejected", 0) == ExitCode::rejected);
    CHECK(code("expired", 0) == ExitCode::timed_out);
    CHECK(code("failed", 0) == ExitCode::failed);
  }

  TEST_CASE("names that are no UTF-8 travel as base64, both ways, and get a key of their own") {
    const std::string odd = "a\xff\n";
    CHECK(bytes_from(bytes_value(odd)) == odd);
    CHECK(bytes_from(bytes_value("é")) == "é");
    Json row = Json::object();
    row["path"] = bytes_value(odd);
    row["paths"] = bytes_values({odd, "b"});
    row["title"] = "t";
    const Json shown = public_json(row);
    CHECK(shown["path64"] == "Yf8K");
    CHECK_FALSE(shown.contains("path"));
    CHECK(shown["paths"][0]["path64"] == "Yf8K");
    CHECK(shown["paths"][1] == "b");
    CHECK(shown["title"] == "t");
  }

  TEST_CASE("fields that are missing or of another type are empty, never an error") {
    const Json object = {{"text", 5}, {"number", "x"}, {"flag", 1}, {"big", 1e300}, {"neg", -5}};
    CHECK(text_of(object, "text").empty());
    CHECK(number_of(object, "number") == 0);
    CHECK(number_of(object, "big") == 0);
    CHECK(number_of(object, "neg") == 0);
    CHECK_FALSE(flag_of(object, "flag"));
    CHECK(object_of(object, "none").empty());
    CHECK(text_of(Json(3), "x").empty());
    CHECK(exit_code_of(Json()) == ExitCode::failed);
  }
}
