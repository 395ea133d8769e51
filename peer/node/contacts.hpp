#pragma once

#include <asio/awaitable.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "node/services.hpp"
#include "storage/database.hpp"

namespace peer::node {

/// The peers this user has named or blocked, in memory, with every change written to the database.
/// Control thread.
class Contacts {
 public:
  explicit Contacts(Services& services) : services_(services) {}

  Result<void> load();  ///< blocking; once, before anything else
  /// Any row: a contact or a blocked stranger.
  const storage::ContactRow* find(const protocol::PeerId& id) const;
  /// A contact by its name, without regard to case.
  const storage::ContactRow* find_name(std::string_view name) const;
  /// Contacts who were reached at this "host:port", or of whom this user has said that they are
  /// there.
  std::vector<const storage::ContactRow*> at_address(const std::string& address) const;
  const std::map<protocol::PeerId, storage::ContactRow>& all() const { return rows_; }

  bool is_contact(const protocol::PeerId& id) const;  ///< has a name
  bool is_verified(const protocol::PeerId& id) const;
  bool is_trusted(const protocol::PeerId& id) const;
  bool is_blocked(const protocol::PeerId& id) const;
  /// How to speak of a peer: its contact's name, or its short ID.
  std::string called(const protocol::PeerId& id) const;
  /// `wish` made legal and unique: "bob", else "bob-2", ...; from the short ID if nothing legal is
  /// left.
  std::string free_name(std::string_view wish, const protocol::PeerId& id) const;

  /// Durable when it returns; throws Failure when the database refuses.
  asio::awaitable<void> save(storage::ContactRow row);
  asio::awaitable<void> save(std::vector<storage::ContactRow> rows);  ///< all of them or none
  asio::awaitable<void> remove(protocol::PeerId id);
  /// It answered, calling itself so; at an address we dialled, or none; and says that it listens
  /// there, or nowhere. Saved later, no contact: nothing.
  void seen(const protocol::PeerId& id, const std::string& calls_itself, const std::string& address,
            const std::string& heard_at);
  /// A contact's address was learned so; it has not answered there. Saved later, no contact:
  /// nothing.
  void learn(const protocol::PeerId& id, const std::string& address, storage::Learned how);

 private:
  void save_later(const storage::ContactRow& row);

  Services& services_;
  std::map<protocol::PeerId, storage::ContactRow> rows_;
};

}  // namespace peer::node
