#include "storage/database.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "storage/database_connection.hpp"
#include "storage/database_contacts.hpp"
#include "storage/database_offers.hpp"

namespace peer::storage {
namespace {

constexpr std::size_t kIdBytes = sizeof(protocol::PeerId::bytes);

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
      : connection_(std::move(connection)), contacts_(*connection_), offers_(*connection_) {}

  Result<std::vector<ContactRow>> contacts() override { return contacts_.all(); }
  Result<void> save(const ContactRow& contact) override { return contacts_.save(contact); }
  Result<void> save(const std::vector<ContactRow>& contacts) override {
    return contacts_.save(contacts);
  }
  Result<void> remove_contact(const protocol::PeerId& id) override { return contacts_.remove(id); }

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
  Result<std::uint64_t> clear_history(UnixTime until,
                                      const std::optional<protocol::PeerId>& peer) override {
    return offers_.clear_history(until, peer);
  }
  Result<void> forget_cleared(UnixTime until) override { return offers_.forget_cleared(until); }

  Result<std::vector<PolicyName>> policy_names() override {
    return connection_->attempt("read the names in rules", [this] {
      Query query(*connection_, "SELECT name, id FROM policy_names ORDER BY name");
      std::vector<PolicyName> out;
      while (query.row()) {
        PolicyName& one = out.emplace_back();
        one.name = query.bytes();
        query.id(one.id.bytes);
      }
      return out;
    });
  }

  Result<void> save(const PolicyName& name) override {
    return connection_->attempt("save whom a rule means by " + base::quoted(name.name), [&] {
      const Connection::FullSync on_disk(*connection_);
      Query query(*connection_, "INSERT OR REPLACE INTO policy_names (name, id) VALUES (?, ?)");
      query.text(name.name).blob(name.id.bytes).run();
    });
  }

  Result<void> remove_policy_name(const std::string& name) override {
    return connection_->attempt("forget whom a rule means by " + base::quoted(name), [&] {
      Query(*connection_, "DELETE FROM policy_names WHERE name = ?").text(name).run();
    });
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
  std::unique_ptr<Connection> connection_;
  ContactTable contacts_;
  OfferTable offers_;
};

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const std::string& file) {
  auto connection = Connection::open(file);
  if (!connection) return std::move(connection).error();
  return std::unique_ptr<Database>(std::make_unique<SqliteDatabase>(*std::move(connection)));
}

}  // namespace peer::storage
