#include "node/offers.hpp"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <iterator>

#include "async/run_on.hpp"
#include "node/failure.hpp"

namespace peer::node {

namespace {
constexpr std::chrono::seconds kMeterSpan{4};
constexpr std::chrono::milliseconds kMeterGap{100};
}  // namespace

void RateMeter::sample(std::uint64_t total, std::chrono::steady_clock::time_point now) {
  if (!samples_.empty() && total < samples_.back().second) samples_.clear();
  if (!samples_.empty() && now - samples_.back().first < kMeterGap) return;
  samples_.emplace_back(now, total);
  while (samples_.size() > 2 && now - samples_.front().first > kMeterSpan) samples_.pop_front();
}

double RateMeter::rate(std::chrono::steady_clock::time_point now) const {
  if (samples_.size() < 2 || now - samples_.back().first > kMeterSpan) return 0;
  const std::chrono::duration<double> span = samples_.back().first - samples_.front().first;
  return static_cast<double>(samples_.back().second - samples_.front().second) /
         std::max(span.count(), 0.001);
}

Result<void> Offers::load() {
  auto rows = services_.database->open_offers();
  if (!rows) return std::move(rows).error();
  for (auto& row : *rows) {
    auto offer = std::make_shared<OfferRecord>();
    offer->folder = folder_of(row.number);
    offer->row = std::move(row);
    offer->limit->set(offer->row.limit);
    open_.emplace(offer->row.number, offer);
  }
  return {};
}

void Offers::set_limit(const OfferPtr& offer, std::uint64_t rate) {
  offer->row.limit = rate;
  offer->limit->set(rate);
  save(offer);
}

std::string Offers::folder_of(std::uint64_t number) const {
  return services_.home.offers + "/" + std::to_string(number);
}

asio::awaitable<OfferPtr> Offers::add(storage::OfferRow row) {
  auto& database = *services_.database;
  auto job = [&database] { return database.next_number(); };
  auto number = co_await async::run_on(services_.database_thread, std::move(job));
  if (!number) throw Failure(base::Exit::failed, number.error().text());
  auto offer = std::make_shared<OfferRecord>();
  offer->row = std::move(row);
  offer->row.number = *number;
  offer->row.made = std::time(nullptr);
  offer->folder = folder_of(*number);
  open_.emplace(*number, offer);
  co_return offer;
}

OfferPtr Offers::find(std::uint64_t number) const {
  const auto it = open_.find(number);
  return it == open_.end() ? nullptr : it->second;
}

OfferPtr Offers::find(const protocol::PeerId& peer, const protocol::OfferId& id,
                      protocol::Direction direction) const {
  const auto it = std::ranges::find_if(open_, [&](const auto& entry) {
    const auto& row = entry.second->row;
    return row.id == id && row.peer == peer && row.direction == direction;
  });
  return it == open_.end() ? nullptr : it->second;
}

void Offers::save(const OfferPtr& offer) {
  services_.save_later(
      "save offer " + std::to_string(offer->row.number),
      [row = offer->row](storage::Database& database) { return database.save(row); });
  services_.changed.notify_all();
}

void Offers::set_state(const OfferPtr& offer, std::string_view state) {
  offer->row.state = state;
  save(offer);
}

void Offers::end(const OfferPtr& offer, std::string_view state, std::string text) {
  if (offer->ended()) return;
  offer->row.state = state;
  if (!text.empty()) offer->row.outcome_text = std::move(text);
  offer->row.ended = std::time(nullptr);
  offer->row.say.clear();
  open_.erase(offer->row.number);
  if (offer->unanswered_knock()) {
    services_.save_later(
        "remove offer " + std::to_string(offer->row.number),
        [number = offer->row.number](storage::Database& db) { return db.remove_offer(number); });
    services_.changed.notify_all();
  } else {
    save(offer);
  }
  std::vector<std::string> leftovers{offer->folder};
  if (offer->given())
    std::ranges::copy_if(offer->row.paths, std::back_inserter(leftovers),
                         [&](const auto& path) { return services_.home.is_spooled(path); });
  // They may still be read by a lane that is ending; removing open files is harmless.
  asio::post(services_.disk, [leftovers = std::move(leftovers)] {
    std::error_code ignored;
    for (const auto& path : leftovers) std::filesystem::remove_all(path, ignored);
  });
}

}  // namespace peer::node
