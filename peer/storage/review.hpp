#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "protocol/manifest.hpp"
#include "protocol/result.hpp"
#include "storage/catalogue.hpp"
#include "storage/selection.hpp"

namespace peer::storage {

enum class OnClash : std::uint8_t { rename, skip, update, overwrite };
std::string_view to_string(OnClash rule);
bool parse_on_clash(std::string_view text, OnClash& out);

/// Where and how an offer is to land; fixed when it is accepted.
struct LandingPlan {
  std::string folder;  ///< absolute, exists or can be created
  std::string as;      ///< new name of the root, for offers with one root
  OnClash on_clash = OnClash::rename;
  Selection selection;
  bool durable = false;  ///< delivered is what is on the disk, not only in the machine's memory
};

/// What a person is shown before deciding, for one plan. Blocking (stats what is there); memory
/// bounded.
struct Review {
  protocol::ManifestTotals
      chosen;  ///< with this plan; counts what is already there under skip/update as not chosen
  protocol::ManifestTotals all;
  std::uint64_t matched = 0;  ///< entries the plan's selection chooses, there already or not
  std::vector<protocol::Entry> largest;  ///< files, largest first, at most 5
  std::uint64_t hidden_count = 0;        ///< names beginning with a dot
  std::vector<std::string> hidden;       ///< paths, at most 5
  std::uint64_t executable_count = 0;    ///< files with an x bit
  std::vector<std::string> executable;   ///< paths, at most 5
  std::vector<std::string> roots;        ///< names, at most 20
  std::uint64_t root_count = 0;
  std::vector<std::string> clashing_roots;  ///< exist in the folder already, at most 5
  std::uint64_t clashing_root_count = 0;
  std::uint64_t already_there = 0;        ///< files there with the same size and mtime
  std::uint64_t there_but_different = 0;  ///< files there with another size or mtime
  std::uint64_t refused_count = 0;        ///< entries this system cannot store
  std::vector<std::string> refused;       ///< "path: why", at most 5
  std::uint64_t free_bytes = 0;           ///< for this user, in the plan's folder
  std::uint64_t capacity_bytes = 0;       ///< of that file system
  std::uint64_t needed_bytes = 0;  ///< by allocated bytes, rounded up to blocks, plus folders
  bool folder_exists = false;
  std::error_code folder_refuses;  ///< why no files can be put there; none: they can
};

Result<Review> review(const Catalogue& catalogue, const LandingPlan& plan);

}  // namespace peer::storage
