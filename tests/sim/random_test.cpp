#include <ostream>
// doctest wants <ostream> first

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "schedule.hpp"

using namespace peer::sim;

namespace {

std::optional<std::uint64_t> from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (!text || !*text) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

thread_local char now_playing[64];

/// An assertion failed: which schedule it was.
void say_seed(int signal) {
  const auto written = ::write(STDERR_FILENO, now_playing, std::strlen(now_playing));
  (void)written;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

/// Plays schedules from `seed` on, until one fails, `schedules` are over, or the time is.
class Run {
 public:
  Run(std::uint64_t seed, std::uint64_t schedules, std::optional<std::uint64_t> seconds)
      : seed_(seed),
        schedules_(schedules),
        traced_(from_environment("PEER_SIM_TRACE").value_or(0)) {
    if (seconds) until_ = std::chrono::steady_clock::now() + std::chrono::seconds(*seconds);
  }

  void play(std::uint64_t threads) {
    std::vector<std::thread> others;
    for (std::uint64_t i = 1; i < threads; ++i) others.emplace_back([this] { play_some(); });
    play_some();
    for (auto& other : others) other.join();
  }

  std::uint64_t played() const { return played_; }
  const std::string& wrong() const { return wrong_; }

  /// Which share of the schedules had what.
  std::string shares() const {
    std::string text;
    for (std::size_t i = 0; i < kMixed; ++i)
      text += std::string(i ? ", " : "") + to_string(static_cast<Mixed>(i)) + ' ' +
              std::to_string(mixed_[i] * 100 / std::max<std::uint64_t>(played_, 1)) + " %";
    return text;
  }

 private:
  void play_some() {
    std::array<std::uint64_t, kMixed> mixed{};
    std::uint64_t played = 0;
    while (!stop_ && (!until_ || std::chrono::steady_clock::now() < *until_)) {
      const auto i = next_++;
      if (i >= schedules_) break;
      const std::string name = "PEER_SIM_SEED=" + std::to_string(seed_ + i);
      std::snprintf(now_playing, sizeof now_playing, "%s\n", name.c_str());
      Schedule schedule(seed_ + i, traced_);
      const std::string wrong = schedule.play();
      ++played;
      for (std::size_t k = 0; k < kMixed; ++k) mixed[k] += schedule.mix()[k];
      if (wrong.empty()) continue;
      stop_ = true;
      const std::lock_guard lock(mutex_);
      wrong_ += name + ": " + wrong + '\n';
    }
    const std::lock_guard lock(mutex_);
    played_ += played;
    for (std::size_t k = 0; k < kMixed; ++k) mixed_[k] += mixed[k];
  }

  std::uint64_t seed_;
  std::uint64_t schedules_;
  bool traced_;
  std::optional<std::chrono::steady_clock::time_point> until_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::uint64_t played_ = 0;
  std::array<std::uint64_t, kMixed> mixed_{};
  std::string wrong_;
};

}  // namespace

// PEER_SIM_SEED alone plays that one schedule; PEER_SIM_TRACE=1 tells what happens in it.
TEST_SUITE("random") {
  TEST_CASE("any schedule ends in agreement") {
    const auto told = from_environment("PEER_SIM_SEED");
    auto schedules = from_environment("PEER_SIM_SCHEDULES");
    auto seconds = from_environment("PEER_SIM_SECONDS");
    // The nightly form: all the cores that there are.
    const std::uint64_t threads = seconds ? std::max(1u, std::thread::hardware_concurrency()) : 1;
    if (told && !seconds && !schedules) schedules = 1;
    if (!schedules && !seconds) seconds = PEER_SIM_DEFAULT_SECONDS;
    const std::uint64_t seed = told.value_or(std::random_device()());
    std::cout << "PEER_SIM_SEED=" << seed << std::endl;
    const auto before = std::signal(SIGABRT, say_seed);
    Run run(seed, schedules.value_or(std::numeric_limits<std::uint64_t>::max()), seconds);
    run.play(threads);
    std::signal(SIGABRT, before);
    std::cout << run.played() << " schedules: " << run.shares() << std::endl;
    if (!run.wrong().empty()) FAIL_CHECK(run.wrong());
    CHECK(run.played() > 0);
  }
}
