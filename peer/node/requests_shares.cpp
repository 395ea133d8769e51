#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/requests.hpp"

namespace peer::node {

using base::Exit;
using Json = nlohmann::json;

asio::awaitable<Json> do_share(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  storage::ShareRow row;
  auto path = std::filesystem::path(bytes_of(arguments, "path")).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  row.folder = path.string();
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    throw Failure(Exit::unknown,
                  "share " + base::quoted(row.folder) + ": there is no such folder or file");
  for (const auto& own : {node.services.home.data_folder, node.services.home.state_folder}) {
    const auto inside = std::filesystem::path(own).lexically_relative(path);
    const auto outside = path.lexically_relative(own);
    if ((!outside.empty() && *outside.begin() != "..") || path == own) {
      throw Failure(Exit::usage, "share " + base::quoted(row.folder) +
                                     ": that is where peer keeps its own state and key");
    }
  }
  row.name = bytes_of(arguments, "as");
  if (row.name.empty()) row.name = path.filename().string();
  auto legal = protocol::RelativePath::parse(row.name);
  if (!legal || legal->depth() != 1 || !protocol::is_utf8(row.name) ||
      row.name.size() > protocol::kMaxNameBytes) {
    throw Failure(Exit::usage,
                  base::quoted(row.name) + " cannot name a share: give one name with --as");
  }
  if (node.sharing.shares().contains(row.name)) {
    throw Failure(Exit::usage, "something is shared as " + base::quoted(row.name) +
                                   " already: choose another name with --as, or peer unshare " +
                                   row.name);
  }
  for (const auto& word : byte_list_of(arguments, "with")) {
    const auto id = known_peer(node, word);
    if (!node.contacts.is_contact(id))
      throw Failure(Exit::unknown, base::quoted(word) + " is no contact: peer peers lists them");
    if (std::ranges::find(row.with, id) == row.with.end()) row.with.push_back(id);
  }
  Json result;
  result["name"] = json_text(row.name);
  co_await node.sharing.share(std::move(row));
  co_return result;
}

asio::awaitable<Json> do_unshare(Node& node, Request& request) {
  const auto name = bytes_of(request.arguments(), "name");
  const bool was = co_await node.sharing.unshare(name);
  if (!was)
    throw Failure(Exit::unknown,
                  "nothing is shared as " + base::quoted(name) + ": peer shares lists what is");
  co_return Json::object();
}

asio::awaitable<Json> do_shares(Node& node, Request&) {
  Json result;
  result["shares"] = Json::array();
  for (const auto& [name, share] : node.sharing.shares()) {
    Json json;
    json["name"] = json_text(name);
    json["path"] = json_bytes(share.folder);
    json["with"] = Json::array();
    for (const auto& id : share.with) json["with"].push_back(peer_json(node, id));
    result["shares"].push_back(std::move(json));
  }
  co_return result;
}

}  // namespace peer::node
