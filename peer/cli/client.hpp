#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/fd.hpp"
#include "protocol/frame.hpp"

namespace peer::cli {

using Json = nlohmann::json;

/// SIGINT and SIGTERM as something to wait for: blocked for the calling thread while this lives,
/// and as they were afterwards.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  int fd() const { return fd_.get(); }
  int take();  ///< the signal that came, 0 if none

 private:
  Fd fd_;
  sigset_t before_{};
};

/// One connection to the node, speaking node/LOCAL.md. One thread; everything happens in turn().
/// Handlers may send, answer, stop and throw; what they throw comes out of turn().
class Client {
 public:
  /// Gets a request's events and questions, and as the last thing its `result` or `failed`.
  using Handler = std::function<void(const Json& message)>;
  /// Gets a line typed, without its end; nothing at the end of the input.
  using LineHandler = std::function<void(std::optional<std::string> line)>;
  using Clock = std::chrono::steady_clock;

  /// `deadline` ends any waiting with a CommandError (timed_out). With `watch_signals` the signals
  /// end it with Interrupted.
  Client(Fd socket, std::optional<Clock::time_point> deadline, bool watch_signals);

  /// Sends a request. Usage error if it is larger than a message may be.
  std::uint64_t request(Json body, Handler handler);
  /// Sends a request and waits for its last word: the result; a failure is thrown. `handler` gets
  /// events and questions.
  Json call(Json body, Handler handler = {});
  void answer(const Json& question, Json value);
  void stop(std::uint64_t request);  ///< ends a request that follows something
  /// Whatever still comes for the requests made so far, or is typed, is ignored. Not from a
  /// handler.
  void drop_handlers();

  /// From now on standard input is read, line by line, until stop_lines().
  void read_lines(LineHandler handler);
  void stop_lines() { lines_ = {}; }

  /// Waits until something came (or `until`, if given) and hands it on. NodeGone at the end of the
  /// connection.
  void turn(std::optional<Clock::time_point> until = std::nullopt);

 private:
  void send(const Json& message);
  void receive();
  void dispatch(const Json& message);
  void receive_lines();

  Fd socket_;
  std::optional<Clock::time_point> deadline_;
  std::unique_ptr<SignalWatch> signals_;
  protocol::FrameReader reader_;
  std::uint64_t last_request_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Handler>> handlers_;
  LineHandler lines_;
  std::string typed_;
};

/// A `failed`; an event may hold a field of that name that counts entries.
bool is_failure(const Json& message);
bool is_last_word(const Json& message);
/// Throws the CommandError of a `failed` message; does nothing with others.
void throw_if_failed(const Json& message);

}  // namespace peer::cli
