#include "node/pairing_contact.hpp"

#include <ctime>
#include <utility>

#include "node/known_addresses.hpp"
#include "protocol/limits.hpp"
#include "trust/names.hpp"

namespace peer::node {

std::string listens_at(const std::string& remote, std::uint16_t port) {
  auto address = trust::parse_address(remote, protocol::kDefaultPort);
  if (!address || port == 0) return {};
  address->port = port;
  return address->text();
}

asio::awaitable<void> keep_proven(Contacts& contacts, Proven proven, std::string name) {
  storage::ContactRow row;
  if (const auto* known = contacts.find(proven.id)) row = *known;
  row.id = proven.id;
  row.verified = true;
  if (row.name.empty())
    row.name = contacts.free_name(name.empty() ? proven.calls_itself : name, proven.id);
  const auto now = std::time(nullptr);
  if (row.added == 0) row.added = now;
  if (!proven.dialled_at.empty())
    learn(row.addresses, proven.dialled_at, storage::Learned::paired, true, now);
  else if (!proven.listens_at.empty())
    learn(row.addresses, proven.listens_at, storage::Learned::paired, false, now);
  co_await contacts.save(std::move(row));
  contacts.seen(proven.id, proven.calls_itself, proven.dialled_at, proven.listens_at);
}

}  // namespace peer::node
