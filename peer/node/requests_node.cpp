#include <unistd.h>

#include <filesystem>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/requests.hpp"

namespace peer::node {

using base::Exit;
using Json = nlohmann::json;

namespace {

/// What in the settings file means nothing, or less than it says.
Json warnings_json(Node& node) {
  auto warnings = Json::array();
  for (const auto& warning : node.services.settings.warnings)
    warnings.push_back(json_text(warning));
  for (const auto& warning : node.policies.warnings()) warnings.push_back(json_text(warning));
  return warnings;
}

Json node_json(Node& node) {
  Json json;
  const auto& services = node.services;
  json["pid"] = ::getpid();
  json["version"] = PEER_VERSION;
  json["name"] = json_text(services.settings.name);
  json["id"] = services.identity->id().text();
  json["lasting"] = node.lasting();
  json["reachable"] = node.reachable_at();
  json["port"] = node.port();
  json["downloads"] = json_bytes(services.settings.downloads);
  json["hidden"] = services.settings.hidden;
  if (const auto saying = node.saying(); saying.here)
    json["announced"] = json_text(saying.here->name);
  if (const auto limit = services.giving_limit.get(); limit > 0) json["limit"] = limit;
  json["root"] = ::geteuid() == 0;
  json["warnings"] = warnings_json(node);
  return json;
}

/// Files never land straight in the home folder or in `/`.
void check_downloads(const std::string& folder) {
  std::error_code ignored;
  if (std::filesystem::equivalent(folder, "/", ignored) ||
      std::filesystem::equivalent(folder, base::user_home(), ignored)) {
    throw Failure(Exit::failed, "files are not received straight into " + base::quoted(folder) +
                                    ": name a folder below it with --downloads");
  }
  std::filesystem::create_directories(folder, ignored);
  if (!std::filesystem::is_directory(folder, ignored)) {
    throw Failure(Exit::failed, "the folder where files land, " + base::quoted(folder) +
                                    ", cannot be made: name another with --downloads");
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    throw Failure(Exit::failed, "cannot write into " + base::quoted(folder) +
                                    ", where files are to land: name another with --downloads");
  }
}

void remember(Node& node, const char* key, const std::string& value) {
  if (auto changed = base::change_setting(node.services.home.config_file, key, value); !changed) {
    throw Failure(Exit::usage, changed.error().text());
  }
}

asio::awaitable<void> listen_as_told(Node& node, const Json& arguments) {
  const auto& settings = node.services.settings;
  const auto it = arguments.find("listen");
  if (it == arguments.end() || !it->is_object()) {
    if (node.listening()) co_return;
    auto quiet = co_await node.listen(settings.listen, settings.port, false);
    if (!quiet) base::log(base::Level::info, "node", "not listening: " + quiet.error().text());
    co_return;
  }
  auto addresses = byte_list_of(*it, "addresses");
  if (addresses.empty()) addresses = settings.listen;
  const auto port = static_cast<std::uint16_t>(number_of(*it, "port", settings.port));
  const bool must = flag_of(*it, "must");
  // Who asks for nothing special is content with where the node listens already.
  if (node.listening() && port == settings.port && addresses == settings.listen) co_return;
  auto listening = co_await node.listen(std::move(addresses), port, must);
  if (listening || !must) co_return;
  const auto taken = listening.error().code == std::errc::address_in_use;
  throw Failure(Exit::failed,
                "listen on TCP port " + std::to_string(port) + ": " +
                    (taken ? "another program uses it" : base::escaped(listening.error().text())));
}

}  // namespace

asio::awaitable<Json> do_attach(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  const bool was_lasting = node.lasting();
  if (const auto name = bytes_of(arguments, "name"); !name.empty()) {
    remember(node, "name", name);
    node.services.settings.name = name;
  }
  if (flag_of(arguments, "hidden")) {
    remember(node, "hidden", "true");
    node.services.settings.hidden = true;
    node.discovery.renew();
  }
  const auto folder = bytes_of(arguments, "downloads");
  if (!folder.empty()) {
    check_downloads(folder);
    node.land_in(folder);
  } else if (flag_of(arguments, "lasting")) {
    check_downloads(node.services.settings.downloads);
  }
  co_await listen_as_told(node, arguments);
  if (flag_of(arguments, "lasting")) node.set_lasting();
  node.discovery.begin();
  auto json = node_json(node);
  json["was_lasting"] = was_lasting;
  co_return json;
}

asio::awaitable<Json> do_status(Node& node, Request&) {
  auto json = node_json(node);
  json["sessions"] = Json::array();
  for (const auto& [id, pair] : node.sessions.pairs()) {
    if (!pair->session) continue;
    Json session;
    session["peer"] = peer_json(node, id);
    session["route"] = pair->session->remote();
    session["dialled"] = pair->session->dialled();
    session["since"] = std::chrono::system_clock::to_time_t(pair->session->since());
    json["sessions"].push_back(std::move(session));
  }
  json["transfers"] = Json::array();
  json["waiting"] = Json::array();
  for (const auto& [number, offer] : node.offers.open()) {
    const bool waits =
        offer->is(state::preparing) || offer->is(state::pending) || offer->is(state::partial);
    if (offer->is(state::active)) json["transfers"].push_back(offer_json(node, *offer));
    if (waits) json["waiting"].push_back(offer_json(node, *offer));
  }
  co_return json;
}

asio::awaitable<Json> do_stop(Node& node, Request&) {
  node.on_stop();
  co_return Json::object();
}

void read_settings(Node& node) {
  if (auto read = node.reload(); !read)
    throw Failure(Exit::failed, read.error().text() +
                                    "; until that is mended the running node goes on with the "
                                    "settings and rules it had");
}

asio::awaitable<Json> do_settings(Node& node, Request&) {
  read_settings(node);
  Json result;
  result["warnings"] = warnings_json(node);
  result["nobody"] = node.policies.nobody();
  if (!node.downloads_told().empty()) result["downloads"] = json_bytes(node.downloads_told());
  co_return result;
}

}  // namespace peer::node
