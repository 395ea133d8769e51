#include "doctor/disk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <sstream>
#include <vector>

#include "base/home.hpp"
#include "base/text.hpp"
#include "doctor/proc.hpp"

namespace peer::doctor {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
constexpr std::chrono::milliseconds kMostTime{1000};
constexpr std::uint64_t kFreePart = 16;  ///< of what is free, one part in so many is written
constexpr std::uint64_t kLittlePercent = 5;
constexpr std::uint64_t kGigabit = 125'000'000;

Error last_error(std::string what) {
  return Error(std::error_code(errno, std::generic_category()), std::move(what));
}

/// The folder itself, or the nearest above it that is there.
fs::path nearest_there(fs::path path) {
  std::error_code error;
  while (!fs::exists(fs::symlink_status(path, error)) && path.has_relative_path())
    path = path.parent_path();
  return path;
}

/// A file that has no name, or loses it at once: nothing is left, whatever happens.
int open_nameless(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return fd;
  std::string name = folder + "/.peer-doctor-XXXXXX";
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

std::string unescaped_mount(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {  // \040 is a space
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

std::string file_system_at(std::string_view mounts, std::string_view path) {
  std::string type;
  std::size_t longest = 0;
  std::istringstream lines{std::string(mounts)};
  for (std::string line; std::getline(lines, line);) {
    // 36 35 98:0 /root /mount/point options... - type source options
    std::istringstream words(line);
    std::vector<std::string> word;
    for (std::string one; words >> one;) word.push_back(std::move(one));
    const auto dash = std::ranges::find(word, "-");
    if (word.size() < 6 || dash == word.end() || dash + 1 == word.end()) continue;
    const auto point = unescaped_mount(word[4]);
    if (!is_below(path, point) || point.size() < longest) continue;
    longest = point.size();  // of two at one place the later one covers the other
    type = *(dash + 1);
  }
  return type;
}

FolderFacts look_at_folder(const std::string& folder) {
  FolderFacts facts;
  facts.folder = folder;
  std::error_code error;
  facts.there = fs::exists(folder, error);
  const auto there = nearest_there(folder);
  const auto what = facts.there ? "" : "it cannot be made: ";
  if (facts.why_not = base::downloads_error(folder); !facts.why_not.empty()) {
  } else if (!fs::is_directory(there, error)) {
    facts.why_not = what + base::quoted(there.string()) + " is no folder";
  } else if (::access(there.c_str(), W_OK | X_OK) != 0) {
    facts.why_not = what + base::quoted(there.string()) + ": " + std::strerror(errno);
  } else {
    facts.usable = true;
  }
  struct statvfs system {};
  if (::statvfs(there.c_str(), &system) == 0) {
    facts.free_bytes = std::uint64_t{system.f_bavail} * system.f_frsize;
    facts.total_bytes = std::uint64_t{system.f_blocks} * system.f_frsize;
  }
  const auto real = fs::canonical(there, error);
  if (!error) facts.file_system = file_system_at(read_file("/proc/self/mountinfo"), real.string());
  return facts;
}

Check folder_check(const FolderFacts& facts) {
  Check check;
  check.name = "downloads";
  check.facts["there"] = facts.there;
  check.facts["usable"] = facts.usable;
  check.facts["free_bytes"] = facts.free_bytes;
  check.facts["total_bytes"] = facts.total_bytes;
  check.facts["file_system"] = base::escaped(facts.file_system);
  const auto name = base::quoted(facts.folder);
  if (!facts.usable) {
    check.state = Check::State::problem;
    check.text = "nothing can arrive in " + name + ": " + facts.why_not;
    check.remedy = "make it writable, or take another folder: peer config downloads DIR";
    return check;
  }
  check.text = name + (facts.there ? "" : " (is made when needed)") + ": " +
               base::size_text(facts.free_bytes) + " free" +
               (facts.file_system.empty() ? "" : ", " + base::escaped(facts.file_system));
  if (facts.total_bytes > 0 && facts.free_bytes < facts.total_bytes / 100 * kLittlePercent) {
    check.state = Check::State::note;
    check.text += ": nearly full";
    check.remedy = "make room, or take another folder: peer config downloads DIR";
  }
  if (facts.file_system == "vfat" || facts.file_system == "msdos") {
    check.state = Check::State::note;
    check.lines.push_back(
        "files of 4 GiB and more, links and some names do not fit this file system");
  }
  return check;
}

Result<WriteSpeed> write_speed(const std::string& folder) {
  using Clock = std::chrono::steady_clock;
  struct statvfs system {};
  if (::statvfs(folder.c_str(), &system) != 0) return last_error("look at " + base::quoted(folder));
  const auto most =
      std::min(kMostBytes, std::uint64_t{system.f_bavail} * system.f_frsize / kFreePart);
  if (most < kPieceBytes)
    return Error(std::make_error_code(std::errc::no_space_on_device), "try the disk");
  const int fd = open_nameless(folder);
  if (fd < 0) return last_error("make a file in " + base::quoted(folder));
  const std::shared_ptr<void> closer(nullptr, [fd](void*) { ::close(fd); });
  std::vector<std::uint64_t> piece(kPieceBytes / sizeof(std::uint64_t));
  std::minstd_rand random;  // so that no file system stores less than it is given
  for (auto& word : piece) word = std::uint64_t{random()} << 32 | random();
  WriteSpeed speed;
  const auto began = Clock::now();
  // Each round writes as much as all before, so that waiting for the disk counts less and less; the
  // next is left out where it would last too long.
  for (std::uint64_t round = kPieceBytes; speed.bytes + round <= most; round = speed.bytes) {
    for (std::uint64_t done = 0; done < round; done += kPieceBytes)
      if (::write(fd, piece.data(), kPieceBytes) != static_cast<ssize_t>(kPieceBytes))
        return last_error("write into " + base::quoted(folder));
    if (::fdatasync(fd) != 0) return last_error("write into " + base::quoted(folder));
    speed.bytes += round;
    speed.took = Clock::now() - began;
    if (speed.took * 2 > kMostTime) break;
  }
  return speed;
}

Check disk_check(const Result<WriteSpeed>& speed) {
  Check check;
  check.name = "disk";
  if (!speed) {
    const bool full = speed.error().code == std::errc::no_space_on_device;
    check.state = full ? Check::State::note : Check::State::problem;
    check.text = full ? "not tried: too little is free there"
                      : "its speed is not known: " + speed.error().text();
    return check;
  }
  const std::chrono::duration<double> took = speed->took;
  const auto rate = static_cast<double>(speed->bytes) / std::max(took.count(), 1e-9);
  check.facts["write_bytes_per_second"] = static_cast<std::uint64_t>(rate);
  check.facts["written_bytes"] = speed->bytes;
  check.text = "takes " + base::rate_text(rate) + " in that folder, waiting until it is written";
  if (rate < static_cast<double>(kGigabit)) {
    check.state = Check::State::note;
    check.text += ": less than a gigabit network carries";
  }
  return check;
}

}  // namespace peer::doctor
