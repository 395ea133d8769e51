#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/message.hpp"
#include "protocol/ranges.hpp"

/// The books of one connection about wants and their answers (PROTOCOL.md "Wants and data"). Used
/// on sessions and on lanes.
namespace peer::protocol {

/// The taker's side: what was asked here and in which order the answers must come.
class AskedWants {
 public:
  explicit AskedWants(const PeerLimits& theirs = {}) : limits_(theirs) {}

  /// Whether a want of `length` more bytes may be sent now.
  bool room(std::uint64_t length) const;
  /// The want is about to be sent; room() held, or it lies within a hole that was named.
  void add(const Want& want);
  /// The next answer for its offer and `of`: must begin where the last one ended and stay within
  /// the want it answers. Errc::bad_state otherwise, Errc::too_much for a block over the limit.
  Result<void> answered(const Data& data);
  Result<void> answered(const Gone& gone);
  /// Forgets what is open of an offer and returns it: it ended here, or an `error` ended its wants.
  std::vector<Want> drop(const OfferId& id);
  /// Every want not wholly answered, cut to what is lacking; after the connection ended these are
  /// missing again.
  std::vector<Want> open() const;
  bool has_open(const OfferId& id, Of of) const;
  std::uint64_t open_bytes() const { return bytes_; }  ///< holes not counted
  std::size_t open_count() const { return count_; }

 private:
  using Key = std::pair<OfferId, Of>;
  struct Asked {
    Want left;
    bool in_hole = false;
  };
  Result<void> take(const OfferId& id, Of of, std::uint64_t offset, std::uint64_t length,
                    const char* what);

  PeerLimits limits_;
  std::map<Key, std::deque<Asked>> open_;
  std::map<OfferId, RangeSet> holes_;
  std::uint64_t bytes_ = 0;
  std::size_t count_ = 0;
};

/// The giver's side: what was asked of us here; within an offer answered in order, offers taking
/// turns.
class ServedWants {
 public:
  explicit ServedWants(const PeerLimits& ours = {}) : limits_(ours) {}

  /// Errc::too_much past the limits; the caller ends the connection.
  Result<void> add(const Want& want);
  /// The rest of the want whose turn it is.
  std::optional<Want> next() const;
  /// `length` bytes of next() were answered; the turn passes on.
  void advance(std::uint64_t length);
  /// `next` was answered with zeros up to `until`: wants inside that hole are free.
  void name_hole(const OfferId& id, Range hole);
  void drop(const OfferId& id);
  bool empty() const { return count_ == 0; }

 private:
  using Key = std::pair<OfferId, Of>;
  PeerLimits limits_;
  std::map<Key, std::deque<std::pair<Want, bool>>>
      open_;  ///< bool: within a named hole, not counted
  std::map<OfferId, RangeSet> holes_;
  std::deque<Key> turns_;
  std::uint64_t bytes_ = 0;
  std::size_t count_ = 0;
};

}  // namespace peer::protocol
