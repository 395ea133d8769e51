#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/result.hpp"
#include "storage/folder.hpp"

namespace peer::storage {

/// Which local folder or file a root of an offer is.
struct Root {
  std::string name;  ///< the root's, one part
  std::string
      folder;        ///< absolute, without links: the root itself, or the folder a root file is in
  std::string base;  ///< of a root that is a file: its name in `folder`; empty: a folder
  std::uint64_t inode = 0;  ///< of `folder`
};

/// The roots of an offer, sorted by name; `roots` in its record.
struct Roots {
  bool following = false;  ///< links below the roots were followed
  std::vector<Root> all;

  /// nullptr if there is none.
  const Root* find(std::string_view name) const;
  Result<void> write(const Folder& record) const;
  static Result<Roots> read(const Folder& record);
};

/// What paths of a user name: absolute, `as` the name of the only one. A path that is not there is
/// its errno; `/`, two roots of one name and an illegal `as` are EINVAL, all with the paths. With
/// `beneath`, a path that turns out to lie elsewhere is ENOENT.
Result<Roots> find_roots(const std::vector<std::string>& paths,
                         const std::vector<std::string>& names, const std::string& beneath);

/// Opens an absolute folder by a path in which links are refused. -1 with errno.
int open_without_links(const std::string& absolute, int flags);

/// Whether `path` is `folder` or lies below it; both absolute, without links.
bool lies_in(std::string_view path, std::string_view folder);

/// Absolute and without links; empty with errno if there is no such thing.
std::string real_path(const std::string& path);

}  // namespace peer::storage
