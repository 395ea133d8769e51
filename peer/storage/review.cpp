#include "storage/review.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string_view>

#include "base/text.hpp"
#include "protocol/limits.hpp"
#include "protocol/path.hpp"
#include "storage/chooser.hpp"
#include "storage/disk_error.hpp"
#include "storage/final_name.hpp"
#include "storage/intake_state.hpp"
#include "storage/space_book.hpp"
#include "storage/staged_tree.hpp"

namespace peer::storage {
namespace {

using protocol::Entry;
using protocol::Kind;

constexpr std::size_t kNamed = 5;           ///< of each list but the roots
constexpr std::uint64_t kDiskBlock = 4096;  ///< what a file takes is rounded up to this
constexpr std::array<std::string_view, 4> kRules{"rename", "skip", "update", "overwrite"};

void add_saturated(std::uint64_t& sum, std::uint64_t more) {
  if (__builtin_add_overflow(sum, more, &sum)) sum = UINT64_MAX;
}

std::uint64_t needed_for(const Entry& entry) {
  switch (entry.kind) {
    case Kind::folder:
      return kDiskBlock;
    case Kind::link:
      return 0;
    case Kind::file:
      return (std::min(entry.size, entry.allocated) + kDiskBlock - 1) / kDiskBlock * kDiskBlock;
  }
  return 0;
}

void count(protocol::ManifestTotals& totals, const Entry& entry) {
  switch (entry.kind) {
    case Kind::file:
      ++totals.files;
      totals.bytes += entry.size;
      totals.allocated += entry.allocated;
      break;
    case Kind::folder:
      ++totals.folders;
      break;
    case Kind::link:
      ++totals.links;
      break;
  }
}

/// What stands in the receiving folder where an entry is to land.
enum class There : std::uint8_t { nothing, same, different };

class Reviewing {
 public:
  Reviewing(const Catalogue& catalogue, const LandingPlan& plan)
      : catalogue_(catalogue), plan_(plan), chooser_(plan.selection) {}

  Result<Review> run() {
    auto looked = look_at_folder();
    if (!looked) return std::move(looked).error();
    const auto cursor = catalogue_.cursor();
    for (PlacedEntry entry;;) {
      auto more = cursor->next(entry);
      if (!more) return std::move(more).error();
      if (!*more) return std::move(review_);
      one(entry);
    }
  }

 private:
  Result<void> look_at_folder() {
    const std::string place = nearest_existing(plan_.folder);
    review_.folder_exists = place == plan_.folder;
    review_.folder_refuses = refuses_files(plan_.folder);
    struct statvfs space {};
    if (::statvfs(place.c_str(), &space) != 0)
      return errno_error("ask for free space in", place, errno);
    review_.free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
    review_.capacity_bytes = std::uint64_t{space.f_blocks} * space.f_frsize;
    if (space.f_namemax > 0) max_name_ = space.f_namemax;
    struct stat st {};
    if (::lstat(plan_.folder.c_str(), &st) != 0) {
      if (errno != ENOENT && errno != ENOTDIR) return errno_error("look at", plan_.folder, errno);
      if (errno == ENOTDIR) return errno_error("receive into", plan_.folder, ENOTDIR);
      return {};
    }
    auto folder = Folder::open(plan_.folder);
    if (!folder) return std::move(folder).error();
    review_.folder_exists = true;
    folder_ = std::move(*folder);
    there_.emplace(folder_);
    return {};
  }

  void one(const PlacedEntry& placed) {
    const Entry& entry = placed.entry;
    if (entry.path.find('/') == std::string::npos) begin_root(entry);
    count(review_.all, entry);
    if (!chooser_.chooses(placed)) return;
    ++review_.matched;
    flag(entry);
    if (refused(entry)) return;
    const There there = look(entry);
    if (entry.kind == Kind::file && there == There::same) ++review_.already_there;
    if (entry.kind == Kind::file && there == There::different) ++review_.there_but_different;
    if (stays(entry, there)) return;
    count(review_.chosen, entry);
    add_saturated(review_.needed_bytes, needed_for(entry));
    if (entry.kind == Kind::file) rank(entry);
  }

  void begin_root(const Entry& root) {
    root_bytes_ = root.path.size();
    name_ = plan_.as.empty() ? root.path : plan_.as;
    if (review_.root_count++ < kMaxRootsNamed) review_.roots.push_back(root.path);
    exists_ = folder_ && folder_.stat(name_);
    if (!exists_) return;
    if (review_.clashing_root_count++ < kNamed) review_.clashing_roots.push_back(name_);
  }

  void flag(const Entry& entry) {
    if (last_part(entry.path).starts_with('.') && review_.hidden_count++ < kNamed)
      review_.hidden.push_back(entry.path);
    if (entry.kind == Kind::file && (entry.mode & 0111) != 0 && review_.executable_count++ < kNamed)
      review_.executable.push_back(entry.path);
  }

  bool refused(const Entry& entry) {
    if (last_part(entry.path).size() <= max_name_) return false;
    if (review_.refused_count++ < kNamed)
      review_.refused.push_back(entry.path + ": its name is longer than " +
                                base::count_of(max_name_, "byte"));
    return true;
  }

  There look(const Entry& entry) {
    if (!exists_) return There::nothing;
    const std::string path = name_ + entry.path.substr(root_bytes_);
    auto parent = there_->at(protocol::parent_of(path));
    // What is in the way of a folder is in the way of all that lies in it.
    if (!parent) return in_the_way(parent.error());
    auto st = (*parent)->stat(last_part(path));
    if (!st) return in_the_way(st.error());
    const auto same = is_same(entry, **parent, last_part(path), *st);
    return same && *same ? There::same : There::different;
  }

  static There in_the_way(const Error& error) {
    return is_errno(error.code, ENOENT) ? There::nothing : There::different;
  }

  bool stays(const Entry& entry, There there) const {
    if (there == There::nothing) return false;
    if (entry.kind == Kind::folder) return plan_.on_clash != OnClash::rename;
    return plan_.on_clash == OnClash::skip ||
           (plan_.on_clash == OnClash::update && there == There::same);
  }

  void rank(const Entry& entry) {
    auto& list = review_.largest;
    if (list.size() == kNamed && entry.size <= list.back().size) return;
    const auto at = std::find_if(list.begin(), list.end(),
                                 [&](const Entry& one) { return one.size < entry.size; });
    list.insert(at, entry);
    if (list.size() > kNamed) list.pop_back();
  }

  const Catalogue& catalogue_;
  const LandingPlan& plan_;
  Chooser chooser_;
  Review review_;
  Folder folder_;
  std::optional<FolderCache> there_;
  std::uint64_t max_name_ = protocol::kMaxPartBytes;
  // of the root being walked
  std::string name_;
  std::size_t root_bytes_ = 0;
  bool exists_ = false;
};

}  // namespace

std::string_view to_string(OnClash rule) { return kRules[static_cast<std::size_t>(rule)]; }

bool parse_on_clash(std::string_view text, OnClash& out) {
  const auto at = std::find(kRules.begin(), kRules.end(), text);
  if (at == kRules.end()) return false;
  out = static_cast<OnClash>(at - kRules.begin());
  return true;
}

Result<Review> review(const Catalogue& catalogue, const LandingPlan& plan) {
  return Reviewing(catalogue, plan).run();
}

}  // namespace peer::storage
