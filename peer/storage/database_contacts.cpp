#include "storage/database_contacts.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/text.hpp"
#include "storage/database_connection.hpp"

namespace peer::storage {
namespace {

constexpr std::array<std::pair<Learned, std::string_view>, 6> kWords{{
    {Learned::given, "given"},
    {Learned::paired, "paired"},
    {Learned::met, "met"},
    {Learned::nearby, "nearby"},
    {Learned::imported, "imported"},
    {Learned::heard, "heard"},
}};

std::string shown(const ContactRow& contact) {
  return contact.name.empty() ? contact.id.short_text() : base::quoted(contact.name);
}

AddressRow read_address(Query& query) {
  AddressRow row;
  row.text = query.bytes();
  row.learned = learned_from(query.bytes()).value_or(Learned::heard);
  row.first_seen = query.signed_number();
  row.last_seen = query.signed_number();
  row.last_answered = query.signed_number();
  return row;
}

ContactRow read_contact(Query& query) {
  ContactRow row;
  query.id(row.id.bytes);
  row.name = query.bytes();
  row.verified = query.truth();
  row.trusted = query.truth();
  row.blocked = query.truth();
  row.calls_itself = query.bytes();
  row.added = query.signed_number();
  row.last_seen = query.signed_number();
  row.note = query.bytes();
  return row;
}

Result<void> name_taken(Result<void> saved) {
  // The one other unique column is the name.
  if (!saved && saved.error().code.value() == SQLITE_CONSTRAINT_UNIQUE)
    saved.error().code = DatabaseErrc::name_taken;
  return saved;
}

}  // namespace

std::string_view learned_word(Learned how) {
  return std::ranges::find(kWords, how, &std::pair<Learned, std::string_view>::first)->second;
}

std::optional<Learned> learned_from(std::string_view word) {
  for (const auto& [how, text] : kWords)
    if (text == word) return how;
  return std::nullopt;
}

Result<std::vector<ContactRow>> ContactTable::all() {
  return connection_.attempt("read the contacts", [this] {
    std::map<protocol::PeerId, std::vector<AddressRow>> addresses;
    Query places(connection_,
                 "SELECT peer, address, learned, first_seen, last_seen, last_answered FROM "
                 "contact_addresses ORDER BY peer, last_answered DESC, last_seen DESC, address");
    while (places.row()) {
      protocol::PeerId id;
      places.id(id.bytes);
      addresses[id].push_back(read_address(places));
    }
    Query query(connection_,
                "SELECT id, name, verified, trusted, blocked, calls_itself, added, last_seen, note "
                "FROM contacts ORDER BY name, id");
    std::vector<ContactRow> out;
    while (query.row()) {
      out.push_back(read_contact(query));
      if (const auto found = addresses.find(out.back().id); found != addresses.end())
        out.back().addresses = std::move(found->second);
    }
    return out;
  });
}

void ContactTable::write(const ContactRow& row) {
  Query query(connection_,
              "INSERT INTO contacts (id, name, verified, trusted, blocked, calls_itself, added, "
              "last_seen, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
              "ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
              "verified = excluded.verified, trusted = excluded.trusted, "
              "blocked = excluded.blocked, calls_itself = excluded.calls_itself, "
              "added = excluded.added, last_seen = excluded.last_seen, note = excluded.note");
  query.blob(row.id.bytes).text(row.name);
  query.truth(row.verified).truth(row.trusted).truth(row.blocked);
  query.blob(row.calls_itself).number(row.added).number(row.last_seen).text(row.note);
  query.run();
  write_addresses(row);
}

void ContactTable::write_addresses(const ContactRow& row) {
  Query(connection_, "DELETE FROM contact_addresses WHERE peer = ?").blob(row.id.bytes).run();
  for (const auto& address : row.addresses) {
    Query query(connection_,
                "INSERT OR REPLACE INTO contact_addresses (peer, address, learned, first_seen, "
                "last_seen, last_answered) VALUES (?, ?, ?, ?, ?, ?)");
    query.blob(row.id.bytes).text(address.text).text(std::string(learned_word(address.learned)));
    query.number(address.first_seen).number(address.last_seen).number(address.last_answered);
    query.run();
  }
}

Result<void> ContactTable::save(const ContactRow& contact) {
  return name_taken(connection_.attempt("save the contact " + shown(contact), [&] {
    const Connection::FullSync on_disk(connection_);
    auto transaction = connection_.transaction();
    write(contact);
    transaction.commit();
  }));
}

Result<void> ContactTable::save(const std::vector<ContactRow>& contacts) {
  return name_taken(connection_.attempt("save " + base::count_of(contacts.size(), "contact"), [&] {
    const Connection::FullSync on_disk(connection_);
    auto transaction = connection_.transaction();
    for (const auto& contact : contacts) write(contact);
    transaction.commit();
  }));
}

Result<void> ContactTable::remove(const protocol::PeerId& id) {
  return connection_.attempt("remove the contact " + id.short_text(), [&] {
    const Connection::FullSync on_disk(connection_);
    auto transaction = connection_.transaction();
    Query(connection_, "DELETE FROM contacts WHERE id = ?").blob(id.bytes).run();
    Query(connection_, "DELETE FROM contact_addresses WHERE peer = ?").blob(id.bytes).run();
    transaction.commit();
  });
}

}  // namespace peer::storage
