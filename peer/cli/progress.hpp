#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/arguments.hpp"

namespace peer::cli {

using Json = nlohmann::json;

/// Nothing moved for so long: then a rate says nothing any more.
inline constexpr std::chrono::seconds kSilence{5};

/// One line about one offer being carried out, at most `columns` wide: what is too wide is left out
/// from the least important on, the current file is shortened first. `silent`: since when nothing
/// moved.
std::string progress_line(const Json& offer, std::size_t columns, std::chrono::seconds silent = {});

/// What this process saw of one transfer: for the time and rate of its last line.
struct Timing {
  std::chrono::duration<double> elapsed{0};
  std::uint64_t bytes = 0;  ///< moved in that time, whatever an earlier run had moved
};
/// The facts at the end of an offer: files, bytes, time, rate, where; then what failed, by name.
std::vector<std::string> ending_lines(const Json& offer, const Timing& timing,
                                      const Common& common);

/// "74 %"; 100 at the last byte only.
std::string percent_text(std::uint64_t part, std::uint64_t whole);
/// Of what was chosen, where that is known.
std::uint64_t total_bytes(const Json& offer);

}  // namespace peer::cli
