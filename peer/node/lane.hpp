#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "net/data_stream.hpp"
#include "node/answer.hpp"
#include "node/throttle.hpp"
#include "node/want_window.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"
#include "protocol/wants.hpp"
#include "storage/intake.hpp"
#include "storage/source.hpp"

namespace peer::node {

/// An extra connection that carries blocks of one transfer, with the thread that does nothing else
/// (DESIGN 7). Made, stopped and joined on the control thread; the hooks are called on the lane's
/// own thread and post to the control thread.
class Lane {
 public:
  virtual ~Lane();  ///< stopped and joined before
  /// Ends the thread soon, at the latest when its present disk operation returns. Thread-safe.
  void stop();
  void join();
  /// Ended because nothing moved, in neither direction, although blocks were due. Once `ended` is
  /// called.
  bool fell_silent() const { return fell_silent_; }

 protected:
  Lane(net::RawConnection connection, Throttle throttle);
  void start(std::function<void()> ended);
  virtual void work() = 0;
  virtual void ran_out_of_memory() {}  ///< in work()
  virtual void leave() {}              ///< work() has ended, however it did
  virtual bool owes() const = 0;       ///< blocks are due on it, either way

  /// The next whole message; nothing at a clean end or when `timeout_ms` passed (timed_out is set
  /// then). Bytes behind a `data` message stay unread for read_payload().
  std::optional<protocol::Message> next_message(int timeout_ms, bool& timed_out);
  /// Whether a message, or part of one, can be had without waiting.
  bool readable();
  bool read_payload(std::span<std::byte> into);
  /// Until the limits let more pass; false when stopped.
  bool wait_for_turn();

  /// This thread moved a block.
  void moved(std::uint64_t bytes);

  net::DataStream stream_;
  Throttle throttle_;
  TimeSpent& spent_;
  Lap lap_;

 private:
  bool take_frame();

  protocol::FrameReader frames_;
  std::vector<std::byte> input_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::chrono::nanoseconds computed_{};  ///< by this thread, as far as it was told
  std::thread thread_;
  bool fell_silent_ = false;
};

/// The giver's end: answers wants.
class GivingLane final : public Lane {
 public:
  struct Hooks {
    std::function<void()> wanted;
    std::function<void(std::uint64_t bytes, std::string current)> sent;
    std::function<void()> ended;
  };
  GivingLane(net::RawConnection connection, protocol::OfferId id,
             std::shared_ptr<storage::Source> source, AnswerForm form, std::uint64_t block_bytes,
             Throttle throttle, Hooks hooks);
  ~GivingLane() override;

 private:
  void work() override;
  bool owes() const override { return !wants_.empty() || on_the_way_ || stream_.path().on_the_way; }
  bool collect_wants();
  bool answer(std::span<std::byte> buffer);
  void tell_sent(std::uint64_t bytes, std::string current);
  void waited(bool writing);

  protocol::OfferId id_;
  std::shared_ptr<storage::Source> source_;
  std::unique_ptr<storage::Source::Reader> reader_;
  AnswerForm form_;
  std::uint64_t block_bytes_;
  Hooks hooks_;
  protocol::ServedWants wants_;
  std::chrono::microseconds receiver_slow_{};  ///< net::PathState's, as of the latest look
  bool on_the_way_ = false;                    ///< the same
  std::uint64_t untold_bytes_ = 0;
  std::chrono::steady_clock::time_point told_sent_;
  std::chrono::steady_clock::time_point told_wanted_;
};

/// The taker's end: wants what the intake lacks and stores what comes.
class TakingLane final : public Lane {
 public:
  struct Hooks {
    std::function<void()> first_block;
    std::function<void()> all_here;
    std::function<void(Error)> disk_trouble;
    std::function<void(Error)> bad_block;  ///< wrong digest
    std::function<void()> ended;
  };
  /// While `paused` nothing is wanted; what still comes is given back.
  TakingLane(net::RawConnection connection, protocol::OfferId id,
             std::shared_ptr<storage::Intake> intake, AnswerForm form, protocol::PeerLimits theirs,
             std::shared_ptr<std::atomic<bool>> paused, Throttle throttle, Hooks hooks);
  ~TakingLane() override;

 private:
  void work() override;
  void ran_out_of_memory() override;
  void leave() override;
  bool owes() const override { return owed_; }
  bool want_more();
  bool handle(const protocol::Message& message);
  bool take_data(const protocol::Data& data);

  protocol::OfferId id_;
  std::shared_ptr<storage::Intake> intake_;
  std::unique_ptr<storage::Intake::Writer> writer_;
  AnswerForm form_;
  std::shared_ptr<std::atomic<bool>> paused_;
  Hooks hooks_;
  protocol::AskedWants asked_;
  std::vector<std::byte> block_;
  WantWindow window_;
  std::uint64_t open_want_bytes_;        ///< the giver's limit
  std::optional<protocol::Range> hole_;  ///< rest of a hole that was named and is ours to want
  bool had_block_ = false;
  bool owed_ = false;  ///< at its end
};

}  // namespace peer::node
