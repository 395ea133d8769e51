#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/arguments.hpp"

namespace peer::cli {

using Json = nlohmann::json;

/// One line about one offer being carried out, at most `columns` wide: what is too wide is left out
/// from the least important on, the current file is shortened first.
std::string progress_line(const Json& offer, std::size_t columns);

/// What this process saw of one transfer: for the time and rate of its last line.
struct Timing {
  std::chrono::duration<double> elapsed{0};
  std::uint64_t bytes = 0;  ///< moved while this process looked
};
/// The facts at the end of an offer: files, bytes, time, rate, where; then what failed, by name.
std::vector<std::string> ending_lines(const Json& offer, const Timing& timing,
                                      const Common& common);

/// The transfers a command follows: keeps the status line, says troubles as they come and facts at
/// the end.
class TransferView {
 public:
  using Clock = std::chrono::steady_clock;
  explicit TransferView(const Common& common) : common_(common) {}

  /// A progress event. True if with it the offer ended, the first time that is seen.
  bool update(const Json& offer);
  /// The last word about an offer, said once.
  void finish(const Json& offer);

 private:
  struct Seen {
    Json offer;
    Clock::time_point started;
    std::uint64_t bytes_at_start = 0;
    std::string trouble;
    bool active = false;
    bool ended = false;
    bool told = false;
  };
  Seen& seen(const Json& offer);
  void show() const;

  const Common& common_;
  std::map<std::uint64_t, Seen> offers_;
};

}  // namespace peer::cli
