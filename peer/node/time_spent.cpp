#include "node/time_spent.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

namespace peer::node {

using std::chrono::microseconds;

namespace {

/// Less says nothing: the first round trips would be all there is.
constexpr std::uint64_t kTellingBytes = 256 * 1024;
constexpr std::chrono::milliseconds kTellingTime{20};
constexpr std::array<const char*, TimeSpent::kKinds> kNames{"network_us", "other_us", "disk_us",
                                                            "limit_us"};

std::int64_t in_us(TimeSpent::Clock::duration time) {
  return std::chrono::duration_cast<microseconds>(time).count();
}

}  // namespace

TimeSpent::Clock::duration TimeSpent::Totals::all() const {
  return std::accumulate(on.begin(), on.end(), Clock::duration{});
}

std::uint64_t TimeSpent::Totals::rate() const {
  const std::chrono::duration<double> seconds = moving;
  if (seconds.count() <= 0) return 0;
  return static_cast<std::uint64_t>(static_cast<double>(bytes) / seconds.count());
}

void TimeSpent::add(On what, Clock::time_point from, Clock::time_point to) {
  if (to <= from || to - from > kStandstill) return;
  const std::lock_guard lock(mutex_);
  totals_.on[static_cast<std::size_t>(what)] += to - from;
  // Connections overlap: what was counted already is not counted again.
  if (to > until_) totals_.moving += to - std::max(from, until_);
  until_ = std::max(until_, to);
}

void TimeSpent::moved(std::uint64_t bytes, Clock::duration processor) {
  const std::lock_guard lock(mutex_);
  totals_.bytes += bytes;
  totals_.processor += processor;
}

void TimeSpent::arrived(Clock::time_point now) {
  std::unique_lock lock(mutex_);
  const auto until = until_;
  const auto what = totals_[On::network] > totals_[On::other] ? On::network : On::other;
  lock.unlock();
  if (until != Clock::time_point{}) add(what, until, now);
}

void TimeSpent::limited_to(std::uint64_t rate) {
  const std::lock_guard lock(mutex_);
  totals_.limit = rate;
}

TimeSpent::Totals TimeSpent::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

std::string TimeSpent::text() const {
  const auto all = totals();
  if (all.bytes == 0) return {};
  nlohmann::json json;
  json["bytes"] = all.bytes;
  json["moving_us"] = in_us(all.moving);
  json["processor_us"] = in_us(all.processor);
  json["limit"] = all.limit;
  for (std::size_t i = 0; i < kKinds; ++i) json[kNames[i]] = in_us(all.on[i]);
  return json.dump();
}

TimeSpent::Totals TimeSpent::parse(std::string_view text) {
  Totals all;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto number = [&json](const char* key) -> std::uint64_t {
    const auto it = json.find(key);
    const auto* found = it == json.end() ? nullptr : it->get_ptr<const std::uint64_t*>();
    return found ? *found : 0;
  };
  const auto time = [&](const char* key) {
    return microseconds(static_cast<std::int64_t>(number(key)));
  };
  if (!json.is_object()) return all;
  all.bytes = number("bytes");
  all.limit = number("limit");
  all.moving = time("moving_us");
  all.processor = time("processor_us");
  for (std::size_t i = 0; i < kKinds; ++i) all.on[i] = time(kNames[i]);
  return all;
}

void TimeSpent::restore(std::string_view text) {
  const auto before = parse(text);
  const std::lock_guard lock(mutex_);
  totals_ = before;
}

HeldBack held_back_by(const TimeSpent::Totals& totals) {
  using On = TimeSpent::On;
  const auto all = totals.all();
  if (totals.bytes < kTellingBytes || all < kTellingTime) return HeldBack::unknown;
  if (totals[On::limit] * 2 > all) return HeldBack::limit;
  if (totals.processor * 4 > (all - totals[On::limit]) * 3) return HeldBack::processor;
  const auto most = std::max({totals[On::network], totals[On::other], totals[On::disk]});
  if (most == totals[On::network]) return HeldBack::network;
  return most == totals[On::disk] ? HeldBack::disk : HeldBack::other;
}

std::string_view to_string(HeldBack what) {
  constexpr std::string_view kWords[] = {"unknown", "network",   "other",
                                         "disk",    "processor", "limit"};
  return kWords[static_cast<std::size_t>(what)];
}

void Lap::charge_until(TimeSpent& spent, TimeSpent::On what, Clock::time_point until) {
  if (until <= since_) return;
  spent.add(what, since_, until);
  since_ = until;
}

}  // namespace peer::node
