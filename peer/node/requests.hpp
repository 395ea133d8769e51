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
/// The settings file as it is now, whoever changed it. Throws Failure (exit 1), which says what
/// holds meanwhile.
void read_settings(Node& node);
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
asio::awaitable<nlohmann::json> do_pause(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_resume(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_clear_history(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_wait(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_history(Node& node, Request& request);
// requests_watch.cpp
asio::awaitable<nlohmann::json> do_watch(Node& node, Request& request);
// requests_peers.cpp
asio::awaitable<nlohmann::json> do_peers(Node& node, Request& request);
/// Asks who is nearby; a node that has just been started waits a moment for answers.
asio::awaitable<void> hear_nearby(Node& node);
// requests_add.cpp
asio::awaitable<nlohmann::json> do_add(Node& node, Request& request);
// requests_import.cpp
asio::awaitable<nlohmann::json> do_import(Node& node, Request& request);
// requests_contacts.cpp
asio::awaitable<nlohmann::json> do_note(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_rename(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_forget(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_block(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_unblock(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_trust(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_untrust(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_id(Node& node, Request& request);
// requests_pairing.cpp
asio::awaitable<nlohmann::json> do_invite(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_join(Node& node, Request& request);
// requests_doctor.cpp
asio::awaitable<nlohmann::json> do_doctor(Node& node, Request& request);
// requests_shares.cpp
asio::awaitable<nlohmann::json> do_share(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_unshare(Node& node, Request& request);
asio::awaitable<nlohmann::json> do_shares(Node& node, Request& request);

// ---- what several of them need

// peer_words.cpp
/// A peer this node knows by the word, without dialling. Throws Failure (exit 10, 2).
protocol::PeerId known_peer(Node& node, const std::string& word);
/// Says which contacts there are (exit 10).
[[noreturn]] void no_such_contact(Node& node, const std::string& name);
/// nearby_names.cpp: the one on the local network that calls itself so, if the user confirms the ID
/// shown. Throws Failure (exit 10).
enum class NearbyFor { naming, adding };
asio::awaitable<discovery::NearbyPeer> find_nearby(Node& node, Request& request, std::string name,
                                                   NearbyFor what);
/// The one on the local network that calls itself so, if the user confirms the ID
/// shown; it is an unverified contact then. Throws Failure (exit 10).
asio::awaitable<protocol::PeerId> name_nearby(Node& node, Request& request, std::string name);
/// The session with the peer the word means, dialled if need be; a stranger's ID at an address is
/// confirmed first (`yes`, or a question) and kept as an unverified contact. Throws Failure (exits
/// 2, 4, 5, 10).
asio::awaitable<std::shared_ptr<Session>> reach_peer(Node& node, Request& request, std::string word,
                                                     bool yes);
/// The peers that words mean to whom an offer is to be made, each once; those that are known are
/// dialled and not waited for. Throws Failure as reach_peer().
asio::awaitable<std::vector<protocol::PeerId>> find_recipients(Node& node, Request& request,
                                                               std::vector<std::string> words,
                                                               bool yes);
/// Until there is a session with this known peer, or dialling it has failed or takes too long: then
/// why, for people. Throws Failure (exit 5) when another identity answered.
asio::awaitable<std::string> await_session(Node& node, Request& request, protocol::PeerId id);
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

// contact_names.cpp
/// Throws Failure (exit 2) if that cannot be a contact's name, or is another's than `but`'s.
void check_name(Node& node, const std::string& name, const protocol::PeerId* but);
/// Why that cannot be a note; empty if it can.
std::string note_error(std::string_view note);
/// A list of PEER: the other contacts whose names can be taken for this one.
nlohmann::json look_alikes(Node& node, const std::string& name, const protocol::PeerId& but);
nlohmann::json contact_json(Node& node, const protocol::PeerId& id);  ///< {"peer":PEER}
// requests_contacts.cpp
/// The row of a contact the request's `peer` names. Throws Failure (exit 10).
storage::ContactRow contact_of(Node& node, Request& request);

// requests_trust.cpp
enum class DropRules { all, that_accept };
/// Takes the rules that name this peer out of the settings file. Throws Failure where only a person
/// can. How many there were.
asio::awaitable<std::size_t> drop_rules(Node& node, protocol::PeerId id, DropRules which);

/// Gives the rules that name this peer its new name, for people to read.
asio::awaitable<void> rename_in_rules(Node& node, protocol::PeerId id, std::string name);

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
/// The same, or with `wait` false at once `{"numbers":[...]}`.
asio::awaitable<nlohmann::json> follow_or_number(Node& node, Request& request,
                                                 std::vector<OfferPtr> offers);

}  // namespace peer::node
