#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace peer::cli {

using Json = nlohmann::json;

inline constexpr std::size_t kMaxContactsFileBytes = std::size_t{16} << 20;

/// A file of contacts: {"peer_contacts":1,"contacts":[{"name","id","verified","note",
/// "addresses"}...]}, a contact a line. `peers` are rows of the node; who is blocked, or no
/// contact, is not in it.
std::string contacts_text(const std::vector<Json>& peers);

/// The contacts of such a file, each with these fields alone; `verified` is false unless `vouched`.
/// Whether names, IDs and addresses are legal is the node's to say. CommandError that names line or
/// contacts, and what is wrong with them.
std::vector<Json> read_contacts(std::string_view text, bool vouched);

}  // namespace peer::cli
