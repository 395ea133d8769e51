#include "node/run.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/signal_set.hpp>
#include <cstdio>
#include <string>

#include "base/exit_code.hpp"
#include "base/log.hpp"
#include "base/memory.hpp"
#include "base/text.hpp"
#include "node/local_server.hpp"
#include "node/node.hpp"
#include "node/tasks.hpp"

namespace peer::node {

using base::Exit;

namespace {

constexpr std::chrono::seconds kFirstClient{
    10};  ///< a node nobody turns to after it was started goes away again

/// As many open files as the system lets this process have: each connection and transfer takes
/// some.
void raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Held for as long as the node lives; holds its pid for others to read.
class HomeLock {
 public:
  ~HomeLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  Result<void> take(const std::string& file) {
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) return Error(std::error_code(errno, std::generic_category()), "open " + file);
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      char pid[32] = {};
      if (::pread(fd_, pid, sizeof pid - 1, 0) <= 0) pid[0] = '?';
      return Error(std::make_error_code(std::errc::device_or_resource_busy),
                   "a node runs already for this home (pid " +
                       std::string(pid).substr(0, std::string(pid).find('\n')) + ")");
    }
    const auto pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, pid.data(), pid.size(), 0) < 0) {
      return Error(std::error_code(errno, std::generic_category()), "write " + file);
    }
    return {};
  }

 private:
  int fd_ = -1;
};

/// Tells who waits for the node that it is there, or why it is not.
class Ready {
 public:
  explicit Ready(int fd) : fd_(fd) {}
  void say(const std::string& text) {
    if (fd_ < 0) {
      if (text != "ok\n") std::fputs(("peer: " + text + "\n").c_str(), stderr);
      return;
    }
    [[maybe_unused]] const auto written = ::write(fd_, text.data(), text.size());
    ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

asio::awaitable<void> stop_all(Node& node, LocalServer& server, async::TaskGroup& tasks,
                               asio::signal_set& signals) {
  std::error_code ignored;
  co_await server.close();
  co_await node.stop();
  signals.cancel(ignored);
  tasks.cancel();
}

asio::awaitable<void> live(Node& node, LocalServer& server, async::Event& stop, bool& stopping) {
  const auto begin = std::chrono::steady_clock::now();
  while (!stopping) {
    co_await node.services.changed.wait_for(std::chrono::milliseconds(500));
    if (base::keep_reserve())
      base::log(base::Level::warning, "node", "there was no memory left: the reserve was used");
    if (node.lasting() || server.clients() > 0) continue;
    if (!server.had_client() && std::chrono::steady_clock::now() - begin < kFirstClient) continue;
    break;
  }
  server.stop_accepting();  // who comes from now on asks the next node
  stopping = true;
  stop.notify_all();
}

}  // namespace

int run(const RunOptions& options) {
  base::keep_heap_small();
  base::keep_reserve();
  ::signal(SIGPIPE, SIG_IGN);
  raise_open_files();
  ::signal(SIGXFSZ, SIG_IGN);  // a file over the limit is an error of its write, not our end
  Ready ready(options.ready_fd);
  base::log_to(options.home.log_file);
  if (options.verbose) base::log_to_stderr(base::Level::debug);
  HomeLock lock;
  if (auto taken = lock.take(options.home.lock); !taken) {
    ready.say(taken.error().context);
    return static_cast<int>(Exit::failed);
  }
  asio::io_context io(1);
  Node node(io, options.home, options.lasting);
  if (auto opened = node.open(); !opened) {
    ready.say(opened.error().text());
    return static_cast<int>(Exit::failed);
  }
  LocalServer server(node);
  if (auto opened = server.open(); !opened) {
    ready.say(opened.error().text());
    return static_cast<int>(Exit::failed);
  }
  async::TaskGroup tasks(io.get_executor(), log_task_error);
  async::Event stop(io.get_executor());
  bool stopping = false;
  int code = 0;
  node.on_stop = [&] {
    stopping = true;
    stop.notify_all();
    node.services.changed.notify_all();
  };
  asio::signal_set signals(io, SIGINT, SIGTERM);
  const std::function<void(std::error_code, int)> on_signal = [&](std::error_code error,
                                                                  int number) {
    if (error) return;
    if (stopping) ::_exit(128 + number);
    code = 128 + number;
    node.on_stop();
    signals.async_wait(on_signal);
  };
  signals.async_wait(on_signal);
  node.start();
  tasks.spawn("local", lasting("local", [&] { return server.run(); }));
  tasks.spawn("live", lasting("live", [&] { return live(node, server, stop, stopping); }));
  const auto main_task = [&]() -> asio::awaitable<void> {
    while (!stopping) co_await stop.wait();
    co_await stop_all(node, server, tasks, signals);
    co_await tasks.join();
  };
  asio::co_spawn(io, main_task, [&](std::exception_ptr error) {
    if (error) log_task_error("node", error);
  });
  ready.say("ok\n");
  for (bool over = false; !over;) {
    try {
      io.run();
      over = true;
    } catch (const std::exception& error) {  // of one handler; the others go on
      base::log(base::Level::error, "node", error.what());
    }
  }
  return code;
}

}  // namespace peer::node
