#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace peer::node {

/// Where the time of one transfer goes on this side, over all its connections and runs of the
/// program. Told of it once or twice a block, never a byte. Thread-safe.
class TimeSpent {
 public:
  using Clock = std::chrono::steady_clock;
  enum class On : std::uint8_t {
    network,  ///< bytes were on their way
    other,    ///< the other side gave, or wanted, nothing
    disk,     ///< reading or writing here, with the digest
    limit,    ///< a limit set here
  };
  static constexpr std::size_t kKinds = 4;
  /// Nothing happened for so long: the transfer stood still, which says nothing of its speed.
  static constexpr std::chrono::seconds kStandstill{10};

  struct Totals {
    std::uint64_t bytes = 0;
    Clock::duration moving{};                  ///< by the clock on the wall
    std::array<Clock::duration, kKinds> on{};  ///< of all connections in sum
    Clock::duration processor{};               ///< of it, what threads of lanes computed
    std::uint64_t limit = 0;                   ///< that was waited for last, in bytes a second

    Clock::duration operator[](On what) const { return on[static_cast<std::size_t>(what)]; }
    Clock::duration all() const;
    std::uint64_t rate() const;  ///< bytes a second; 0 while unknown
  };

  void add(On what, Clock::time_point from, Clock::time_point to);
  void moved(std::uint64_t bytes, Clock::duration processor = {});
  /// All has arrived: since it was last told of anything, what took longest so far went on.
  void arrived(Clock::time_point now);
  void limited_to(std::uint64_t rate);
  Totals totals() const;

  /// For the database: what restore() and parse() read.
  std::string text() const;
  void restore(std::string_view text);
  static Totals parse(std::string_view text);  ///< of a text that means nothing: nothing

 private:
  mutable std::mutex mutex_;
  Totals totals_;
  Clock::time_point until_{};  ///< `moving` counts up to here
};

/// What a transfer was held back by most.
enum class HeldBack : std::uint8_t { unknown, network, other, disk, processor, limit };
HeldBack held_back_by(const TimeSpent::Totals& totals);
std::string_view to_string(HeldBack what);

/// Hands the time since it was last asked to what it went on: one look at the clock for each.
class Lap {
 public:
  using Clock = TimeSpent::Clock;

  void skip() { since_ = Clock::now(); }  ///< it went on nothing that counts
  void charge(TimeSpent& spent, TimeSpent::On what) { charge_until(spent, what, Clock::now()); }
  /// What is left up to now goes on what is charged next.
  void charge_until(TimeSpent& spent, TimeSpent::On what, Clock::time_point until);
  Clock::time_point since() const { return since_; }

 private:
  Clock::time_point since_ = Clock::now();
};

}  // namespace peer::node
