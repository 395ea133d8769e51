#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "protocol/ids.hpp"
#include "protocol/ledger.hpp"
#include "protocol/message.hpp"
#include "protocol/peer_id.hpp"
#include "protocol/result.hpp"
#include "storage/review.hpp"

namespace peer::storage {

using UnixTime =
    std::int64_t;  ///< seconds since 1970 UTC; only shown and kept, never used for order

/// What the database's errors are besides SQLite's own codes, which have the same category.
/// std::errc::no_space_on_device when the disk is full.
enum class DatabaseErrc {
  damaged = 1'000'000,  ///< or no database of this program; never reset or written over
  later_version,        ///< made by a later version of this program; left as it is
  name_taken,           ///< another contact has this name
};
std::error_code make_error_code(DatabaseErrc code);

/// How an address of a contact came to be known; what says more comes first.
enum class Learned : std::uint8_t {
  given,     ///< by this user, for this contact
  paired,    ///< told while pairing
  met,       ///< it answered there
  nearby,    ///< heard on the local network, and it answered there
  imported,  ///< stood in a file of contacts
  heard,     ///< a session of its came from there, and it said that it listens
};
std::string_view learned_word(Learned how);  ///< "given"
std::optional<Learned> learned_from(std::string_view word);

struct AddressRow {
  std::string text;  ///< "host:port", as trust::Address::text() writes it
  Learned learned = Learned::heard;
  UnixTime first_seen = 0;
  UnixTime last_seen = 0;
  UnixTime last_answered = 0;  ///< when this contact last answered there; 0: never
};

struct ContactRow {
  protocol::PeerId id;
  std::string name;  ///< given by this user; unique without regard to the case of ASCII letters
  bool verified = false;
  bool trusted = false;
  bool blocked = false;               ///< a blocked stranger is a row with an empty name
  std::vector<AddressRow> addresses;  ///< each text once, in no order; see node/known_addresses.hpp
  std::string note;                   ///< of this user
  std::string calls_itself;           ///< latest display name, hostile text
  UnixTime added = 0;
  UnixTime last_seen = 0;
};

/// What a person knows an offer by, and where it stands; the ledger's part lies in `given` or
/// `taken`.
struct OfferRow {
  std::uint64_t number = 0;  ///< local, one sequence for both directions, never reused
  protocol::OfferId id;
  protocol::PeerId peer;
  protocol::Direction direction = protocol::Direction::taken;
  std::string state;  ///< the words of node/offers.hpp
  protocol::Offer offer;
  std::uint8_t ledger_state = 0;  ///< GivenOffer::State or TakenOffer::State
  std::uint64_t round = 0;
  std::uint64_t done_round = 0;
  std::string say;  ///< the accept, done, reject, cancel to repeat: JSON, one a line; maybe empty
  bool manifest_here = false;      ///< taken: fetched, judged, stored
  std::vector<std::string> paths;  ///< given: as the user gave them, absolute
  std::string options;             ///< JSON: landing plan of a taken offer, once accepted
  std::uint64_t files_done = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t failed = 0;
  std::uint64_t unreadable =
      0;                    ///< given: what was meant and could not be read when it was offered
  std::uint64_t limit = 0;  ///< bytes a second; 0: none
  bool paused = false;      ///< by the user here
  std::string spent;        ///< JSON: where its time went, for node/time_spent.hpp; maybe empty
  std::string
      outcome_text;  ///< reason of a rejection, of a failure; hostile if it came from the peer
  std::vector<std::string> delivered_to;  ///< absolute paths of the roots
  std::vector<protocol::Failure>
      failures;            ///< with paths instead of numbers in the text, the first 100
  std::string decided_by;  ///< JSON: what a rule of the settings made of it; empty: none was asked
  UnixTime made = 0;
  UnixTime expires = 0;
  UnixTime ended = 0;  ///< 0 while open
};

struct ShareRow {
  std::string name;                    ///< unique
  std::string folder;                  ///< absolute; may be a file
  std::vector<protocol::PeerId> with;  ///< empty: all verified contacts
};

struct PolicyName {
  std::string name;
  protocol::PeerId id;
};

/// The one SQLite database of a home (WAL, synchronous NORMAL; FULL for identity and trust
/// changes). Every call blocks and is made from the one thread that owns the database. Errors name
/// the statement's purpose and the file.
class Database {
 public:
  /// Creates (mode 0600) or migrates. A database of a later version, or a damaged or empty one, is
  /// an error: nothing is ever reset silently.
  static Result<std::unique_ptr<Database>> open(const std::string& file);
  virtual ~Database() = default;

  virtual Result<std::vector<ContactRow>> contacts() = 0;
  /// Insert or replace by id; synchronous FULL. DatabaseErrc::name_taken.
  virtual Result<void> save(const ContactRow& contact) = 0;
  /// All of them or none.
  virtual Result<void> save(const std::vector<ContactRow>& contacts) = 0;
  virtual Result<void> remove_contact(const protocol::PeerId& id) = 0;  ///< synchronous FULL

  virtual Result<std::uint64_t> next_number() = 0;       ///< reserves it for good
  virtual Result<void> save(const OfferRow& offer) = 0;  ///< insert or replace by number
  virtual Result<void> remove_offer(std::uint64_t number) = 0;
  virtual Result<std::vector<OfferRow>> open_offers() = 0;  ///< ended = 0
  virtual Result<std::optional<OfferRow>> offer(std::uint64_t number) = 0;
  struct EndedOffer {
    protocol::OfferId id;
    protocol::PeerId peer;
    protocol::Direction direction;
    protocol::Outcome outcome;
  };
  /// Those with from <= ended < until; what their `state` says, failed if it says nothing of an
  /// end.
  virtual Result<std::vector<EndedOffer>> ended_between(UnixTime from, UnixTime until) = 0;
  /// Ended offers that were not cleared, the latest end first, after the one with the number
  /// `before` (0: from the latest); of one peer if given.
  virtual Result<std::vector<OfferRow>> history(std::uint64_t before, std::size_t limit,
                                                const std::optional<protocol::PeerId>& peer) = 0;
  /// What is told of offers that ended before `until` is removed, of one peer if given; how many.
  /// Their ids are still known: see forget_cleared().
  virtual Result<std::uint64_t> clear_history(UnixTime until,
                                              const std::optional<protocol::PeerId>& peer) = 0;
  /// Removes the rows that were cleared, of offers that ended before `until`.
  virtual Result<void> forget_cleared(UnixTime until) = 0;

  /// Whom the settings' rules meant by a name when they were first read.
  virtual Result<std::vector<PolicyName>> policy_names() = 0;
  virtual Result<void> save(const PolicyName& name) = 0;
  virtual Result<void> remove_policy_name(const std::string& name) = 0;

  virtual Result<std::vector<ShareRow>> shares() = 0;
  virtual Result<void> save(const ShareRow& share) = 0;
  virtual Result<void> remove_share(const std::string& name) = 0;
};

}  // namespace peer::storage

template <>
struct std::is_error_code_enum<peer::storage::DatabaseErrc> : std::true_type {};
