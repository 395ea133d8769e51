#include "storage/inspect.hpp"

#include <cerrno>
#include <vector>

#include "protocol/path.hpp"
#include "storage/disk_error.hpp"
#include "storage/final_name.hpp"
#include "storage/staged_entries.hpp"
#include "storage/staged_tree.hpp"

namespace peer::storage {
namespace {

using protocol::Kind;

enum class Found : std::uint8_t { good, suspect, lost };

class Inspection {
 public:
  explicit Inspection(IntakeState& state) : s_(state), folders_(state.staging->tree()) {}

  Result<bool> run() {
    std::vector<PlacedEntry> lost;
    auto looked = each_staged(s_, [&](const PlacedEntry& entry) -> Result<bool> {
      if (entry.entry.path.find('/') == std::string::npos) merging_ = is_merging(entry);
      if (entry.entry.kind != Kind::file || entry.entry.size == 0) return true;
      if (!s_.holdings.has(entry.range())) return true;
      auto found = look(entry);
      if (!found) return std::move(found).error();
      if (*found == Found::lost) lost.push_back(entry);
      if (*found == Found::suspect) {
        auto noted = s_.suspect(entry);
        if (!noted) return std::move(noted).error();
        suspects_ = true;
      }
      return lost.size() < kLostAtOnce;
    });
    if (!looked) return std::move(looked).error();
    for (const auto& entry : lost) {
      auto done = s_.lose(entry);
      if (!done) return std::move(done).error();
    }
    return lost.empty() && !suspects_;
  }

 private:
  static constexpr std::size_t kLostAtOnce = 1000;  ///< of more the next inspection tells

  /// Whether entries of this root get their final names one by one, some perhaps before now.
  bool is_merging(const PlacedEntry& root) const {
    const RootMark* mark = s_.roots.find(root.index);
    return mark && mark->round == static_cast<std::uint32_t>(s_.round);
  }

  Result<Found> look(const PlacedEntry& file) {
    const auto absent = merging_ ? Found::good : Found::lost;
    auto parent = folders_.at(protocol::parent_of(file.entry.path));
    if (!parent) return unless_absent(std::move(parent).error(), absent);
    const auto st = (*parent)->stat(last_part(file.entry.path));
    if (!st) return unless_absent(st.error(), absent);
    if (!S_ISREG(st->st_mode) || static_cast<std::uint64_t>(st->st_size) != file.entry.size)
      return Found::lost;
    if (s_.proven.contains(file.range())) return Found::good;
    if (s_.is_doubted(file)) return Found::suspect;
    return has_mtime(*st, file.entry.mtime) ? Found::good : Found::suspect;
  }

  /// A folder that may not be looked into tells nothing: it has its final mode already.
  static Result<Found> unless_absent(const Error& error, Found absent) {
    if (is_errno(error.code, EACCES)) return Found::good;
    if (is_errno(error.code, ENOENT) || is_entry_error(error.code)) return absent;
    return error;
  }

  IntakeState& s_;
  FolderCache folders_;
  bool merging_ = false;
  bool suspects_ = false;
};

}  // namespace

Result<bool> inspect_staged(IntakeState& state) {
  const auto alone = state.gate.alone();
  return Inspection(state).run();
}

}  // namespace peer::storage
