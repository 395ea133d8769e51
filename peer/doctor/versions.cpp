#include "doctor/versions.hpp"

#include <openssl/crypto.h>
#include <sqlite3.h>
#include <sys/utsname.h>

#include "base/text.hpp"

namespace peer::doctor {

namespace {

constexpr rlim_t kFilesWanted = 1024;
constexpr rlim_t kFilesNeeded = 128;

}  // namespace

Check versions_check(const std::string& peer) {
  Check check;
  check.name = "versions";
  utsname system{};
  ::uname(&system);
  check.facts["peer"] = peer;
  check.facts["openssl"] = OpenSSL_version(OPENSSL_VERSION_STRING);
  check.facts["sqlite"] = sqlite3_libversion();
  check.facts["system"] = base::escaped(system.sysname);
  check.facts["kernel"] = base::escaped(system.release);
  check.text = "peer " + peer + ", OpenSSL " + OpenSSL_version(OPENSSL_VERSION_STRING) +
               ", SQLite " + sqlite3_libversion() + ", " + base::escaped(system.sysname) + " " +
               base::escaped(system.release);
  return check;
}

Check limits_check(rlim_t soft, rlim_t hard) {
  Check check;
  check.name = "limits";
  const bool endless = soft == RLIM_INFINITY;
  if (!endless) check.facts["open_files"] = soft;
  if (hard != RLIM_INFINITY) check.facts["open_files_most"] = hard;
  check.text = "the node may hold " + (endless ? "any number of" : base::count_text(soft)) +
               " files and connections open";
  if (endless || soft >= kFilesWanted) return check;
  check.state = soft < kFilesNeeded ? Check::State::problem : Check::State::note;
  check.text += ": few for many peers at once";
  check.remedy = "before 'peer start': ulimit -n " +
                 std::to_string(hard == RLIM_INFINITY || hard > 4096 ? 4096 : hard) +
                 "  (of a service: LimitNOFILE=4096)";
  return check;
}

Check limits_check() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limits_check(limit.rlim_cur, limit.rlim_max);
}

Check settings_check(const std::vector<std::string>& warnings, const char* home, bool root) {
  Check check;
  check.name = "settings";
  check.facts["warnings"] = nlohmann::json::array();
  for (const auto& warning : warnings) {
    check.lines.push_back(base::escaped(warning));
    check.facts["warnings"].push_back(base::escaped(warning));
  }
  const bool homeless = home == nullptr || home[0] != '/';
  if (homeless) check.lines.push_back("$HOME is not set to a folder");
  if (root) check.lines.push_back("running as root: what arrives belongs to root");
  check.facts["home"] = !homeless;
  check.facts["root"] = root;
  check.text = "understood, every line of it";
  if (!warnings.empty()) {
    check.text = base::count_of(warnings.size(), "line") + " of the settings file " +
                 (warnings.size() == 1 ? "means" : "mean") + " nothing here";
    check.remedy = "peer config lists what may be set";
  }
  if (check.lines.empty()) return check;
  check.state = Check::State::note;
  if (warnings.empty()) {  // the settings are fine; what is said is all there is
    check.text = check.lines.front();
    check.lines.erase(check.lines.begin());
  }
  return check;
}

}  // namespace peer::doctor
