#include "storage/database_offers.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

#include "protocol/limits.hpp"
#include "storage/database_connection.hpp"

namespace peer::storage {
namespace {

// The columns in the order in which write_offer() and read_offer() go through them.
#define PEER_OFFER_COLUMNS                                                                     \
  "number, id, peer, direction, state, title, note, files, folders, links, bytes, "            \
  "manifest_bytes, manifest, expires_in, answers_get, ledger_state, round, done_round, say, "  \
  "manifest_here, paths, options, files_done, bytes_done, failed, outcome_text, "              \
  "delivered_to, failures, made, expires, ended, unreadable, rate_limit, paused, decided_by, " \
  "spent"

constexpr char kSave[] = "INSERT OR REPLACE INTO offers (" PEER_OFFER_COLUMNS
                         ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                         "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr char kOpen[] =
    "SELECT " PEER_OFFER_COLUMNS " FROM offers WHERE ended = 0 ORDER BY number";
constexpr char kOne[] =
    "SELECT " PEER_OFFER_COLUMNS " FROM offers WHERE number = ? AND cleared = 0";
// After the one with the number given, 0: from the latest. What has ended and is not noted as such
// yet counts as the latest.
#define PEER_HISTORY_PAGE                                                                       \
  "ended <> 0 AND cleared = 0 AND (ended, number) < (CASE ?1 WHEN 0 THEN 0x7fffffffffffffff "   \
  "ELSE (SELECT iif(ended = 0, 0x7fffffffffffffff, ended) FROM offers WHERE number = ?1) END, " \
  "?1) ORDER BY ended DESC, number DESC LIMIT ?2"
constexpr char kHistory[] = "SELECT " PEER_OFFER_COLUMNS " FROM offers WHERE " PEER_HISTORY_PAGE;
constexpr char kHistoryOfPeer[] =
    "SELECT " PEER_OFFER_COLUMNS " FROM offers WHERE peer = ?3 AND " PEER_HISTORY_PAGE;
#undef PEER_HISTORY_PAGE
constexpr char kEnded[] =
    "SELECT id, peer, direction, state FROM offers WHERE ended <> 0 AND ended >= ? AND ended < ?";
// All that a person could read; what the protocol needs stays for as long as ids are kept.
constexpr char kClear[] =
    "UPDATE offers SET cleared = 1, title = x'', note = x'', say = x'', paths = x'', "
    "options = x'', decided_by = x'', outcome_text = x'', delivered_to = x'', failures = x'', "
    "spent = x'' "
    "WHERE ended <> 0 AND cleared = 0 AND ended < ?1 AND (?2 IS NULL OR peer = ?2) "
    "RETURNING number";
constexpr char kForgetCleared[] =
    "DELETE FROM offers WHERE ended <> 0 AND cleared <> 0 AND ended < ?";
constexpr char kNextNumber[] =
    "UPDATE counters SET value = value + 1 WHERE name = 'offer' RETURNING value";

#undef PEER_OFFER_COLUMNS

std::vector<std::string> as_list(const std::vector<protocol::Failure>& failures) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::min(failures.size(), protocol::kMaxFailuresNamed); ++i) {
    out.push_back(std::to_string(failures[i].entry));
    out.push_back(failures[i].text);
  }
  return out;
}

std::vector<protocol::Failure> as_failures(const std::vector<std::string>& list) {
  std::vector<protocol::Failure> out;
  for (std::size_t i = 0; i + 1 < list.size(); i += 2) {
    protocol::Failure failure;
    const char* end = list[i].data() + list[i].size();
    std::from_chars(list[i].data(), end, failure.entry);
    failure.text = list[i + 1];
    out.push_back(std::move(failure));
  }
  return out;
}

void write_offer(Query& query, const OfferRow& row) {
  const protocol::Offer& offer = row.offer;
  query.number(row.number).blob(row.id.bytes).blob(row.peer.bytes);
  query.number(static_cast<std::uint64_t>(row.direction)).text(row.state);
  query.blob(offer.title).blob(offer.note);
  query.number(offer.files).number(offer.folders).number(offer.links).number(offer.bytes);
  query.number(offer.manifest_bytes).blob(offer.manifest.bytes).number(offer.expires);
  if (offer.get)
    query.blob(offer.get->bytes);
  else
    query.null();
  query.number(std::uint64_t{row.ledger_state}).number(row.round).number(row.done_round);
  query.blob(row.say).truth(row.manifest_here).list(row.paths).blob(row.options);
  query.number(row.files_done).number(row.bytes_done).number(row.failed).blob(row.outcome_text);
  query.list(row.delivered_to).list(as_list(row.failures));
  query.number(row.made).number(row.expires).number(row.ended);
  query.number(row.unreadable)
      .number(row.limit)
      .truth(row.paused)
      .blob(row.decided_by)
      .blob(row.spent);
  query.run();
}

OfferRow read_offer(Query& query) {
  OfferRow row;
  protocol::Offer& offer = row.offer;
  row.number = query.number();
  query.id(row.id.bytes);
  offer.id = row.id;
  query.id(row.peer.bytes);
  row.direction = static_cast<protocol::Direction>(query.truth() ? 1 : 0);
  row.state = query.bytes();
  offer.title = query.bytes();
  offer.note = query.bytes();
  offer.files = query.number();
  offer.folders = query.number();
  offer.links = query.number();
  offer.bytes = query.number();
  offer.manifest_bytes = query.number();
  query.id(offer.manifest.bytes);
  offer.expires = query.number();
  if (query.is_null())
    query.skip();
  else
    query.id(offer.get.emplace().bytes);
  row.ledger_state = static_cast<std::uint8_t>(query.number());
  row.round = query.number();
  row.done_round = query.number();
  row.say = query.bytes();
  row.manifest_here = query.truth();
  row.paths = query.list();
  row.options = query.bytes();
  row.files_done = query.number();
  row.bytes_done = query.number();
  row.failed = query.number();
  row.outcome_text = query.bytes();
  row.delivered_to = query.list();
  row.failures = as_failures(query.list());
  row.made = query.signed_number();
  row.expires = query.signed_number();
  row.ended = query.signed_number();
  row.unreadable = query.number();
  row.limit = query.number();
  row.paused = query.truth();
  row.decided_by = query.bytes();
  row.spent = query.bytes();
  return row;
}

std::vector<OfferRow> read_offers(Query& query) {
  std::vector<OfferRow> out;
  while (query.row()) out.push_back(read_offer(query));
  return out;
}

protocol::Outcome outcome_of(const std::string& state) {
  using protocol::Outcome;
  for (const Outcome outcome :
       {Outcome::done, Outcome::rejected, Outcome::cancelled, Outcome::expired})
    if (protocol::to_string(outcome) == state) return outcome;
  return Outcome::failed;
}

}  // namespace

Result<std::uint64_t> OfferTable::next_number() {
  return connection_.attempt("number an offer", [this] {
    Query query(connection_, kNextNumber);
    query.row();
    const std::uint64_t number = query.number();
    while (query.row()) {
    }  // a statement that returns rows commits at its end
    return number;
  });
}

Result<void> OfferTable::save(const OfferRow& offer) {
  return connection_.attempt("save offer " + std::to_string(offer.number), [&] {
    Query query(connection_, kSave);
    write_offer(query, offer);
  });
}

Result<void> OfferTable::remove(std::uint64_t number) {
  return connection_.attempt("remove offer " + std::to_string(number), [&] {
    Query(connection_, "DELETE FROM offers WHERE number = ?").number(number).run();
  });
}

Result<std::vector<OfferRow>> OfferTable::open_offers() {
  return connection_.attempt("read the open offers", [this] {
    Query query(connection_, kOpen);
    return read_offers(query);
  });
}

Result<std::optional<OfferRow>> OfferTable::offer(std::uint64_t number) {
  return connection_.attempt("read offer " + std::to_string(number), [&] {
    std::optional<OfferRow> out;
    Query query(connection_, kOne);
    query.number(number);
    if (query.row()) out = read_offer(query);
    return out;
  });
}

Result<std::vector<Database::EndedOffer>> OfferTable::ended_between(UnixTime from, UnixTime until) {
  return connection_.attempt("read the ended offers", [&] {
    std::vector<Database::EndedOffer> out;
    Query query(connection_, kEnded);
    query.number(from).number(until);
    while (query.row()) {
      Database::EndedOffer ended{};
      query.id(ended.id.bytes);
      query.id(ended.peer.bytes);
      ended.direction = static_cast<protocol::Direction>(query.truth() ? 1 : 0);
      ended.outcome = outcome_of(query.bytes());
      out.push_back(ended);
    }
    return out;
  });
}

Result<std::vector<OfferRow>> OfferTable::history(std::uint64_t before, std::size_t limit,
                                                  const std::optional<protocol::PeerId>& peer) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return connection_.attempt("read the history", [&] {
    Query query(connection_, peer ? kHistoryOfPeer : kHistory);
    query.number(std::min(before, kMost)).number(std::min<std::uint64_t>(limit, kMost));
    if (peer) query.blob(peer->bytes);
    return read_offers(query);
  });
}

Result<std::uint64_t> OfferTable::clear_history(UnixTime until,
                                                const std::optional<protocol::PeerId>& peer) {
  return connection_.attempt("clear the history", [&] {
    Query query(connection_, kClear);
    query.number(until);
    if (peer)
      query.blob(peer->bytes);
    else
      query.null();
    std::uint64_t cleared = 0;
    while (query.row()) ++cleared;
    return cleared;
  });
}

Result<void> OfferTable::forget_cleared(UnixTime until) {
  return connection_.attempt("forget ended offers",
                             [&] { Query(connection_, kForgetCleared).number(until).run(); });
}

}  // namespace peer::storage
