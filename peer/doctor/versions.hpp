#pragma once

#include <sys/resource.h>

#include <string>
#include <string_view>
#include <vector>

#include "doctor/check.hpp"

namespace peer::doctor {

/// Of this program (given), OpenSSL, SQLite and the kernel.
Check versions_check(const std::string& peer);

/// How many files and connections this process may hold open.
Check limits_check(rlim_t soft, rlim_t hard);
Check limits_check();  ///< as they are

/// `warnings`: what in the settings file means nothing. `home` is $HOME, or null.
Check settings_check(const std::vector<std::string>& warnings, const char* home, bool root);

}  // namespace peer::doctor
