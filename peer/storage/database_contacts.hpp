#pragma once

#include <vector>

#include "protocol/result.hpp"
#include "storage/database.hpp"

namespace peer::storage {

class Connection;

/// The database's contacts and blocked strangers, with their addresses; what Database says of them.
class ContactTable {
 public:
  explicit ContactTable(Connection& connection) : connection_(connection) {}

  Result<std::vector<ContactRow>> all();
  Result<void> save(const ContactRow& contact);
  Result<void> save(const std::vector<ContactRow>& contacts);  ///< all of them or none
  Result<void> remove(const protocol::PeerId& id);

 private:
  void write(const ContactRow& contact);
  void write_addresses(const ContactRow& contact);

  Connection& connection_;
};

}  // namespace peer::storage
