#include "doctor/proc.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace peer::doctor {

namespace {

constexpr std::chrono::seconds kCommandTime{2};
constexpr std::size_t kOutputBytes = std::size_t{4} << 20;

/// Reads to the end of what `fd` gives; false when that takes too long or is too much.
bool read_all(int fd, std::string& out) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + kCommandTime;
  std::array<char, 16 * 1024> buffer{};
  while (out.size() < kOutputBytes) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd one{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&one, 1, static_cast<int>(left)) <= 0) return false;
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) return got == 0;
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return false;
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<Process> processes() {
  std::vector<Process> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const auto name = entry.path().filename().string();
    int pid = 0;
    const auto* end = name.data() + name.size();
    if (std::from_chars(name.data(), end, pid).ptr != end) continue;
    auto program = read_file("/proc/" + name + "/comm");
    if (!program.empty() && program.back() == '\n') program.pop_back();
    all.push_back({pid, std::move(program)});
  }
  return all;
}

std::optional<std::string> output_of(const std::vector<std::string>& command) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return std::nullopt;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t pid = 0;
  std::array<char*, 3> environment{const_cast<char*>("PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
                                   const_cast<char*>("LC_ALL=C"), nullptr};
  const int failed =
      ::posix_spawn(&pid, words.front(), &actions, nullptr, words.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  std::string out;
  bool whole = false;
  if (failed == 0) {
    whole = read_all(pipe[0], out);
    if (!whole) ::kill(pid, SIGKILL);
    int status = 0;
    whole =
        ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 && whole;
  }
  ::close(pipe[0]);
  if (!whole) return std::nullopt;
  return out;
}

}  // namespace peer::doctor
