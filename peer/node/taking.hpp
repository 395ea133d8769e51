#pragma once

#include <asio/awaitable.hpp>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "async/event.hpp"
#include "async/task_group.hpp"
#include "node/confirming.hpp"
#include "node/lane.hpp"
#include "node/offers.hpp"
#include "node/pair.hpp"
#include "node/services.hpp"
#include "node/session.hpp"
#include "node/throttle.hpp"
#include "storage/intake.hpp"

namespace peer::node {

/// The taker's side of one accepted offer being carried out: keeps the session and the lanes
/// wanting what the intake lacks, and delivers. Control thread; disk work goes to the pool or
/// happens on lanes.
class Taking : public std::enable_shared_from_this<Taking> {
 public:
  struct Ending {
    enum class Kind { delivered, failed, stopped, again, list_damaged } kind = Kind::stopped;
    storage::Intake::Delivered delivered;
    std::string text;  ///< failed: why
  };

  Taking(Services& services, Offers& offers, Pair& pair, OfferPtr offer, storage::LandingPlan plan,
         std::uint64_t round);
  ~Taking();

  /// Until everything chosen is delivered, it failed for good, or stop(); or until what lies on the
  /// disk is to be looked at anew (`again`), as after a restart; or until the offer's list is to be
  /// fetched anew. Joins its lanes.
  asio::awaitable<Ending> run();
  /// Ends run() soon; what has been stored stays.
  void stop();
  /// After trouble with the disk, or pause(): tries again.
  void resume();
  /// Wants nothing until resume(); the giver is told, in every session.
  void pause();

  void block_came(Session& session, IncomingBlock block);
  void give_back(const protocol::Want& want);
  /// The giver cannot serve now; tried again after a pause.
  void giver_trouble(const protocol::Trouble& trouble);
  void giver_goes_on();  ///< it says so
  void check_answered(const protocol::Range& range, bool same);
  void checks_unknown();                       ///< to the giver
  void session_changed();                      ///< another session, or none
  void session_ended(const Session& session);  ///< and its lanes with it
  bool add_lane(Session& session, net::RawConnection connection, protocol::PeerLimits theirs);

  const std::shared_ptr<storage::Intake>& intake() const { return intake_; }
  const storage::LandingPlan& plan() const { return plan_; }
  bool paused() const { return *paused_; }
  /// It waits for a file system to be mounted again.
  bool drive_away() const { return drive_away_; }

 private:
  asio::awaitable<Ending> carry_out(async::TaskGroup& tasks);
  asio::awaitable<Result<void>> open();
  asio::awaitable<void> store_loop();
  asio::awaitable<void> prove_loop();
  asio::awaitable<Result<storage::Intake::Delivered>> deliver();
  asio::awaitable<void> join_lanes();
  asio::awaitable<void> join_ended_lanes();
  void want_on_session();
  void stored(Session* session, const protocol::Range& range, Result<void> result);
  void disk_trouble(const Error& error);
  void ran_out_of_memory();
  void tell_trouble();
  void bad_block(const Error& error);
  void show_progress();
  asio::awaitable<void> look_for_remedy();
  asio::awaitable<void> look_at_folder();
  asio::awaitable<void> look_for_folder();
  std::string tell_gone(const Error& error, protocol::Trouble& told) const;

  Services& services_;
  Offers& offers_;
  Pair& pair_;
  OfferPtr offer_;
  storage::LandingPlan plan_;
  std::uint64_t round_;
  std::shared_ptr<storage::Intake> intake_;
  std::unique_ptr<storage::Intake::Writer> writer_;  ///< of the session's blocks
  std::unique_ptr<Confirming> confirming_;
  Throttle throttle_;
  std::shared_ptr<std::atomic<bool>> paused_ = std::make_shared<std::atomic<bool>>(false);

  struct Queued {
    std::weak_ptr<Session> session;
    IncomingBlock block;
  };
  std::deque<Queued> queue_;
  std::uint64_t queued_bytes_ = 0;
  struct OpenLane {
    std::unique_ptr<TakingLane> lane;
    std::weak_ptr<Session> session;  ///< that it belongs to
  };
  std::list<OpenLane> lanes_;
  std::list<OpenLane> ended_lanes_;
  bool lanes_deliver_ = false;  ///< a lane has brought a block: the session need not
  bool proven_ = false;   ///< what an earlier run stored is good here, and as the giver has it
  bool working_ = false;  ///< the tasks that store and prove were begun
  bool stopping_ = false;
  std::optional<protocol::Trouble> told_;  ///< ours, as the giver hears it, while it lasts
  unsigned bad_blocks_ = 0;
  std::string failure_;  ///< not empty: cannot go on, for good
  async::Event wake_;
  async::Event queue_event_;
  std::chrono::steady_clock::time_point looked_{};
  std::chrono::steady_clock::time_point retry_{};  ///< after trouble with the disk
  bool no_memory_ = false;                         ///< and the books of what is here may be wrong
  bool folder_away_ = false;  ///< the trouble is that what receives is not at its path
  bool drive_away_ = false;   ///< for another file system is mounted there
  bool again_ = false;
  bool list_damaged_ = false;
};

}  // namespace peer::node
