#include <ctime>
#include <map>
#include <set>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/known_addresses.hpp"
#include "node/requests.hpp"
#include "trust/look_alike.hpp"
#include "trust/names.hpp"

/// Contacts from a file, which may be anybody's: they become unverified contacts, and nothing that
/// is known here changes.
namespace peer::node {

using base::Exit;
using Json = nlohmann::json;

namespace {

constexpr std::size_t kPageContacts = 100;

struct Imported {
  protocol::PeerId id;
  std::string name;
  std::string note;
  std::vector<std::string> addresses;
  bool verified = false;
};

[[noreturn]] void bad(std::size_t number, const std::string& name, const std::string& what) {
  throw Failure(Exit::failed, "contact " + std::to_string(number) +
                                  (name.empty() ? "" : " (" + base::quoted(name) + ")") + ": " +
                                  what + "; nothing was imported");
}

Imported read_contact(const Json& json, std::size_t number) {
  Imported contact;
  contact.name = bytes_of(json, "name");
  if (const auto wrong = trust::name_error(contact.name); !wrong.empty())
    bad(number, contact.name, "name: " + wrong);
  auto id = protocol::PeerId::parse(bytes_of(json, "id"));
  if (!id) bad(number, contact.name, "id: " + id.error().context);
  contact.id = *id;
  contact.note = bytes_of(json, "note");
  if (const auto wrong = note_error(contact.note); !wrong.empty())
    bad(number, contact.name, "note: " + wrong);
  for (const auto& text : byte_list_of(json, "addresses")) {
    auto address = trust::parse_address(text, protocol::kDefaultPort);
    if (!address) bad(number, contact.name, "addresses: " + address.error().text());
    contact.addresses.push_back(address->text());
  }
  contact.verified = flag_of(json, "verified");
  return contact;
}

/// The file's contacts, a page a question.
asio::awaitable<std::vector<Imported>> read_pages(Request& request) {
  std::vector<Imported> contacts;
  std::set<std::string> names;
  std::set<protocol::PeerId> ids;
  for (;;) {
    Json question;
    question["from"] = contacts.size();
    question["most"] = kPageContacts;
    const auto page = co_await request.ask("contacts", std::move(question));
    if (!page.is_array() || page.empty()) break;
    for (const auto& json : page) {
      const auto number = contacts.size() + 1;
      auto contact = read_contact(json, number);
      if (number > kMaxImportContacts)
        bad(number, contact.name,
            "more than " + base::count_text(kMaxImportContacts) + " contacts in one file");
      if (!names.insert(trust::folded(contact.name)).second)
        bad(number, contact.name, "name: another contact of the file has it already");
      if (!ids.insert(contact.id).second)
        bad(number, contact.name, "id: another contact of the file has it already");
      contacts.push_back(std::move(contact));
    }
  }
  co_return contacts;
}

/// Who has which name here, and what it looks like.
struct Names {
  explicit Names(Node& node) {
    for (const auto& [id, row] : node.contacts.all())
      if (!row.name.empty()) add(row);
  }
  void add(const storage::ContactRow& row) {
    taken.emplace(trust::folded(row.name), row.id);
    looks.emplace(trust::skeleton(row.name), row.name);
  }
  std::map<std::string, protocol::PeerId> taken;
  std::map<std::string, std::string> looks;
};

/// What becomes of one: `added`, `known` (this ID has a name here, and keeps it), `name_taken` (and
/// is another's), `blocked`, `itself`. Adds the row to save if there is one.
Json outcome_of(Node& node, const Imported& contact, Names& names,
                std::vector<storage::ContactRow>& rows) {
  const auto now = std::time(nullptr);
  Json told;
  told["name"] = contact.name;
  told["id"] = contact.id.text();
  const auto* known = node.contacts.find(contact.id);
  const auto taken = names.taken.find(trust::folded(contact.name));
  if (contact.id == node.services.identity->id()) {
    told["outcome"] = "itself";
  } else if (known && known->name.empty()) {
    told["outcome"] = "blocked";
  } else if (!known && taken != names.taken.end()) {
    told["outcome"] = "name_taken";
    told["here"] = taken->second.short_text();
  } else {
    told["outcome"] = known ? "known" : "added";
    storage::ContactRow row;
    if (known) {
      row = *known;
      told["here"] = row.name;
    } else {
      row.id = contact.id;
      row.name = contact.name;
      row.verified = contact.verified;
      row.added = now;
      const auto like = names.looks.find(trust::skeleton(row.name));
      if (like != names.looks.end()) told["looks_like"] = like->second;
      names.add(row);
    }
    if (row.note.empty()) row.note = contact.note;
    for (const auto& address : contact.addresses)
      learn(row.addresses, address, Learned::imported, false, now);
    rows.push_back(std::move(row));
  }
  return told;
}

}  // namespace

asio::awaitable<Json> do_import(Node& node, Request& request) {
  const auto contacts = co_await read_pages(request);
  std::vector<storage::ContactRow> rows;
  std::vector<Json> told;
  Json counts = Json::object();
  Names names(node);
  for (const auto& contact : contacts) {
    told.push_back(outcome_of(node, contact, names, rows));
    const auto outcome = bytes_of(told.back(), "outcome");
    counts[outcome] = number_of(counts, outcome.c_str()) + 1;
  }
  co_await node.contacts.save(std::move(rows));
  for (auto& one : told) {
    co_await request.room();
    request.event("imported", std::move(one));
  }
  co_return counts;
}

}  // namespace peer::node
