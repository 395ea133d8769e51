#include <ctime>
#include <map>
#include <set>

#include "base/faults.hpp"
#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/known_addresses.hpp"
#include "node/requests.hpp"
#include "trust/look_alike.hpp"
#include "trust/names.hpp"

/// Contacts from a file, which may be anybody's: they become contacts, verified if the user vouches
/// for the file. What is known here stays as it is, but that a contact of that ID and name may
/// become verified.
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

/// All contacts of a file, and what is wrong with them.
class Reader {
 public:
  std::size_t count() const { return contacts_.size(); }

  void take(const Json& json) {
    auto& contact = contacts_.emplace_back();
    contact.name = bytes_of(json, "name");
    if (const auto wrong = trust::name_error(contact.name); !wrong.empty())
      bad("name: " + wrong);
    else if (!names_.insert(trust::folded(contact.name)).second)
      bad("name: another contact of the file has it already");
    const auto id = protocol::PeerId::parse(bytes_of(json, "id"));
    if (id) contact.id = *id;
    if (!id)
      bad("id: " + id.error().context);
    else if (!ids_.insert(*id).second)
      bad("id: another contact of the file has it already");
    contact.note = bytes_of(json, "note");
    if (const auto wrong = note_error(contact.note); !wrong.empty()) bad("note: " + wrong);
    for (const auto& text : byte_list_of(json, "addresses")) {
      const auto address = trust::parse_address(text, protocol::kDefaultPort);
      if (address)
        contact.addresses.push_back(address->text());
      else
        bad("addresses: " + address.error().text());
    }
    contact.verified = flag_of(json, "verified");
  }

  /// Nothing may be wrong with any.
  std::vector<Imported> contacts() && {
    if (!faults_.empty()) throw Failure(Exit::failed, faults_.text("nothing was imported"));
    return std::move(contacts_);
  }

  void bad(const std::string& what) {
    const auto& name = contacts_.back().name;
    faults_.add("contact " + std::to_string(count()) +
                (name.empty() ? "" : " (" + base::quoted(name) + ")") + ": " + what);
  }

 private:
  std::vector<Imported> contacts_;
  std::set<std::string> names_;
  std::set<protocol::PeerId> ids_;
  base::Faults faults_;
};

/// The file's contacts, a page a question.
asio::awaitable<std::vector<Imported>> read_pages(Request& request) {
  Reader reader;
  while (reader.count() <= kMaxImportContacts) {
    Json question;
    question["from"] = reader.count();
    question["most"] = kPageContacts;
    const auto page = co_await request.ask("contacts", std::move(question));
    if (!page.is_array() || page.empty()) break;
    for (const auto& json : page) reader.take(json);
  }
  if (reader.count() > kMaxImportContacts)
    reader.bad("more than " + base::count_text(kMaxImportContacts) + " contacts in one file");
  co_return std::move(reader).contacts();
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

/// What becomes of one: `added`, `known` (this ID has a name here, and keeps it), `verified` (the
/// same, and by this it is), `name_taken` (and is another's), `blocked`, `itself`. Adds the row to
/// save if there is one.
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
      // Whom the file calls otherwise it does not vouch for under the name here.
      const bool same = trust::folded(row.name) == trust::folded(contact.name);
      if (contact.verified && !row.verified && same) {
        row.verified = true;
        told["outcome"] = "verified";
      }
      told["verified"] = row.verified;
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
