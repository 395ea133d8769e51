#include "storage/database.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "storage/database_connection.hpp"
#include "storage/database_offers.hpp"

namespace peer::storage {
namespace {

constexpr std::size_t kIdBytes = sizeof(protocol::PeerId::bytes);

ContactRow read_contact(Query& query) {
  ContactRow row;
  query.id(row.id.bytes);
  row.name = query.bytes();
  row.verified = query.truth();
  row.trusted = query.truth();
  row.blocked = query.truth();
  row.addresses = query.list();
  row.calls_itself = query.bytes();
  row.added = query.signed_number();
  row.last_seen = query.signed_number();
  return row;
}

void write_contact(Query& query, const ContactRow& row) {
  auto addresses = row.addresses;
  addresses.resize(std::min(addresses.size(), kMaxContactAddresses));
  query.blob(row.id.bytes).text(row.name);
  query.truth(row.verified).truth(row.trusted).truth(row.blocked);
  query.list(addresses).blob(row.calls_itself).number(row.added).number(row.last_seen);
  query.run();
}

ShareRow read_share(Query& query) {
  ShareRow row;
  row.name = query.bytes();
  row.folder = query.bytes();
  const std::string with = query.bytes();
  for (std::size_t at = 0; at + kIdBytes <= with.size(); at += kIdBytes) {
    protocol::PeerId id;
    std::transform(with.begin() + static_cast<std::ptrdiff_t>(at),
                   with.begin() + static_cast<std::ptrdiff_t>(at + kIdBytes), id.bytes.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    row.with.push_back(id);
  }
  return row;
}

std::string packed(const std::vector<protocol::PeerId>& ids) {
  std::string out;
  for (const protocol::PeerId& id : ids)
    for (const std::byte b : id.bytes) out += static_cast<char>(b);
  return out;
}

class SqliteDatabase final : public Database {
 public:
  explicit SqliteDatabase(std::unique_ptr<Connection> connection)
      : connection_(std::move(connection)), offers_(*connection_) {}

  Result<std::vector<ContactRow>> contacts() override {
    return connection_->attempt("read the contacts", [this] {
      Query query(*connection_,
                  "SELECT id, name, verified, trusted, blocked, addresses, calls_itself, added, "
                  "last_seen FROM contacts ORDER BY name, id");
      std::vector<ContactRow> out;
      while (query.row()) out.push_back(read_contact(query));
      return out;
    });
  }

  Result<void> save(const ContactRow& contact) override {
    auto saved = connection_->attempt("save the contact " + shown(contact), [&] {
      const Connection::FullSync on_disk(*connection_);
      Query query(*connection_,
                  "INSERT INTO contacts (id, name, verified, trusted, blocked, addresses, "
                  "calls_itself, added, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
                  "ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
                  "verified = excluded.verified, trusted = excluded.trusted, "
                  "blocked = excluded.blocked, addresses = excluded.addresses, "
                  "calls_itself = excluded.calls_itself, added = excluded.added, "
                  "last_seen = excluded.last_seen");
      write_contact(query, contact);
    });
    // The one other unique column is the name.
    if (!saved && saved.error().code.value() == SQLITE_CONSTRAINT_UNIQUE)
      saved.error().code = DatabaseErrc::name_taken;
    return saved;
  }

  Result<void> remove_contact(const protocol::PeerId& id) override {
    return connection_->attempt("remove the contact " + id.short_text(), [&] {
      const Connection::FullSync on_disk(*connection_);
      Query(*connection_, "DELETE FROM contacts WHERE id = ?").blob(id.bytes).run();
    });
  }

  Result<std::uint64_t> next_number() override { return offers_.next_number(); }
  Result<void> save(const OfferRow& offer) override { return offers_.save(offer); }
  Result<void> remove_offer(std::uint64_t number) override { return offers_.remove(number); }
  Result<std::vector<OfferRow>> open_offers() override { return offers_.open_offers(); }
  Result<std::optional<OfferRow>> offer(std::uint64_t number) override {
    return offers_.offer(number);
  }
  Result<std::vector<EndedOffer>> ended_between(UnixTime from, UnixTime until) override {
    return offers_.ended_between(from, until);
  }
  Result<std::vector<OfferRow>> history(std::uint64_t before, std::size_t limit,
                                        const std::optional<protocol::PeerId>& peer) override {
    return offers_.history(before, limit, peer);
  }

  Result<std::vector<ShareRow>> shares() override {
    return connection_->attempt("read the shares", [this] {
      Query query(*connection_, "SELECT name, folder, with_peers FROM shares ORDER BY name");
      std::vector<ShareRow> out;
      while (query.row()) out.push_back(read_share(query));
      return out;
    });
  }

  Result<void> save(const ShareRow& share) override {
    return connection_->attempt("save the share " + base::quoted(share.name), [&] {
      const Connection::FullSync on_disk(*connection_);
      Query query(*connection_,
                  "INSERT INTO shares (name, folder, with_peers) VALUES (?, ?, ?) "
                  "ON CONFLICT (name) DO UPDATE SET folder = excluded.folder, "
                  "with_peers = excluded.with_peers");
      query.text(share.name).blob(share.folder).blob(packed(share.with)).run();
    });
  }

  Result<void> remove_share(const std::string& name) override {
    return connection_->attempt("remove the share " + base::quoted(name), [&] {
      const Connection::FullSync on_disk(*connection_);
      Query(*connection_, "DELETE FROM shares WHERE name = ?").text(name).run();
    });
  }

 private:
  static std::string shown(const ContactRow& contact) {
    return contact.name.empty() ? contact.id.short_text() : base::quoted(contact.name);
  }

  std::unique_ptr<Connection> connection_;
  OfferTable offers_;
};

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const std::string& file) {
  auto connection = Connection::open(file);
  if (!connection) return std::move(connection).error();
  return std::unique_ptr<Database>(std::make_unique<SqliteDatabase>(*std::move(connection)));
}

}  // namespace peer::storage
