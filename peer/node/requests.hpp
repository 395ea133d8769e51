#pragma once

#include <asio/awaitable.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "node/local_server.hpp"
#include "node/node.hpp"

/// What clients may ask (LOCAL.md), one function a verb, grouped in requests_*.cpp. A handler
/// returns the `result`, or throws Failure.
namespace peer::node {

/// Runs the handler of the request's `do`.
asio::awaitable<nlohmann::json> run_request(Node& node, Request& request);

// requests_node.cpp
asio::awaitable<nlohmann::json> do_attach(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_status(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_stop(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_settings(Node& node, Request& request);
// requests_give.cpp
asio::awaitable<nlohmann::json> do_offer(Node& node, Request& request);
// requests_take.cpp
asio::awaitable<nlohmann::json> do_accept(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_reject(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_get(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_list(Node& node, Request& request);
// requests_offers.cpp
asio::awaitable<nlohmann::json> do_offers(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_cancel(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_wait(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_history(Node& node, Request& request);
// requests_watch.cpp
asio::awaitable<nlohmann::json> do_watch(Node& node, Request& request);
// requests_contacts.cpp
asio::awaitable<nlohmann::json> do_peers(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_add(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_rename(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_forget(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_block(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_unblock(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_trust(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_untrust(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_id(Node& node, Request& request);
// requests_shares.cpp
asio::awaitable<nlohmann::json> do_share(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_unshare(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_shares(Node& node, Request& request);

// ---- what several of them need

// peer_words.cpp
/// A peer this node knows by the word, without dialling. Throws Failure (exit 10, 2).
protocol::PeerId known_peer(Node& node, const std::string& word);
/// The session with the peer the word means, dialled if need be; a stranger's ID at an address is
/// confirmed first (`yes`, or a question) and kept as an unverified contact. Throws Failure (exits
/// 2, 4, 5, 10).
asio::awaitable<std::shared_ptr<Session>> reach_peer(Node& node, Request& request, std::string word,
                                                     bool yes);
/// A wrong identity, said loudly with both IDs (exit 5).
[[noreturn]] void wrong_identity(const std::string& who, const std::string& where,
                                 const protocol::PeerId& expected, const protocol::PeerId& met);
/// The same of an ID given with `add --id`.
[[noreturn]] void wrong_given_id(const std::string& name, const std::string& where,
                                 const protocol::PeerId& given, const protocol::PeerId& met);
/// Asks the user about an identity met at an address: whether it was compared and is the right one
/// (`yes`: nobody is asked, it was not). Throws Failure (exit 5) if it is not confirmed.
asio::awaitable<bool> confirm_identity(Request& request, protocol::PeerId id, std::string address,
                                       std::string name, bool yes);

// offer_json.cpp
nlohmann::json peer_json(Node& node, const protocol::PeerId& id);
/// Open, and there is no session with the other side.
bool is_away(Node& node, const OfferRecord& offer);
nlohmann::json offer_json(Node& node, const OfferRecord& offer);
nlohmann::json review_json(const storage::Review& review, const storage::LandingPlan& plan);
nlohmann::json totals_json(const protocol::ManifestTotals& totals);

// selector.cpp
enum class WantOffer { incoming, outgoing, any };
/// The open offer a SELECTOR means. Throws Failure (exit 10, or 2 when several fit).
OfferPtr select_offer(Node& node, const std::string& selector, WantOffer want);
/// One that has ended too, by number.
asio::awaitable<OfferPtr> select_any_offer(Node& node, std::string selector);
asio::awaitable<OfferPtr> select_incoming(Node& node, std::string selector);

// follow.cpp
/// Whether nothing more is to be waited for: ended, or a round of it.
bool is_settled(const OfferRecord& offer);
/// Followers are told at once when this changes.
std::string shown_state_of(Node& node, const OfferRecord& offer);
/// The exit code that tells how it ended.
int exit_of(const OfferRecord& offer);
/// Sends `progress` until all are settled, or the client stops. `{"offers":[...],"exit":N}`
asio::awaitable<nlohmann::json> follow(Node& node, Request& request, std::vector<OfferPtr> offers);

}  // namespace peer::node
