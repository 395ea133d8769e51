#include "cli/node_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "cli/command_error.hpp"
#include "node/run.hpp"

namespace peer::cli {
namespace {

constexpr std::chrono::seconds kEndingNodeWait{10};

[[noreturn]] void fail(const std::string& what, int error) {
  throw CommandError(ExitCode::failed, what + ": " + std::strerror(error));
}

/// A path to the socket that fits a socket address: the folder is named by `folder`, its
/// descriptor, if the plain path is too long.
std::string address_path(const std::string& socket, Fd& folder) {
  if (socket.size() < sizeof(sockaddr_un::sun_path)) return socket;
  const auto slash = socket.rfind('/');
  folder = Fd(::open(socket.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return "/proc/self/fd/" + std::to_string(folder.get()) + socket.substr(slash);
}

void check_owner(int socket, const std::string& path) {
  ucred who{};
  socklen_t length = sizeof who;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0)
    fail("look at " + path, errno);
  if (who.uid != ::geteuid())
    throw CommandError(ExitCode::failed,
                       "the program that answers at " + path + " belongs to another user");
}

/// In the child, between fork and exec: only what is safe there.
[[noreturn]] void become_node(char* const* argv, char* const* environment, const char* log_file) {
  ::setsid();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGINT, SIGQUIT, SIGPIPE, SIGHUP, SIGTTIN, SIGTTOU})
    ::signal(signal, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDWR);
  int errors = ::open(log_file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600);
  if (errors < 0) errors = nothing;
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(nothing, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  if (nothing > STDERR_FILENO) ::close(nothing);
  if (errors > STDERR_FILENO) ::close(errors);
  if (::chdir("/") != 0) ::_exit(127);  // keeps no file system busy
  ::execve("/proc/self/exe", argv, environment);
  ::_exit(127);
}

std::string effective_home(const std::string& given) {
  std::string home = given;
  if (home.empty())
    if (const char* variable = std::getenv("PEER_HOME")) home = variable;
  return base::absolute_path(home);
}

/// Starts the child; the pipe on which it will say that it is ready.
Fd start_node(const base::Home& home, const std::string& home_given) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) fail("start a node", errno);
  Fd ready(pipe[0]), child_end(pipe[1]);

  std::vector<std::string> words = {"peer", kNodeWord};
  const std::string folder = effective_home(home_given);
  if (!folder.empty()) words.insert(words.end(), {"--home", folder});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string variable = std::string(kReadyVariable) + "=" + std::to_string(child_end.get());
  std::vector<char*> environment;
  for (char** entry = environ; *entry; ++entry) environment.push_back(*entry);
  environment.push_back(variable.data());
  environment.push_back(nullptr);

  const pid_t child = ::fork();
  if (child < 0) fail("start a node", errno);
  if (child == 0) {
    ::fcntl(child_end.get(), F_SETFD, 0);  // the one descriptor it inherits
    become_node(argv.data(), environment.data(), home.log_file.c_str());
  }
  return ready;
}

}  // namespace

std::optional<Fd> connect_to_node(const base::Home& home) {
  Fd folder;
  const std::string path = address_path(home.socket, folder);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail("connect to " + home.socket, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);

  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) fail("make a socket", errno);
  int result = 0;
  do {
    result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) return std::nullopt;
    fail("connect to " + home.socket, errno);
  }
  check_owner(socket.get(), home.socket);
  return socket;
}

ProcessEnd::ProcessEnd(pid_t pid)
    : fd_(pid > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)) : -1) {}

bool ProcessEnd::wait(std::chrono::milliseconds limit) const {
  if (!fd_) return true;
  pollfd end{fd_.get(), POLLIN, 0};
  int result = 0;
  do {
    result = ::poll(&end, 1, static_cast<int>(limit.count()));
  } while (result < 0 && errno == EINTR);
  return result != 0;
}

StartLock::StartLock(const base::Home& home) {
  const std::string path = home.lock + ".start";
  fd_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd_) fail("open " + path, errno);
  int result = 0;
  do {
    result = ::flock(fd_.get(), LOCK_EX);
  } while (result != 0 && errno == EINTR);
  if (result != 0) fail("lock " + path, errno);
}

void wait_for_ending_node(const base::Home& home) {
  const Fd lock(::open(home.lock.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!lock || ::flock(lock.get(), LOCK_SH | LOCK_NB) == 0) return;
  std::array<char, 32> text{};
  if (::pread(lock.get(), text.data(), text.size() - 1, 0) <= 0) return;
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  ProcessEnd(pid).wait(kEndingNodeWait);
}

Fd connect_or_start(const base::Home& home, const std::string& home_given) {
  if (auto socket = connect_to_node(home)) return *std::move(socket);
  const StartLock lock(home);
  if (auto socket = connect_to_node(home)) return *std::move(socket);
  wait_for_ending_node(home);
  const Fd ready = start_node(home, home_given);
  const std::string problem = wait_ready(ready.get());
  if (!problem.empty()) throw CommandError(ExitCode::failed, problem);
  if (auto socket = connect_to_node(home)) return *std::move(socket);
  throw CommandError(ExitCode::failed,
                     "the node started and ended at once; its log is " + home.log_file);
}

std::string wait_ready(int fd) {
  constexpr std::size_t kMaxText = 4096;
  std::string text;
  std::array<char, 512> buffer;
  while (text.size() < kMaxText) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
    if (text == "ok\n") return {};
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? "the node could not be started" : text;
}

int run_node_process(int argc, char** argv) {
  std::string home_given;
  for (int i = 2; i + 1 < argc; ++i)
    if (std::string_view(argv[i]) == "--home") home_given = argv[++i];
  node::RunOptions options;
  if (const char* variable = std::getenv(kReadyVariable)) {
    const std::string_view text = variable;
    std::from_chars(text.data(), text.data() + text.size(), options.ready_fd);
    ::unsetenv(kReadyVariable);
    if (options.ready_fd >= 0) ::fcntl(options.ready_fd, F_SETFD, FD_CLOEXEC);
  }
  auto home = base::Home::locate(home_given);
  if (!home) {
    const std::string text = home.error().text();
    if (options.ready_fd < 0 || ::write(options.ready_fd, text.data(), text.size()) < 0)
      return static_cast<int>(ExitCode::failed);
    return static_cast<int>(ExitCode::failed);
  }
  options.home = *std::move(home);
  return node::run(options);
}

}  // namespace peer::cli
