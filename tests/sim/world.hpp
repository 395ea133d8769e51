#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "party.hpp"
#include "trace.hpp"

/// Two peers and the wires between them: bytes move, are lost and arrive only when a schedule says
/// so; time passes only then too.
namespace peer::sim {

/// One connection. Either end may be gone (null); what the other then says is lost.
struct Link {
  struct End {
    std::unique_ptr<Conversation> talk;
    std::string sent;            ///< on the way to the other end
    bool closes = false;         ///< behind `sent` comes the end of the connection
    bool mute = false;           ///< what it sends does not arrive any more
    std::optional<Data> coming;  ///< whose raw bytes are arriving here
    bool coming_wanted = false;
    std::string bytes;  ///< of it
    std::deque<Check> checks;
    int taking = 0;  ///< depth of World::take()
  };
  std::uint64_t number = 0;
  std::array<End, 2> ends;
};

class World {
 public:
  explicit World(bool traced = false);

  Party& party(std::size_t side) { return parties_[side]; }
  const Party& party(std::size_t side) const { return parties_[side]; }
  std::size_t links() const { return links_.size(); }
  const Link& link(std::size_t i) const { return *links_[i]; }
  Time now() const { return now_; }
  std::size_t delivered() const { return delivered_; }  ///< bytes, both ways
  bool two_at_once() const { return two_at_once_; }
  Trace& trace() { return trace_; }

  // ---- the network
  void dial(std::size_t side);
  /// Both ends notice, what was on the way is lost.
  void cut(std::size_t link);
  /// Only `side` notices.
  void cut_at(std::size_t link, std::size_t side);
  void cut_all();
  /// What `side` sends does not arrive any more, and nobody is told.
  void mute(std::size_t link, std::size_t side);
  /// At most `bytes` from `side` to the other one; how many went.
  std::size_t deliver(std::size_t link, std::size_t side, std::size_t bytes);
  void pass_time(std::chrono::milliseconds time);

  // ---- the programs
  enum class Ending {
    leaves,  ///< on purpose: all is saved
    killed,  ///< the system closes its connections; what was not saved is lost
    power,   ///< nobody is told, and of the folders what was synced is left
  };
  void restart(std::size_t side, Ending how, bool ask_again = false);
  /// Answers at most one want or check on each connection; true if something was answered.
  bool serve(std::size_t side);
  bool decide(std::size_t side);
  bool cancel(std::size_t side, const OfferId& id, const char* reason);
  void give(std::size_t side, std::uint64_t number, std::chrono::seconds keep,
            std::optional<RequestId> get = {});
  /// Says an open offer once more on the current connection.
  void offer_again(std::size_t side, const OfferId& id);
  void ask(std::size_t side, const RequestId& request);
  void list(std::size_t side, const RequestId& request);
  /// An offer with this number, or if 0 a refusal.
  void answer_get(std::size_t side, const RequestId& request, std::uint64_t number);
  void no_space(std::size_t side, const OfferId& id);
  void sync(std::size_t side);
  Conversation* current(std::size_t side);

  /// Everything moves until nothing does, at most `limit` bytes; true if it got quiet.
  /// `first` is the side whose bytes go first.
  bool run(std::size_t limit, std::size_t chunk, std::size_t first);
  bool quiet() const;

 private:
  struct Duel {
    std::size_t side;
    std::uint64_t better;
    std::uint64_t other;
    Time asked;
  };

  Link* find(std::uint64_t number);
  Link::End* alive(std::uint64_t number, std::size_t side);
  void take(Link& link, std::size_t side);
  void end(Link& link, std::size_t side, bool told);
  void feed(Link& link, std::size_t side, std::span<const std::byte> bytes);
  void greeted(Link& link, std::size_t side);
  void keep(std::size_t side, std::uint64_t stays, std::uint64_t goes, bool crossed);
  void judge_duels();
  void remove_dead();
  void said(const Link& link, std::size_t side, std::string_view bytes);

  Trace trace_;
  Time now_{std::chrono::hours(1)};
  std::array<Party, 2> parties_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<Duel> duels_;
  bool two_at_once_ = false;  ///< there were ever two connections
  std::uint64_t instances_ = 0;
  std::uint64_t numbers_ = 0;
  std::size_t delivered_ = 0;
};

}  // namespace peer::sim
