#include "base/log_limit.hpp"

namespace peer::base {

namespace {

constexpr std::size_t kMeaningBytes = 80;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string meaning_of(std::string_view text) {
  text = text.substr(0, text.find(": "));
  std::string out;
  for (const char c : text.substr(0, kMeaningBytes)) {
    if (!is_digit(c))
      out += c;
    else if (out.empty() || out.back() != '#')
      out += '#';
  }
  return out;
}

}  // namespace

bool LogLimit::admit(std::string_view area, std::string_view text, Time now) {
  if (counts_.empty()) window_began_ = now;
  std::string what = meaning_of(text);
  std::string key = std::string(area) + '\n' + what;
  if (counts_.size() >= kMeanings && !counts_.contains(key)) {
    key.clear();
    area = "log";
    what = "lines of many kinds";
  }
  Count& count = counts_[std::move(key)];
  if (count.seen++ == 0) {
    count.area = area;
    count.what = std::move(what);
  }
  if (count.seen <= kSameLines && written_ < kAllLines) {
    ++written_;
    return true;
  }
  ++count.skipped;
  return false;
}

std::vector<LogLimit::Skipped> LogLimit::turn(Time now) {
  std::vector<Skipped> out;
  if (counts_.empty() || now - window_began_ < kWindow) return out;
  for (auto& [key, count] : counts_)
    if (count.skipped > 0)
      out.push_back({std::move(count.area), std::move(count.what), count.skipped});
  counts_.clear();
  written_ = 0;
  return out;
}

}  // namespace peer::base
