#include "base/log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <optional>

#include "base/log_limit.hpp"
#include "base/text.hpp"

namespace peer::base {

namespace {

std::string_view level_name(Level level) {
  switch (level) {
    case Level::error:
      return "error";
    case Level::warning:
      return "warning";
    case Level::info:
      return "info";
    case Level::debug:
      return "debug";
  }
  return "?";
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> out{};
  const auto size = std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {out.data(), size};
}

std::string line_of(Level level, std::string_view area, std::string_view text) {
  std::string line = now_text();
  line += ' ';
  line += level_name(level);
  line += ' ';
  line += escaped(area);
  line += ": ";
  line += escaped(text, kMaxLogColumns);
  line += '\n';
  return line;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

class Log {
 public:
  void line(Level level, std::string_view area, std::string_view text);
  void set_file(const std::string& file, Level least);
  void set_stderr(Level least);

 private:
  bool wants(Level level) const {
    return (fd_ >= 0 && level <= file_least_) || (stderr_least_ && level <= *stderr_least_);
  }
  void put(Level level, std::string_view area, std::string_view text);
  void put_in_file(const std::string& line);
  bool open();
  void close();

  std::mutex mutex_;  // of everything below
  std::string file_;
  int fd_ = -1;
  std::size_t size_ = 0;
  Level file_least_ = Level::info;
  std::optional<Level> stderr_least_;
  LogLimit limit_;
};

void Log::line(Level level, std::string_view area, std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (!wants(level)) return;
  const auto now = std::chrono::steady_clock::now();
  for (const auto& skipped : limit_.turn(now))
    put(Level::info, skipped.area,
        skipped.what + ": " + std::to_string(skipped.count) + " more such lines were left out");
  if (limit_.admit(area, text, now)) put(level, area, text);
}

void Log::put(Level level, std::string_view area, std::string_view text) {
  const std::string line = line_of(level, area, text);
  if (fd_ >= 0 && level <= file_least_) put_in_file(line);
  if (stderr_least_ && level <= *stderr_least_) write_all(STDERR_FILENO, line);
}

void Log::put_in_file(const std::string& line) {
  if (size_ > 0 && size_ + line.size() > kMaxLogBytes) {
    ::rename(file_.c_str(), (file_ + ".1").c_str());
    close();
    if (!open()) return;
  }
  write_all(fd_, line);
  size_ += line.size();
}

bool Log::open() {
  fd_ = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
               S_IRUSR | S_IWUSR);
  if (fd_ < 0) return false;
  struct stat status {};
  size_ = ::fstat(fd_, &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
  return true;
}

void Log::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Log::set_file(const std::string& file, Level least) {
  const std::lock_guard lock(mutex_);
  close();
  file_ = file;
  file_least_ = least;
  if (file.empty() || open()) return;
  const int error = errno;
  const std::string message =
      "open log " + quoted(file) + ": " + std::strerror(error) + "; going on without it\n";
  write_all(STDERR_FILENO, message);
}

void Log::set_stderr(Level least) {
  const std::lock_guard lock(mutex_);
  stderr_least_ = least;
}

/// Never destroyed: threads may log until the process has ended.
Log& the_log() {
  static Log& log = *new Log;
  return log;
}

}  // namespace

void log(Level level, std::string_view area, std::string_view text) noexcept {
  try {
    the_log().line(level, area, text);
  } catch (const std::exception&) {
    // Without memory there is no line.
  }
}

void log_to(const std::string& file, Level least) { the_log().set_file(file, least); }

void log_to_stderr(Level least) { the_log().set_stderr(least); }

}  // namespace peer::base
