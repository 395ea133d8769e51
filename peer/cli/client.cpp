#include "cli/client.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <span>

#include "base/text.hpp"
#include "cli/command_error.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kMaxTypedBytes = 64 * 1024;  ///< of one line

int poll_timeout(std::optional<Client::Clock::time_point> at) {
  if (!at) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*at - Client::Clock::now());
  if (left.count() <= 0) return 0;
  return left.count() > INT_MAX ? INT_MAX : static_cast<int>(left.count());
}

}  // namespace

SignalWatch::SignalWatch() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

SignalWatch::~SignalWatch() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

int SignalWatch::take() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return 0;
  return static_cast<int>(info.ssi_signo);
}

bool is_failure(const Json& message) {
  return !message.contains("event") && message.contains("failed");
}

bool is_last_word(const Json& message) {
  return is_failure(message) || (!message.contains("event") && message.contains("result"));
}

void throw_if_failed(const Json& message) {
  if (!is_failure(message)) return;
  const auto code = number_of(message, "exit");
  constexpr auto kLastCode = static_cast<std::uint64_t>(ExitCode::unknown);
  throw CommandError(
      code >= 1 && code <= kLastCode ? static_cast<ExitCode>(code) : ExitCode::failed,
      escaped_lines(text_of(message, "failed")));
}

Client::Client(Fd socket, std::optional<Clock::time_point> deadline, bool watch_signals)
    : socket_(std::move(socket)), deadline_(deadline) {
  if (watch_signals) signals_ = std::make_unique<SignalWatch>();
}

void Client::send(const Json& message) {
  const std::string body = message.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (body.size() > protocol::kMaxMessageBytes)
    throw CommandError(ExitCode::usage,
                       "too many or too long words for one command: offer the folder they lie in, "
                       "or choose with --only");
  const std::string frame = protocol::with_length(body);
  std::string_view rest = frame;
  while (!rest.empty()) {
    const ssize_t n = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw NodeGone();
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::uint64_t Client::request(Json body, Handler handler) {
  const std::uint64_t number = ++last_request_;
  body["request"] = number;
  handlers_[number] = std::make_shared<Handler>(std::move(handler));
  send(body);
  return number;
}

Json Client::call(Json body, Handler handler) {
  Json last;
  const auto number = request(std::move(body), [&](const Json& message) {
    if (is_last_word(message))
      last = message;
    else if (handler)
      handler(message);
  });
  try {
    while (last.is_null()) turn();
  } catch (...) {
    handlers_.erase(number);  // it refers to this frame
    throw;
  }
  throw_if_failed(last);
  return object_of(last, "result");
}

void Client::answer(const Json& question, Json value) {
  Json message = Json::object();
  message["request"] = number_of(question, "request");
  message["answer"] = number_of(question, "question");
  message["value"] = std::move(value);
  send(message);
}

void Client::stop(std::uint64_t request) {
  Json message = Json::object();
  message["request"] = request;
  message["stop"] = true;
  send(message);
}

void Client::drop_handlers() {
  handlers_.clear();
  lines_ = {};
}

void Client::read_lines(LineHandler handler) {
  typed_.clear();
  lines_ = std::move(handler);
}

void Client::turn(std::optional<Clock::time_point> until) {
  std::array<pollfd, 3> fds{{{socket_.get(), POLLIN, 0},
                             {signals_ ? signals_->fd() : -1, POLLIN, 0},
                             {lines_ ? STDIN_FILENO : -1, POLLIN, 0}}};
  if (!until || (deadline_ && *deadline_ < *until)) until = deadline_;
  const int ready = ::poll(fds.data(), fds.size(), poll_timeout(until));
  if (ready < 0 && errno != EINTR)
    throw CommandError(ExitCode::failed, std::string("wait for the node: ") + std::strerror(errno));
  if (ready <= 0) {
    if (deadline_ && Clock::now() >= *deadline_) throw TimeIsOver();
    return;
  }
  if (fds[0].revents != 0) receive();  // first: it may hold what to say when interrupted
  if (fds[1].revents != 0) {
    if (const int signal = signals_->take()) {
      signals_.reset();  // a second one leaves at once
      throw Interrupted(signal);
    }
  }
  if (fds[2].revents != 0 && lines_) receive_lines();
}

void Client::receive() {
  std::array<std::byte, kReadBytes> buffer;
  const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) throw NodeGone();
  std::span<const std::byte> rest(buffer.data(), static_cast<std::size_t>(n));
  while (!rest.empty()) {
    const auto taken = reader_.feed(rest);
    if (!taken) throw CommandError(ExitCode::failed, "the node sent a message that is too large");
    rest = rest.subspan(*taken);
    while (const auto body = reader_.next()) {
      const Json message = Json::parse(*body, nullptr, false);
      if (!message.is_object()) throw CommandError(ExitCode::failed, "the node sent no message");
      dispatch(message);
    }
  }
}

void Client::dispatch(const Json& message) {
  const auto it = handlers_.find(number_of(message, "request"));
  if (it == handlers_.end()) return;  // of a request this side has given up
  const auto handler = it->second;    // stays while it runs, whatever it starts or ends
  if (is_last_word(message)) handlers_.erase(it);
  if (*handler) (*handler)(message);
}

void Client::receive_lines() {
  std::array<char, 4096> buffer;
  const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0 || typed_.size() > kMaxTypedBytes) {
    const auto handler = std::exchange(lines_, {});
    handler(std::nullopt);
    return;
  }
  typed_.append(buffer.data(), static_cast<std::size_t>(n));
  while (lines_) {
    const auto end = typed_.find('\n');
    if (end == std::string::npos) return;
    const std::string line = typed_.substr(0, end);
    typed_.erase(0, end + 1);
    const auto handler = lines_;  // it may replace itself
    handler(line);
  }
}

}  // namespace peer::cli
