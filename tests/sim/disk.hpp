#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "model.hpp"
#include "protocol/ledger.hpp"

/// What outlives a simulated program: a database that saves late and in order, and the offers'
/// folders with their journals.
namespace peer::sim {

/// What people are told of an offer.
enum class Stage : std::uint8_t {
  preparing,
  pending,
  active,
  partial,
  done,
  rejected,
  cancelled,
  expired,
  failed
};

const char* to_string(Stage stage);
Outcome outcome_of(Stage stage);

/// An offer as the database holds it.
struct Row {
  Direction direction = Direction::given;
  Offer offer;
  Stage stage = Stage::preparing;
  std::uint8_t ledger_state = 0;
  std::uint64_t round = 0;
  std::uint64_t done_round = 0;
  std::optional<Accept> accept;
  std::optional<Done> done;
  std::optional<Reject> reject;
  std::optional<Cancel> cancel;
  bool manifest_here = false;
  RangeSet chosen;           ///< taken: of the latest accept
  std::int64_t expires = 0;  ///< seconds of the wall clock
  bool ended = false;
};

/// A taken offer's folder: what of its stream is staged, as the journal says.
struct Folder {
  RangeSet have;
  std::set<std::uint64_t> gone;       ///< files
  std::set<std::uint64_t> delivered;  ///< rounds
};

class Disk {
 public:
  std::map<OfferId, Row> rows;  ///< what a restart finds
  std::map<OfferId, Folder> folders;
  std::map<OfferId, Folder> synced;  ///< what is left of the folders after a power loss

  void save(const OfferId& id, const Row& row) { late_.emplace_back(id, row); }
  std::size_t unsaved() const { return late_.size(); }
  /// The oldest `count` of what waits reaches the database.
  void write(std::size_t count);
  void write_all() { write(late_.size()); }
  void sync() { synced = folders; }
  /// What waits is lost; whose rows that were.
  std::set<OfferId> crash();

 private:
  std::deque<std::pair<OfferId, Row>> late_;
};

}  // namespace peer::sim
