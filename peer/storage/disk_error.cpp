#include "storage/disk_error.hpp"

#include <cerrno>

namespace peer::storage {

bool is_errno(const std::error_code& code, int number) {
  return code.value() == number &&
         (code.category() == std::generic_category() || code.category() == std::system_category());
}

bool is_entry_error(const std::error_code& code) {
  for (const int number : {ENAMETOOLONG, EILSEQ, EINVAL, ELOOP, ENOTDIR, EISDIR, EEXIST, ENOTEMPTY,
                           EACCES, EPERM, EFBIG, EMLINK, EXDEV, ETXTBSY, EOPNOTSUPP}) {
    if (is_errno(code, number)) return true;
  }
  return false;
}

}  // namespace peer::storage
