#include "base/faults.hpp"

#include <utility>

#include "base/text.hpp"

namespace peer::base {

namespace {

constexpr std::size_t kNamed = 5;

}  // namespace

void Faults::add(std::string what) {
  if (++count_ <= kNamed) first_.push_back(std::move(what));
}

std::string Faults::text(const std::string& outcome) const {
  if (count_ == 1) return first_.front() + "; " + outcome;
  std::string text = outcome + ":";
  for (const auto& fault : first_) text += "\n  " + fault;
  if (count_ > kNamed) text += "\n  and " + count_text(count_ - kNamed) + " more";
  return text;
}

}  // namespace peer::base
