#pragma once

#include <asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rate_limit.hpp"
#include "node/services.hpp"
#include "node/time_spent.hpp"
#include "storage/database.hpp"
#include "storage/source.hpp"

namespace peer::node {

class Taking;

/// What people call the state of an offer (LOCAL.md).
namespace state {
inline constexpr char preparing[] = "preparing";
inline constexpr char pending[] = "pending";
inline constexpr char active[] = "active";
inline constexpr char partial[] = "partial";
inline constexpr char done[] = "done";
inline constexpr char rejected[] = "rejected";
inline constexpr char cancelled[] = "cancelled";
inline constexpr char expired[] = "expired";
inline constexpr char failed[] = "failed";
}  // namespace state

/// Bytes a second, over the last few seconds of samples.
class RateMeter {
 public:
  void begin() { samples_.clear(); }  ///< what was before tells nothing of now
  void sample(std::uint64_t total, std::chrono::steady_clock::time_point now);
  /// 0 while unknown, and when nothing came for some seconds.
  double rate(std::chrono::steady_clock::time_point now) const;

 private:
  std::deque<std::pair<std::chrono::steady_clock::time_point, std::uint64_t>> samples_;
};

/// Why an offer does not go on.
struct OfferTrouble : protocol::Trouble {
  OfferTrouble() = default;
  OfferTrouble(protocol::Trouble told) : protocol::Trouble(std::move(told)) {}
  std::string folder;    ///< ours, that it is about; not the other side's business
  bool records = false;  ///< `folder` is the offer's record, not where it lands
};

/// One offer, given or taken: its row of the database and what lives only while the program runs.
struct OfferRecord {
  storage::OfferRow row;
  std::string folder;  ///< its manifest, catalogue and journal
  bool from_stranger = false;
  std::string stranger_address;           ///< Session::remote_network(); bounds are per address
  std::weak_ptr<storage::Source> source;  ///< given, while somebody wants it: it holds files open
  std::shared_ptr<Taking> taking;         ///< taken, while it is carried out
  std::optional<OfferTrouble> trouble;    ///< why it does not go on, ours or the other side's
  bool trouble_is_ours = false;
  bool try_again = false;  ///< somebody wants its list, which our disk did not take
  std::chrono::steady_clock::time_point trouble_since{};
  std::shared_ptr<base::RateLimit> limit = std::make_shared<base::RateLimit>();
  std::shared_ptr<TimeSpent> spent = std::make_shared<TimeSpent>();
  std::uint64_t sent_bytes = 0;                  ///< given: in this run of the program
  std::chrono::steady_clock::time_point used{};  ///< given: something was wanted or sent last
  std::string current;                           ///< path of a file lately moved
  std::uint32_t lanes = 0;
  RateMeter meter;
  bool deciding = false;  ///< it may be taken unasked: nobody is asked yet
  bool untold = false;    ///< rejected by a rule, and one of too many: it ends without a trace
  bool clearing = false;  ///< its staging is being removed
  struct Ending {
    std::string state;
    std::string text;
  };
  std::optional<Ending> ending;  ///< what it ends with after that

  bool ended() const { return row.ended != 0; }
  bool given() const { return row.direction == protocol::Direction::given; }
  bool is(std::string_view what) const { return row.state == what; }
  /// A stranger's offer that nobody here has answered, but perhaps a rule: it ends without a trace,
  /// or strangers could fill the history.
  bool unanswered_knock() const {
    return from_stranger && !given() && row.options.empty() && (untold || !is(state::rejected));
  }
};
using OfferPtr = std::shared_ptr<OfferRecord>;

/// Every open offer in both directions, by number and by id; ended ones are in the database.
/// Control thread.
class Offers {
 public:
  explicit Offers(Services& services);

  Result<void> load();  ///< blocking; once
  /// Gives `row` a number and a folder path (not made) and keeps it.
  asio::awaitable<OfferPtr> add(storage::OfferRow row);
  OfferPtr find(std::uint64_t number) const;
  OfferPtr find(const protocol::PeerId& peer, const protocol::OfferId& id,
                protocol::Direction direction) const;
  const std::map<std::uint64_t, OfferPtr>& open() const { return open_; }
  std::string folder_of(std::uint64_t number) const;

  /// Writes the row later, again until that succeeds, and wakes who follows.
  void save(const OfferPtr& offer);
  void set_state(const OfferPtr& offer, std::string_view state);
  /// From now on, in bytes a second; 0: none.
  void set_limit(const OfferPtr& offer, std::uint64_t rate);
  /// The last state: saved (an unanswered_knock() is removed instead), taken out of the open ones,
  /// its folder, what it still has staged and what was spooled for it removed.
  void end(const OfferPtr& offer, std::string_view state, std::string text = {});
  /// Removes the record of an offer that is not needed any more, once that is saved.
  void drop_record(const OfferPtr& offer);
  /// Every few seconds. Removes, on the disk pool, what an earlier run of the program or trouble of
  /// the disk left of offers that have ended, and writes what could not be written.
  void clear_left();

 private:
  using Write = std::function<Result<void>(storage::Database&)>;
  struct Left;  ///< what could not be removed or written
  void write(const std::string& what, std::uint64_t number, Write work);
  void write_again();
  void clear(std::vector<std::string> records, std::vector<std::string> spooled);

  Services& services_;
  std::map<std::uint64_t, OfferPtr> open_;
  std::shared_ptr<Left> left_;
};

}  // namespace peer::node
