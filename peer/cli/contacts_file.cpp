#include "cli/contacts_file.hpp"

#include <algorithm>

#include "base/faults.hpp"
#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/json_fields.hpp"
#include "protocol/fields.hpp"

namespace peer::cli {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kMaxAddresses = 80;     ///< of one contact; as many as a node keeps
constexpr std::size_t kMaxTextBytes = 1'000;  ///< of a name, an ID, a note, an address

constexpr char kNothing[] = "nothing was imported";

[[noreturn]] void bad(const std::string& what) {
  throw CommandError(ExitCode::failed, what + "; " + kNothing);
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

/// One contact, an object. What is wrong with it goes to the faults of the file.
class Reader {
 public:
  Reader(const Json& contact, std::size_t number, base::Faults& faults)
      : contact_(contact), number_(number), faults_(faults) {}

  std::string text(const char* key, bool required) {
    const auto it = contact_.find(key);
    if (it != contact_.end()) return checked(*it, key);
    if (required) refuse(key, "is missing");
    return {};
  }

  bool flag(const char* key, bool otherwise) {
    const auto it = contact_.find(key);
    if (it == contact_.end()) return otherwise;
    if (it->is_boolean()) return it->get<bool>();
    refuse(key, "is neither true nor false");
    return otherwise;
  }

  std::vector<std::string> texts(const char* key) {
    std::vector<std::string> out;
    const auto it = contact_.find(key);
    if (it == contact_.end()) return out;
    if (!it->is_array())
      refuse(key, "is no list");
    else if (it->size() > kMaxAddresses)
      refuse(key, "are more than " + std::to_string(kMaxAddresses));
    else
      for (const Json& one : *it) out.push_back(checked(one, key));
    return out;
  }

  void refuse(const std::string& key, const std::string& what) {
    const std::string name = text_of(contact_, "name");
    faults_.add("contact " + std::to_string(number_) +
                (name.empty() ? "" : " (‘" + base::escaped(name, 40) + "’)") + ": " + key + " " +
                what);
  }

 private:
  std::string checked(const Json& value, const char* key) {
    if (!value.is_string()) {
      refuse(key, "is no text");
      return {};
    }
    auto text = value.get<std::string>();
    if (text.size() > kMaxTextBytes)
      refuse(key, "is longer than " + std::to_string(kMaxTextBytes) + " bytes");
    return text;
  }

  const Json& contact_;
  std::size_t number_;
  base::Faults& faults_;
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
  base::Faults faults;
  for (const Json& contact : *contacts) {
    const auto number = out.size() + 1;
    if (!contact.is_object()) {
      faults.add("contact " + std::to_string(number) + " is no object");
      out.emplace_back();
      continue;
    }
    Reader reader(contact, number, faults);
    Json one = Json::object();
    one["name"] = reader.text("name", true);
    one["id"] = reader.text("id", true);
    one["note"] = reader.text("note", false);
    one["addresses"] = reader.texts("addresses");
    one["verified"] = reader.flag("verified", true) && vouched;
    out.push_back(std::move(one));
  }
  if (!faults.empty()) throw CommandError(ExitCode::failed, faults.text(kNothing));
  return out;
}

}  // namespace peer::cli
