#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace peer::base {

/// Decides which log lines are too many. What a line says is its text up to the first ": ", with
/// every number in it taken as the same one: "handshake with 10.0.0.7" is "handshake with
/// 10.0.0.9". Not thread-safe.
class LogLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kWindow{60};
  static constexpr std::size_t kSameLines = 10;  ///< of one area and meaning in a window
  static constexpr std::size_t kAllLines = 300;  ///< of everything in a window
  static constexpr std::size_t kMeanings = 256;  ///< told apart in a window; more are one

  /// Whether this line is to be written.
  bool admit(std::string_view area, std::string_view text, Time now);

  struct Skipped {
    std::string area;
    std::string what;
    std::size_t count = 0;
  };
  /// Ends the window if its time has come, and says what was left out in it. To be asked before
  /// every admit().
  std::vector<Skipped> turn(Time now);

 private:
  struct Count {
    std::string area;
    std::string what;
    std::size_t seen = 0;
    std::size_t skipped = 0;
  };
  std::map<std::string, Count> counts_;
  std::size_t written_ = 0;
  Time window_began_{};
};

}  // namespace peer::base
