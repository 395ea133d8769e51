#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/arguments.hpp"
#include "cli/progress.hpp"

namespace peer::cli {

/// One round of a transfer as this process sees it: how long it takes and how much moves. Bytes
/// that were there before the process looked, or before the node was started, do not count, nor
/// does the time for which the other side was away.
class RoundWatch {
 public:
  using Clock = std::chrono::steady_clock;

  /// Every progress event, and the last word too. True if a round begins with it.
  bool see(const Json& offer, Clock::time_point now);
  Timing timing(Clock::time_point now) const;
  /// For how long nothing has moved; zero unless something should.
  std::chrono::seconds silent(Clock::time_point now) const;

 private:
  bool watched_ = false;  ///< the offer was seen before this round began
  bool active_ = false;
  std::optional<Clock::time_point> begun_;
  Clock::time_point last_moved_;
  Clock::time_point seen_;
  Clock::duration absent_{};
  bool away_ = false;             ///< when it was last seen
  std::uint64_t moved_ = 0;       ///< as the node counts
  std::uint64_t idle_moved_ = 0;  ///< that, when the offer was last seen at rest
  std::uint64_t before_ = 0;      ///< of moved_, what is not of this round, or was not seen
  std::uint64_t total_ = 0;       ///< bytes of the round that are there
};

/// The transfers a command follows: keeps the status line, says troubles and absences as they come
/// and facts at the end.
class TransferView {
 public:
  using Clock = std::chrono::steady_clock;
  explicit TransferView(const Common& common) : common_(common) {}

  /// An offer that waits for an answer here: whatever moves later is seen from its beginning.
  void expect(const Json& offer);
  /// Whether the offer differs from what update() saw last.
  bool is_news(const Json& offer) const;
  /// A progress event. True if with it the offer ended, the first time that is seen.
  bool update(const Json& offer);
  /// The last word about an offer, said once.
  void finish(const Json& offer);

 private:
  struct Seen {
    Json offer;
    RoundWatch round;
    std::string state;
    std::string trouble;
    std::optional<Clock::time_point> away_since;
    bool away_told = false;
    bool ended = false;
    bool told = false;
  };
  Seen& seen(const Json& offer);
  void tell_trouble(Seen& now) const;
  void tell_absence(Seen& now) const;
  void show() const;

  const Common& common_;
  std::map<std::uint64_t, Seen> offers_;
};

}  // namespace peer::cli
