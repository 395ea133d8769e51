#include "storage/disk_error.hpp"

#include <cerrno>

#include "base/text.hpp"
#include "storage/space_book.hpp"

namespace peer::storage {

bool is_errno(const std::error_code& code, int number) {
  return code.value() == number &&
         (code.category() == std::generic_category() || code.category() == std::system_category());
}

bool is_drive_away(const std::error_code& code) { return is_errno(code, kDriveAway); }

std::string without_path(const Error& error) {
  const auto quote = error.context.find(" ‘");
  if (quote == std::string::npos) return error.code.message();
  return "cannot " + error.context.substr(0, quote) + ": " + error.code.message();
}

bool is_entry_error(const std::error_code& code) {
  for (const int number : {ENAMETOOLONG, EILSEQ, EINVAL, ELOOP, ENOTDIR, EISDIR, EEXIST, ENOTEMPTY,
                           EACCES, EPERM, EFBIG, EMLINK, EXDEV, ETXTBSY, EOPNOTSUPP}) {
    if (is_errno(code, number)) return true;
  }
  return false;
}

std::string disk_remedy(const std::error_code& code, const std::string& folder) {
  const auto shown = base::shell_quoted(folder);
  if (is_errno(code, ENOSPC) && !has_inodes(folder))
    return "its file system has no room for more files, whatever bytes are free (df -i " + shown +
           "): remove some";
  if (is_errno(code, EACCES) || is_errno(code, EPERM))
    return "may this user write in " + shown + " and below it? (chmod -R u+rwX " + shown + ")";
  if (is_errno(code, EROFS))
    return "its file system is read-only: mount it writable (findmnt --target " + shown + ")";
  if (is_errno(code, EIO)) return "the device may be failing (sudo dmesg tells), or was taken away";
  if (is_errno(code, ENOENT) || is_errno(code, ESTALE))
    return "something there was removed or mounted elsewhere meanwhile";
  if (is_errno(code, EMFILE) || is_errno(code, ENFILE))
    return "too many files are open (ulimit -n)";
  if (is_errno(code, ENOMEM)) return "this machine is short of memory: it is tried again";
  return {};
}

}  // namespace peer::storage
