#include "doctor/interfaces.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace peer::doctor {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + base::escaped(word);
  return out;
}

}  // namespace

Check interfaces_check(const std::vector<Interface>& interfaces) {
  Check check;
  check.name = "interfaces";
  check.facts["interfaces"] = nlohmann::json::array();
  std::size_t outside = 0;
  std::size_t heard = 0;
  for (const auto& one : interfaces) {
    check.facts["interfaces"].push_back({{"name", base::escaped(one.name)},
                                         {"addresses", one.addresses},
                                         {"discovery", one.discovery},
                                         {"low", one.low}});
    if (one.loopback) continue;
    ++outside;
    if (one.discovery && !one.low) ++heard;
    check.lines.push_back(base::escaped(one.name) + "  " + joined(one.addresses) +
                          (one.discovery ? "" : "  (no discovery)") +
                          (one.low ? "  (bridge or tunnel: tried last)" : ""));
  }
  if (outside == 0) {
    check.state = Check::State::problem;
    check.text = "this machine has no network now";
    check.remedy = "connect it (ip address shows what there is)";
  } else {
    check.text = base::count_of(outside, "interface") + " up, " +
                 (heard == 0 ? "none" : base::count_text(heard)) + " on a local network";
    if (heard == 0) check.state = Check::State::note;
  }
  return check;
}

Check multicast_check(const std::vector<Heard>& heard, const std::string& quiet) {
  Check check;
  check.name = "multicast";
  check.facts["links"] = nlohmann::json::array();
  if (!quiet.empty()) {
    check.state = Check::State::note;
    check.text = "not tried: " + quiet;
    return check;
  }
  std::vector<std::string> fine;
  for (const auto& one : heard) {
    const auto where = one.interface + " (" + one.family + ")";
    check.facts["links"].push_back({{"interface", base::escaped(one.interface)},
                                    {"family", one.family},
                                    {"heard", one.heard}});
    if (one.heard) {
      fine.push_back(where);
      continue;
    }
    check.state = Check::State::problem;
    check.lines.push_back(
        base::escaped(where) + ": " +
        (one.trouble.empty() ? "what was said did not come back" : base::escaped(one.trouble)));
  }
  if (heard.empty()) {
    check.state = Check::State::note;
    check.text = "no interface leads to a local network: nobody nearby is found by itself";
    check.remedy = "peers are reached by address: peer add NAME ADDRESS";
  } else if (check.state == Check::State::problem) {
    check.text = "the local network is not heard on every interface";
    check.remedy = "a firewall here may drop UDP 56744; see there";
  } else {
    check.text = "said and heard on " + joined(fine);
  }
  return check;
}

}  // namespace peer::doctor
