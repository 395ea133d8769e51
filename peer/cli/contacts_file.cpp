#include "cli/contacts_file.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/json_fields.hpp"
#include "protocol/fields.hpp"

namespace peer::cli {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kMaxAddresses = 80;     ///< of one contact; as many as a node keeps
constexpr std::size_t kMaxTextBytes = 1'000;  ///< of a name, an ID, a note, an address

[[noreturn]] void bad(const std::string& what) {
  throw CommandError(ExitCode::failed, what + "; nothing was imported");
}

/// What the strict reader refuses, with the line where a lenient one stumbles too.
[[noreturn]] void bad_json(std::string_view text, const Error& error) {
  std::string where;
  try {
    const auto parsed = Json::parse(text);
    static_cast<void>(parsed);
  } catch (const Json::parse_error& failed) {
    const auto at = std::min(text.size(), failed.byte);
    const auto lines = 1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n');
    where = "line " + std::to_string(lines) + ": ";
  }
  bad(where + "this is no JSON object as contacts are kept in: " + error.text());
}

class Reader {
 public:
  Reader(const Json& contact, std::size_t number) : contact_(contact), number_(number) {
    if (!contact.is_object()) refuse("is no object");
  }

  std::string text(const char* key, bool required) const {
    const auto it = contact_.find(key);
    if (it == contact_.end() && !required) return {};
    if (it == contact_.end()) refuse(std::string(key) + " is missing");
    return checked(*it, key);
  }

  bool flag(const char* key, bool otherwise) const {
    const auto it = contact_.find(key);
    if (it == contact_.end()) return otherwise;
    if (!it->is_boolean()) refuse(std::string(key) + " is neither true nor false");
    return it->get<bool>();
  }

  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> out;
    const auto it = contact_.find(key);
    if (it == contact_.end()) return out;
    if (!it->is_array()) refuse(std::string(key) + " is no list");
    if (it->size() > kMaxAddresses)
      refuse(std::string(key) + " are more than " + std::to_string(kMaxAddresses));
    for (const Json& one : *it) out.push_back(checked(one, key));
    return out;
  }

 private:
  std::string checked(const Json& value, const char* key) const {
    if (!value.is_string()) refuse(std::string(key) + " is no text");
    auto text = value.get<std::string>();
    if (text.size() > kMaxTextBytes)
      refuse(std::string(key) + " is longer than " + std::to_string(kMaxTextBytes) + " bytes");
    return text;
  }

  [[noreturn]] void refuse(const std::string& what) const {
    std::string name;
    if (contact_.is_object()) name = text_of(contact_, "name");
    bad("contact " + std::to_string(number_) +
        (name.empty() ? "" : " (‘" + base::escaped(name, 40) + "’)") + ": " + what);
  }

  const Json& contact_;
  std::size_t number_;
};

}  // namespace

std::string contacts_text(const std::vector<Json>& peers) {
  std::string text = "{\"peer_contacts\":" + std::to_string(kVersion) + ",\"contacts\":[";
  bool first = true;
  for (const Json& peer : peers) {
    if (!flag_of(peer, "contact") || flag_of(peer, "blocked")) continue;
    Json contact = Json::object();
    for (const char* key : {"name", "id", "note"}) contact[key] = text_of(peer, key);
    contact["verified"] = flag_of(peer, "verified");
    contact["addresses"] = array_of(peer, "addresses");
    text += (first ? "\n" : ",\n") + contact.dump();
    first = false;
  }
  return text + "\n]}\n";
}

std::vector<Json> read_contacts(std::string_view text, bool vouched) {
  if (text.size() > kMaxContactsFileBytes)
    bad("it is larger than " + base::size_text(kMaxContactsFileBytes));
  if (const auto strict = protocol::parse_object(text); !strict) bad_json(text, strict.error());
  const Json whole = Json::parse(text);
  const auto version = whole.find("peer_contacts");
  if (version == whole.end()) bad("it holds no contacts: \"peer_contacts\" is missing");
  if (*version != kVersion) bad("it was written by a later version of this program");
  const auto contacts = whole.find("contacts");
  if (contacts == whole.end() || !contacts->is_array()) bad("\"contacts\" is no list");
  std::vector<Json> out;
  for (const Json& contact : *contacts) {
    const Reader reader(contact, out.size() + 1);
    Json one = Json::object();
    one["name"] = reader.text("name", true);
    one["id"] = reader.text("id", true);
    one["note"] = reader.text("note", false);
    one["addresses"] = reader.texts("addresses");
    one["verified"] = reader.flag("verified", true) && vouched;
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace peer::cli
