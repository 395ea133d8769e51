#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace peer::doctor {

/// What one look at this machine, or at the way to another peer, has found.
struct Check {
  enum class State : std::uint8_t {
    ok,
    note,     ///< works, and is worth knowing
    problem,  ///< something does not work
  };

  std::string name;  ///< for programs; stays what it is
  State state = State::ok;
  std::string text;                ///< one sentence, without a final dot
  std::string remedy;              ///< what to do, mostly a command; maybe empty
  std::vector<std::string> lines;  ///< for people, below the sentence
  /// The same for programs: names and numbers, their units in the names.
  nlohmann::json facts = nlohmann::json::object();
};

inline std::string_view to_string(Check::State state) {
  constexpr std::string_view kNames[] = {"ok", "note", "problem"};
  return kNames[static_cast<std::size_t>(state)];
}

}  // namespace peer::doctor
