#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace peer::base {

/// What is wrong with one thing, found in one go and told together. Remembers no more than it
/// names.
class Faults {
 public:
  void add(std::string what);
  bool empty() const { return count_ == 0; }
  /// One stands before the outcome: "x is missing; nothing was imported". Of several each has a
  /// line of its own below it, the first few, and the last says how many more there are.
  std::string text(const std::string& outcome) const;

 private:
  std::vector<std::string> first_;
  std::size_t count_ = 0;
};

}  // namespace peer::base
