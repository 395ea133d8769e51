#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "protocol/limits.hpp"
#include "protocol/path.hpp"
#include "storage/catalogue.hpp"
#include "storage/digest.hpp"
#include "storage/folder.hpp"
#include "storage/intake.hpp"

/// A record and a download folder in a temporary place, an offer made of entries, and a giver that
/// knows its bytes.
namespace fixture {

namespace fs = std::filesystem;
using peer::protocol::Entry;
using peer::protocol::Kind;
using peer::protocol::Range;
using peer::storage::Intake;
using peer::storage::LandingPlan;
using peer::storage::OnClash;

inline constexpr std::int64_t kTime = 1'500'000'000'123'456'789;

inline Entry file(std::string path, std::uint64_t size, std::uint32_t mode = 0644) {
  return {std::move(path), Kind::file, size, size, mode, kTime, {}};
}
inline Entry folder(std::string path, std::uint32_t mode = 0755) {
  return {std::move(path), Kind::folder, 0, 0, mode, kTime, {}};
}
inline Entry soft_link(std::string path, std::string target) {
  return {std::move(path), Kind::link, 0, 0, 0777, kTime, std::move(target)};
}

inline std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void spill(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}
inline void flip(const fs::path& path, std::streamoff at) {
  std::fstream both(path, std::ios::binary | std::ios::in | std::ios::out);
  both.seekg(at);
  const auto byte = static_cast<char>(both.get() ^ 1);
  both.seekp(at);
  both.put(byte);
}
inline std::int64_t mtime(const fs::path& path) {
  struct stat st {};
  REQUIRE(::lstat(path.c_str(), &st) == 0);
  return std::int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
}
inline unsigned mode(const fs::path& path) {
  struct stat st {};
  REQUIRE(::lstat(path.c_str(), &st) == 0);
  return st.st_mode & 07777;
}
inline void set_mtime(const fs::path& path, std::int64_t time) {
  const struct timespec times[2] = {
      {0, UTIME_OMIT}, {time / 1'000'000'000, static_cast<long>(time % 1'000'000'000)}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

struct World {
  fs::path home;
  fs::path record;
  fs::path downloads;
  std::vector<Entry> entries;
  std::vector<std::uint64_t> offsets;
  std::uint64_t bytes = 0;
  peer::protocol::OfferId id;
  LandingPlan plan;

  explicit World(std::vector<Entry> all) : entries(std::move(all)) {
    ::umask(022);
    std::string name = (fs::temp_directory_path() / "peer-intake-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    home = name;
    record = home / "record";
    downloads = home / "downloads";
    fs::create_directory(record);
    fs::create_directory(downloads);
    id.bytes.fill(std::byte{0xAB});
    plan.folder = downloads.string();
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return peer::protocol::compare_paths(a.path, b.path) < 0;
    });
    auto writer = peer::storage::CatalogueWriter::create(record.string());
    REQUIRE(writer);
    for (const Entry& entry : entries) {
      offsets.push_back(bytes);
      bytes += entry.size;
      REQUIRE(writer->add(entry));
    }
    REQUIRE(writer->finish());
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() {
    ::umount2(downloads.c_str(), MNT_DETACH);  // where a test mounted something
    // Takes folders without rights too.
    const auto parent = peer::storage::Folder::open(home.parent_path().string());
    if (parent) (void)parent->remove_tree(home.filename().string());
  }

  std::string staging_name() const { return ".peer-" + id.text(); }
  fs::path staged(const std::string& path) const {
    return downloads / staging_name() / "files" / path;
  }

  std::shared_ptr<Intake> open(std::uint64_t round = 1) const {
    auto intake = Intake::open(record.string(), id, plan, round);
    if (!intake) FAIL(intake.error().text());
    return *intake;
  }

  /// The byte of the stream at `offset`.
  static std::byte byte_at(std::uint64_t offset) {
    return static_cast<std::byte>((offset * 2654435761U >> 7) & 0xFF);
  }
  static std::vector<std::byte> stream(Range range) {
    std::vector<std::byte> result(static_cast<std::size_t>(range.length()));
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = byte_at(range.begin + i);
    return result;
  }
  static peer::Result<void> give(Intake::Writer& writer, Range range) {
    const auto block = stream(range);
    return writer.store(range.begin, block,
                        peer::storage::digest_of(peer::protocol::Digest::Kind::xxh3, block));
  }
  static int recheck(Intake& intake) {
    int steps = 0;
    while (intake.recheck_step()) ++steps;
    return steps;
  }
  /// Gives what is lacking when all has been re-hashed, at most `most` bytes of it; returns how
  /// many.
  static std::uint64_t give_rest(Intake& intake, std::uint64_t most = UINT64_MAX) {
    recheck(intake);
    const auto writer = intake.writer();
    std::uint64_t given = 0;
    while (given < most) {
      const auto range = intake.take(peer::protocol::kBlockBytes);
      if (!range) break;
      const auto stored = give(*writer, *range);
      if (!stored) FAIL(stored.error().text());
      given += range->length();
    }
    return given;
  }

  /// An orderly end of the program.
  static void end(std::shared_ptr<Intake>& intake) {
    REQUIRE(intake->flush());
    intake.reset();
  }

  std::uint64_t offset_of(const std::string& path) const { return offsets[index_of(path)]; }
  std::uint64_t index_of(const std::string& path) const {
    const auto at = std::find_if(entries.begin(), entries.end(),
                                 [&](const Entry& entry) { return entry.path == path; });
    REQUIRE(at != entries.end());
    return static_cast<std::uint64_t>(at - entries.begin());
  }
  std::string content(const std::string& path) const {
    const Entry& entry = entries[index_of(path)];
    const auto begin = offset_of(path);
    const auto raw = stream({begin, begin + entry.size});
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }

  /// The tree under `root` in the download folder is the offer's, whatever the root is called.
  void check_delivered(const std::string& root, const std::string& name) const {
    for (const Entry& entry : entries) {
      if (entry.path != root && !entry.path.starts_with(root + "/")) continue;
      const auto at = downloads / (name + entry.path.substr(root.size()));
      CAPTURE(at.string());
      check_entry(entry, at);
    }
  }
  void check_entry(const Entry& entry, const fs::path& at) const {
    const auto type = fs::symlink_status(at).type();
    CHECK(mtime(at) == entry.mtime);
    switch (entry.kind) {
      case Kind::file:
        REQUIRE(type == fs::file_type::regular);
        CHECK(mode(at) == (entry.mode & ~022U));
        CHECK(slurp(at) == content(entry.path));
        break;
      case Kind::folder:
        REQUIRE(type == fs::file_type::directory);
        CHECK(mode(at) == (entry.mode & ~022U));
        break;
      case Kind::link:
        REQUIRE(type == fs::file_type::symlink);
        CHECK(fs::read_symlink(at).string() == entry.target);
        break;
    }
  }
  /// Names in the download folder, hidden ones too, sorted.
  std::vector<std::string> landed() const {
    std::vector<std::string> names;
    for (const auto& one : fs::directory_iterator(downloads))
      names.push_back(one.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
};

inline Intake::Delivered deliver(Intake& intake) {
  World::recheck(intake);
  REQUIRE(intake.all_here());
  auto done = intake.deliver();
  if (!done) FAIL(done.error().text());
  return *done;
}

using Names = std::vector<std::string>;

}  // namespace fixture
