#include "storage/final_name.hpp"

#include "protocol/ids.hpp"
#include "protocol/limits.hpp"

namespace peer::storage {
namespace {

constexpr std::size_t kMaxExtensionBytes = 32;  ///< what is longer is no extension

/// Where the extension begins: at its dot, or at the end if there is none.
std::size_t extension_at(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > kMaxExtensionBytes)
    return name.size();
  const auto stem = name.substr(0, dot);
  if (stem.size() > 4 && stem.ends_with(".tar")) return dot - 4;
  return dot;
}

}  // namespace

bool is_staging_name(std::string_view name) {
  constexpr std::size_t kIdDigits = 2 * sizeof(protocol::OfferId);
  if (!name.starts_with(kStagingPrefix)) return false;
  name.remove_prefix(kStagingPrefix.size());
  const auto id = name.substr(0, kIdDigits);
  const auto rest = name.substr(id.size());
  if (id.size() != kIdDigits || id.find_first_not_of("0123456789abcdef") != id.npos) return false;
  return rest.empty() || (rest.front() == '-' && rest.size() > 1 &&
                          rest.find_first_not_of("0123456789", 1) == rest.npos);
}

std::string numbered_name(std::string_view name, std::uint32_t n, bool folder) {
  if (n == 0) return std::string(name);
  const std::size_t cut = folder ? name.size() : extension_at(name);
  const std::string end = " (" + std::to_string(n) + ")" + std::string(name.substr(cut));
  auto stem = name.substr(0, cut);
  if (stem.size() + end.size() > protocol::kMaxPartBytes) {
    std::size_t keep = protocol::kMaxPartBytes - end.size();
    for (int back = 0; back < 3 && keep > 1; ++back) {
      if ((static_cast<unsigned char>(stem[keep]) & 0xC0) != 0x80) break;
      --keep;
    }
    stem = stem.substr(0, keep);
  }
  return std::string(stem) + end;
}

std::string_view last_part(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

std::string_view first_part(std::string_view path) { return path.substr(0, path.find('/')); }

bool lies_below(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path[folder.size()] == '/' && path.starts_with(folder);
}

}  // namespace peer::storage
