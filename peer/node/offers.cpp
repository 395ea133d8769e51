#include "node/offers.hpp"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <new>

#include "async/run_on.hpp"
#include "base/log.hpp"
#include "node/failure.hpp"
#include "storage/disk_error.hpp"
#include "storage/staging.hpp"

namespace peer::node {

namespace {
constexpr std::chrono::seconds kMeterSpan{4};
constexpr std::chrono::milliseconds kMeterGap{100};

/// Of what is staged on a drive that is away only this is kept.
void keep_notes(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (!storage::Staging::is_note(entry.path().filename().string()))
      std::filesystem::remove_all(entry.path(), ignored);
  }
}

/// Removes an offer's record, and before it what it tells to be staged; false if something stays.
bool remove_record(const std::string& folder) {
  auto record = storage::Folder::open(folder);
  if (record) {
    if (auto removed = storage::Staging::remove_noted(*record); !removed) {
      if (storage::is_drive_away(removed.error().code))
        keep_notes(folder);
      else
        base::log(base::Level::warning, "offers", removed.error().text());
      return false;
    }
  }
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  return !error;
}

bool is_number(const std::string& text) {
  return text.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

struct Offers::Left {
  std::mutex mutex;
  std::vector<std::string> records;          ///< folders that could not be removed
  std::map<std::uint64_t, Write> unwritten;  ///< by number of the offer; of the database's thread
};

Offers::Offers(Services& services) : services_(services), left_(std::make_shared<Left>()) {}

void RateMeter::sample(std::uint64_t total, std::chrono::steady_clock::time_point now) {
  if (!samples_.empty()) {
    const auto& [last, was] = samples_.back();
    // While nothing moves there is nothing to note: a pause that is over does not slow what goes
    // on.
    if (total == was) return;
    if (total < was || now - last > kMeterSpan)
      samples_.clear();
    else if (now - last < kMeterGap)
      return;
  }
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
    offer->spent->restore(offer->row.spent);
    open_.emplace(offer->row.number, offer);
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(services_.home.offers, error)) {
    const auto name = entry.path().filename().string();
    const bool open = std::ranges::any_of(
        open_, [&](const auto& offer) { return std::to_string(offer.first) == name; });
    const bool walk = name.starts_with("scan-");  // that became no offer
    if (walk || (is_number(name) && !open)) left_->records.push_back(entry.path());
  }
  clear_left();
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
  offer->row.spent = offer->spent->text();
  write("save", offer->row.number,
        [row = offer->row](storage::Database& database) { return database.save(row); });
}

/// What the disk has no room for, or what there is no memory for, is tried again by clear_left().
void Offers::write(const std::string& what, std::uint64_t number, Write work) {
  auto job = [left = left_, number, work = std::move(work)](storage::Database& database) {
    Result<void> done = Error(std::make_error_code(std::errc::not_enough_memory));
    try {
      done = work(database);
    } catch (const std::bad_alloc&) {
    }
    if (done)
      left->unwritten.erase(number);
    else
      left->unwritten.insert_or_assign(number, work);
    return done;
  };
  services_.save_later(what + " offer " + std::to_string(number), std::move(job));
  services_.changed.notify_all();
}

void Offers::write_again() {
  services_.save_later("save offers again", [left = left_](storage::Database& database) {
    std::erase_if(left->unwritten, [&](const auto& entry) {
      const bool done = static_cast<bool>(entry.second(database));
      if (done)
        base::log(base::Level::info, "offers",
                  "offer " + std::to_string(entry.first) + " could be saved now");
      return done;
    });
    return Result<void>();
  });
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
    write("remove", offer->row.number, [number = offer->row.number](storage::Database& database) {
      return database.remove_offer(number);
    });
  } else {
    save(offer);
  }
  std::vector<std::string> spooled;
  const auto others_use = [&](const std::string& path) {  // the same, offered to several
    return std::ranges::any_of(open_, [&](const auto& other) {
      return std::ranges::find(other.second->row.paths, path) != other.second->row.paths.end();
    });
  };
  if (offer->given())
    std::ranges::copy_if(offer->row.paths, std::back_inserter(spooled), [&](const auto& path) {
      return services_.home.is_spooled(path) && !others_use(path);
    });
  // They may still be read by a lane that is ending; removing open files is harmless.
  clear({offer->folder}, std::move(spooled));
}

void Offers::drop_record(const OfferPtr& offer) { clear({offer->folder}, {}); }

void Offers::clear_left() {
  write_again();
  std::vector<std::string> records;
  {
    const std::scoped_lock lock(left_->mutex);
    records.swap(left_->records);
  }
  if (!records.empty()) clear(std::move(records), {});
}

void Offers::clear(std::vector<std::string> records, std::vector<std::string> spooled) {
  auto job = [left = left_, records = std::move(records), spooled = std::move(spooled)] {
    std::error_code ignored;
    for (const auto& path : spooled) std::filesystem::remove_all(path, ignored);
    for (const auto& folder : records) {
      if (remove_record(folder)) continue;
      const std::scoped_lock lock(left->mutex);
      left->records.push_back(folder);
    }
  };
  // Behind what save() was told: after a crash no open offer may lack its record.
  asio::post(services_.database_thread, [&disk = services_.disk, job = std::move(job)]() mutable {
    asio::post(disk, std::move(job));
  });
}

}  // namespace peer::node
