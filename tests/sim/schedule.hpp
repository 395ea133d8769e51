#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "world.hpp"

namespace peer::sim {

/// What a schedule had in it.
enum class Mixed : std::uint8_t {
  cut,
  half_open,
  mute,
  crossed,
  clean_restart,
  killed,
  power_loss,
  lost_rows,
  lost_journal,
  expiry,
  wall_jump,
  silence,
  paused,
  no_space,
  gone,
  zeros,
  check,
  offer_again,
  get,
  list,
  cancel,
  later_round,
  never_want,
};
inline constexpr std::size_t kMixed = 23;
const char* to_string(Mixed what);
using Mix = std::array<bool, kMixed>;

/// One schedule: anything may happen in any order, then everything is given time to settle.
class Schedule {
 public:
  Schedule(std::uint64_t seed, bool traced);
  /// What is wrong, or nothing.
  std::string play();
  const Mix& mix() const { return mix_; }

 private:
  void set_up(std::size_t side);
  void step();
  void happens(std::size_t side);
  void disturb(std::size_t side);
  void restart(std::size_t side);
  void trouble(std::size_t side);
  void offer(std::size_t side);
  void get(std::size_t side);
  void answer_gets(std::size_t side, bool well);
  bool calm(std::size_t looks);
  std::string settle();
  void give_up();
  void mark(Mixed what) { mix_[static_cast<std::size_t>(what)] = true; }
  bool has(Mixed what) const { return mix_[static_cast<std::size_t>(what)]; }
  OfferId some_id() { return offer_id(1 + dice_.below(offers_)); }

  Dice dice_;
  World world_;
  Mix mix_{};
  std::uint64_t offers_ = 0;
  std::uint64_t requests_ = 0;
  bool crashes_ = false;  ///< rows and journals may be lost
  std::size_t saving_ = 1;
  std::size_t unrest_ = 1;
};

}  // namespace peer::sim
