#include <doctest/doctest.h>
#include <sys/stat.h>

#include <functional>
#include <ostream>

#include "base/log.hpp"
#include "storage/journal.hpp"
#include "storage_half_done.hpp"

using namespace peer::storage;
using namespace fixture;

TEST_SUITE("damaged record") {
  TEST_CASE("whatever happened to the journal or the staging note, the transfer completes") {
    struct Deed {
      std::string what;
      std::function<void(const World&)> run;
    };
    const auto change = [](const fs::path& path, const std::function<void(std::string&)>& how) {
      auto bytes = slurp(path);
      how(bytes);
      spill(path, bytes);
    };
    const auto journal = [](const World& w) { return w.record / Journal::kName; };
    const auto note = [](const World& w) { return w.record / "staging"; };
    std::vector<Deed> deeds{
        {"empty", [&](const World& w) { spill(journal(w), ""); }},
        {"deleted", [&](const World& w) { fs::remove(journal(w)); }},
        {"of a later version",
         [&](const World& w) { change(journal(w), [](std::string& s) { s[8] = 2; }); }},
        {"something else", [&](const World& w) { spill(journal(w), std::string(5000, 'x')); }},
        {"zeros at its end",
         [&](const World& w) { change(journal(w), [](std::string& s) { s.append(960, '\0'); }); }},
        {"a folder",
         [&](const World& w) {
           fs::remove(journal(w));
           fs::create_directories(journal(w) / "in");
         }},
        {"a pipe",
         [&](const World& w) {
           fs::remove(journal(w));
           REQUIRE(!::mkfifo(journal(w).c_str(), 0600));
         }},
        {"a link",
         [&](const World& w) {
           fs::rename(journal(w), w.home / "elsewhere");
           fs::create_symlink(w.home / "elsewhere", journal(w));
         }},
        {"note deleted", [&](const World& w) { fs::remove(note(w)); }},
        {"note empty", [&](const World& w) { spill(note(w), ""); }},
        {"note of another version", [&](const World& w) { spill(note(w), "peer staging 9\n1\n"); }},
        {"note names another inode",
         [&](const World& w) {
           change(note(w), [](std::string& s) { s.insert(s.find('\n') + 1, "9"); });
         }},
        {"note is a folder",
         [&](const World& w) {
           fs::remove(note(w));
           fs::create_directories(note(w) / "in");
         }},
        {"staging deleted", [](const World& w) { fs::remove_all(w.downloads / w.staging_name()); }},
        {"staging emptied",
         [](const World& w) { fs::remove_all(w.downloads / w.staging_name() / "files"); }},
        {"staging is a file",
         [](const World& w) {
           fs::remove_all(w.downloads / w.staging_name());
           spill(w.downloads / w.staging_name(), "mine");
         }},
    };
    for (const auto torn : {1, 50, 95, 97}) {
      deeds.push_back({"torn", [&, torn](const World& w) {
                         fs::resize_file(journal(w),
                                         fs::file_size(journal(w)) - static_cast<unsigned>(torn));
                       }});
    }
    for (std::size_t at = 100; at < 9 * 96; at += 61) {
      deeds.push_back({"a flipped bit", [&, at](const World& w) {
                         change(journal(w), [at](std::string& s) { s[at % s.size()] ^= 4; });
                       }});
    }
    for (const Deed& deed : deeds) {
      CAPTURE(deed.what);
      World world = half_done();
      auto intake = world.open();
      give_first(*intake, world);
      World::end(intake);
      deed.run(world);
      {
        const auto resumed = world.open();
        World::give_rest(*resumed);
        CHECK(deliver(*resumed).failed == 0);
      }
      for (const auto* name : {"half", "whole", "x1", "x2", "x3"})
        world.check_delivered(name, name);
    }
  }

  TEST_CASE("a damaged note of where it is staged has a copy, and else the folder is named") {
    const std::vector<std::pair<std::string, std::function<void(const fs::path&)>>> damages{
        {"deleted", [](const fs::path& note) { fs::remove(note); }},
        {"empty", [](const fs::path& note) { spill(note, ""); }},
        {"cut", [](const fs::path& note) { fs::resize_file(note, fs::file_size(note) - 9); }},
        {"zeros", [](const fs::path& note) { spill(note, std::string(100, '\0')); }},
        {"a folder",
         [](const fs::path& note) {
           fs::remove(note);
           fs::create_directories(note / "in");
         }},
    };
    const std::vector<std::vector<std::string>> which{
        {"staging"}, {"staging.copy"}, {"staging", "staging.copy"}};
    for (const auto& notes : which) {
      for (const auto& [what, damage] : damages) {
        CAPTURE(what);
        CAPTURE(notes.size());
        World world = half_done();
        auto intake = world.open();
        give_first(*intake, world);
        World::end(intake);
        for (const auto& note : notes) damage(world.record / note);
        if (notes.size() == 1) {
          finish(world, 2 * kUnit);  // what had arrived is used
          CHECK(world.landed() == Names{"half", "whole", "x1", "x2", "x3"});
          continue;
        }
        const auto log = world.home / "log";
        peer::base::log_to(log.string());
        finish(world, world.bytes);
        peer::base::log_to("");
        const auto old = world.downloads / world.staging_name();
        CHECK(slurp(log).find("‘" + old.string() + "’ is not known to be this peer's") !=
              std::string::npos);
        CHECK(fs::exists(old / "files" / "whole"));  // nothing that may be somebody else's goes
      }
    }
  }

  TEST_CASE("a damaged list of files is an error that says so, and nothing gets a name") {
    for (const auto* name : {"catalogue", "names"}) {
      World world = half_done();
      auto intake = world.open();
      give_first(*intake, world);
      World::end(intake);
      const auto good = slurp(world.record / name);
      for (std::size_t at = 0; at <= good.size(); at += at < 40 ? 1 : 17) {
        CAPTURE(name);
        CAPTURE(at);
        auto bad = good;
        if (at < bad.size()) {
          bad[at] ^= 8;
        } else {
          bad.clear();
        }
        spill(world.record / name, bad);
        const auto opened = Intake::open(world.record.string(), world.id, world.plan, 1);
        REQUIRE_FALSE(opened);
        CHECK(opened.error().text().find("is damaged") != std::string::npos);
      }
      fs::remove(world.record / name);
      CHECK_FALSE(Intake::open(world.record.string(), world.id, world.plan, 1));
      CHECK(world.landed() == Names{world.staging_name()});
      spill(world.record / name, good);
      finish(world, 2 * kUnit);
    }
  }
}
