#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/limits.hpp"
#include "protocol/message.hpp"
#include "protocol/ranges.hpp"

/// The books of one connection about wants and their answers (PROTOCOL.md "Wants and data"). Used
/// on sessions and on lanes.
namespace peer::protocol {

/// The holes of streams that `data` with `until` named and that were not answered yet.
class NamedHoles {
 public:
  explicit NamedHoles(std::size_t max_ranges) : max_ranges_(max_ranges) {}

  /// An empty or backward `hole` is nothing. Past the limit the oldest is forgotten.
  void add(const OfferId& id, std::uint64_t begin, std::uint64_t end);
  void answered(const OfferId& id, std::uint64_t begin, std::uint64_t end);
  bool contains(const Want& want) const;
  void forget(const OfferId& id);

 private:
  struct Hole {
    OfferId id;
    Range range;
  };
  std::size_t max_ranges_;
  std::deque<Hole> holes_;  ///< oldest first
};

/// The taker's side: what was asked here and in which order the answers must come.
class AskedWants {
 public:
  /// `limits`: how much may be open is the other side's word, how large a block may be is ours.
  explicit AskedWants(const PeerLimits& limits = {});

  /// Whether a want of `length` more bytes may be sent now.
  bool room(std::uint64_t length) const;
  /// Whether this want may be sent now: as above, or because it lies within a hole that was named.
  bool room(const Want& want) const;
  /// The want is about to be sent; room() held.
  void add(const Want& want);
  /// The next answer for its offer and `of`: must begin where the last one ended and stay within
  /// the want it answers. Errc::bad_state otherwise, Errc::too_much for a block over the limit.
  /// Answers to wants that were dropped fit too: see answer_wanted().
  Result<void> answered(const Data& data);
  Result<void> answered(const Gone& gone);
  /// Whether the latest answered() was for a want still cared for. If not, its raw bytes are read
  /// and thrown away.
  bool answer_wanted() const { return answer_wanted_; }
  /// Forgets what is open of an offer and returns it: it ended here, or an `error` ended its wants.
  /// Blocks of them that are on their way are still let in.
  std::vector<Want> drop(const OfferId& id);
  /// Every want not wholly answered, cut to what is lacking; after the connection ended these are
  /// missing again.
  std::vector<Want> open() const;
  bool has_open(const OfferId& id, Of of) const;
  std::uint64_t open_bytes() const { return bytes_; }  ///< holes not counted
  std::size_t open_count() const { return count_; }    ///< holes not counted

 private:
  using Key = std::pair<OfferId, Of>;
  struct Asked {
    Want left;
    bool in_hole = false;
  };
  Result<void> take(const Want& answer, const char* what);
  bool take_open(const Want& answer);
  bool take_late(const Want& answer);
  void uncount(const Asked& asked);

  PeerLimits limits_;
  std::map<Key, std::deque<Asked>> open_;
  NamedHoles holes_{kMaxHolesAsked};
  std::deque<Want> late_;  ///< dropped, oldest first
  std::uint64_t bytes_ = 0;
  std::size_t count_ = 0;
  std::size_t hole_count_ = 0;
  bool answer_wanted_ = false;
  bool want_done_ = false;  ///< the latest answered() was the last of its want
};

/// The giver's side: what was asked of us here; within an offer answered in order, offers taking
/// turns.
class ServedWants {
 public:
  explicit ServedWants(const PeerLimits& ours = {});

  /// Errc::too_much past the limits; the caller ends the connection.
  Result<void> add(const Want& want);
  /// The rest of the want whose turn it is.
  std::optional<Want> next() const;
  /// `length` bytes of next() were answered; the turn passes on.
  void advance(std::uint64_t length);
  /// It cannot be answered now: the turn passes on.
  void pass();
  std::size_t turns() const { return turns_.size(); }
  /// `next` was answered with zeros up to `until`: wants inside that hole are free.
  void name_hole(const OfferId& id, Range hole);
  /// An `error` ended what is open of this offer. Its holes stay free: wants for them may be on
  /// their way.
  void drop(const OfferId& id);
  /// The offer ended.
  void end(const OfferId& id);
  bool empty() const { return turns_.empty(); }
  bool has_open(const OfferId& id, Of of) const { return open_.contains({id, of}); }

 private:
  using Key = std::pair<OfferId, Of>;
  struct Asked {
    Want left;
    bool in_hole = false;
  };
  void drop(const Key& key);
  void uncount(const Asked& asked);

  PeerLimits limits_;
  std::map<Key, std::deque<Asked>> open_;  ///< no empty queue
  NamedHoles holes_{kMaxHolesServed};
  std::deque<Key> turns_;  ///< the keys of open_, whose turn it is first
  std::uint64_t bytes_ = 0;
  std::size_t count_ = 0;
  std::size_t hole_count_ = 0;
};

}  // namespace peer::protocol
