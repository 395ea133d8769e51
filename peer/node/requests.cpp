#include "node/requests.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"

namespace peer::node {

namespace {

struct Verb {
  std::string_view name;
  asio::awaitable<nlohmann::json> (*run)(Node&, Request&);
};

constexpr std::array kVerbs{
    Verb{"attach", do_attach},
    Verb{"status", do_status},
    Verb{"stop", do_stop},
    Verb{"settings", do_settings},
    Verb{"offer", do_offer},
    Verb{"accept", do_accept},
    Verb{"reject", do_reject},
    Verb{"get", do_get},
    Verb{"list", do_list},
    Verb{"offers", do_offers},
    Verb{"cancel", do_cancel},
    Verb{"wait", do_wait},
    Verb{"history", do_history},
    Verb{"watch", do_watch},
    Verb{"peers", do_peers},
    Verb{"add", do_add},
    Verb{"invite", do_invite},
    Verb{"join", do_join},
    Verb{"import", do_import},
    Verb{"note", do_note},
    Verb{"rename", do_rename},
    Verb{"forget", do_forget},
    Verb{"block", do_block},
    Verb{"unblock", do_unblock},
    Verb{"trust", do_trust},
    Verb{"untrust", do_untrust},
    Verb{"id", do_id},
    Verb{"share", do_share},
    Verb{"unshare", do_unshare},
    Verb{"shares", do_shares},
    Verb{"pause", do_pause},
    Verb{"resume", do_resume},
    Verb{"clear_history", do_clear_history},
    Verb{"doctor", do_doctor},
};

}  // namespace

asio::awaitable<nlohmann::json> run_request(Node& node, Request& request) {
  const auto name = bytes_of(request.arguments(), "do");
  const auto verb = std::ranges::find(kVerbs, name, &Verb::name);
  if (verb == kVerbs.end()) {
    throw Failure(base::Exit::failed,
                  "the running node does not know the request " + base::quoted(name) +
                      ": it may be of another version; peer stop, then try again");
  }
  auto result = co_await verb->run(node, request);
  if (!request.stopped()) co_await node.services.saved();  // what a command was told stays so
  co_return result;
}

}  // namespace peer::node
