#include "node/contacts.hpp"

#include <algorithm>
#include <ctime>

#include "async/run_on.hpp"
#include "base/text.hpp"
#include "node/failure.hpp"
#include "node/known_addresses.hpp"
#include "trust/names.hpp"

namespace peer::node {

namespace {

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

Result<void> Contacts::load() {
  auto rows = services_.database->contacts();
  if (!rows) return std::move(rows).error();
  for (auto& row : *rows) rows_.emplace(row.id, row);
  return {};
}

const storage::ContactRow* Contacts::find(const protocol::PeerId& id) const {
  const auto it = rows_.find(id);
  return it == rows_.end() ? nullptr : &it->second;
}

const storage::ContactRow* Contacts::find_name(std::string_view name) const {
  if (name.empty()) return nullptr;
  const auto it = std::ranges::find_if(
      rows_, [&](const auto& row) { return same_name(row.second.name, name); });
  return it == rows_.end() ? nullptr : &it->second;
}

std::vector<const storage::ContactRow*> Contacts::at_address(const std::string& address) const {
  std::vector<const storage::ContactRow*> found;
  for (const auto& [id, row] : rows_) {
    if (row.name.empty()) continue;
    const auto* there = find_address(row.addresses, address);
    if (there && (there->last_answered != 0 || there->learned == Learned::given))
      found.push_back(&row);
  }
  return found;
}

bool Contacts::is_contact(const protocol::PeerId& id) const {
  const auto* row = find(id);
  return row && !row->name.empty();
}

bool Contacts::is_verified(const protocol::PeerId& id) const {
  const auto* row = find(id);
  return row && !row->name.empty() && row->verified;
}

bool Contacts::is_trusted(const protocol::PeerId& id) const {
  const auto* row = find(id);
  return row && !row->name.empty() && row->trusted && !row->blocked;
}

bool Contacts::is_blocked(const protocol::PeerId& id) const {
  const auto* row = find(id);
  return row && row->blocked;
}

std::string Contacts::called(const protocol::PeerId& id) const {
  const auto* row = find(id);
  return row && !row->name.empty() ? row->name : id.short_text();
}

std::string Contacts::free_name(std::string_view wish, const protocol::PeerId& id) const {
  auto name = trust::name_from(wish);
  if (name.empty() || !trust::name_error(name).empty())
    name = "peer-" + id.short_text().substr(0, 7);
  auto free = name;
  for (int n = 2; find_name(free); ++n) free = name.substr(0, 56) + "-" + std::to_string(n);
  return free;
}

asio::awaitable<void> Contacts::save(storage::ContactRow row) {
  rows_[row.id] = row;
  auto& database = *services_.database;
  auto job = [&database, &row] { return database.save(row); };
  auto saved = co_await async::run_on(services_.database_thread, std::move(job));
  if (!saved) throw Failure(base::Exit::failed, saved.error().text());
  services_.changed.notify_all();
}

asio::awaitable<void> Contacts::save(std::vector<storage::ContactRow> rows) {
  std::map<protocol::PeerId, storage::ContactRow> before;
  for (const auto& row : rows) {
    if (const auto* known = find(row.id)) before.emplace(row.id, *known);
    rows_[row.id] = row;
  }
  auto& database = *services_.database;
  auto job = [&database, &rows] { return database.save(rows); };
  auto saved = co_await async::run_on(services_.database_thread, std::move(job));
  if (!saved) {
    for (const auto& row : rows) rows_.erase(row.id);
    rows_.merge(before);
    throw Failure(base::Exit::failed, saved.error().text());
  }
  services_.changed.notify_all();
}

asio::awaitable<void> Contacts::remove(protocol::PeerId id) {
  rows_.erase(id);
  auto& database = *services_.database;
  auto job = [&database, id] { return database.remove_contact(id); };
  auto removed = co_await async::run_on(services_.database_thread, std::move(job));
  if (!removed) throw Failure(base::Exit::failed, removed.error().text());
  services_.changed.notify_all();
}

void Contacts::save_later(const storage::ContactRow& row) {
  services_.save_later("save contact",
                       [row](storage::Database& database) { return database.save(row); });
}

void Contacts::seen(const protocol::PeerId& id, const std::string& calls_itself,
                    const std::string& address, const std::string& heard_at) {
  const auto it = rows_.find(id);
  if (it == rows_.end() || it->second.name.empty()) return;
  auto& row = it->second;
  const auto now = std::time(nullptr);
  row.calls_itself = calls_itself;
  row.last_seen = now;
  const auto* nearby = services_.nearby.find(id);
  const bool is_near = nearby && std::ranges::any_of(nearby->addresses, [&](const auto& one) {
                         return one.text() == address;
                       });
  node::learn(row.addresses, heard_at, Learned::heard, false, now);
  node::learn(row.addresses, address, is_near ? Learned::nearby : Learned::met, true, now);
  save_later(row);
}

void Contacts::learn(const protocol::PeerId& id, const std::string& address, Learned how) {
  const auto it = rows_.find(id);
  if (it == rows_.end() || it->second.name.empty()) return;
  node::learn(it->second.addresses, address, how, false, std::time(nullptr));
  save_later(it->second);
}

}  // namespace peer::node
