#include "base/text.hpp"
#include "base/unicode.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/requests.hpp"
#include "trust/look_alike.hpp"
#include "trust/names.hpp"

/// What may be written beside an ID: names, and notes.
namespace peer::node {

using base::Exit;
using Json = nlohmann::json;

void check_name(Node& node, const std::string& name, const protocol::PeerId* but) {
  if (const auto wrong = trust::name_error(name); !wrong.empty()) {
    throw Failure(Exit::usage, base::quoted(name) + " cannot name a contact: " + wrong);
  }
  const auto* other = node.contacts.find_name(name);
  if (other && !(but && other->id == *but)) {
    throw Failure(Exit::usage, "a contact is called " + base::quoted(other->name) + " already (" +
                                   other->id.short_text() +
                                   "): choose another name, or peer forget " + other->name);
  }
}

std::string note_error(std::string_view note) {
  if (note.size() > kMaxNoteBytes)
    return "a note has at most " + std::to_string(kMaxNoteBytes) + " bytes";
  for (std::size_t at = 0; at < note.size();) {
    const auto c = base::character_at(note, at);
    if (!c.valid) return "a note is UTF-8 text";
    at += c.bytes;
  }
  return {};
}

Json look_alikes(Node& node, const std::string& name, const protocol::PeerId& but) {
  auto found = Json::array();
  const auto looks = trust::skeleton(name);
  for (const auto& [id, row] : node.contacts.all()) {
    if (id == but || row.name.empty() || trust::skeleton(row.name) != looks) continue;
    found.push_back(peer_json(node, id));
  }
  return found;
}

Json contact_json(Node& node, const protocol::PeerId& id) {
  Json json;
  json["peer"] = peer_json(node, id);
  return json;
}

}  // namespace peer::node
