#include "cli/peer_rows.hpp"

#include <algorithm>
#include <tuple>

#include "base/text.hpp"
#include "cli/describe.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "protocol/peer_id.hpp"
#include "trust/names.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kClaimedColumns = 40;
constexpr std::size_t kNoteColumns = 60;  ///< in a list

std::string level_of(const Json& peer) {
  std::string text = flag_of(peer, "verified") ? "verified" : "not verified";
  if (!flag_of(peer, "contact")) text = "stranger";
  if (flag_of(peer, "trusted")) text += ", trusted";
  if (flag_of(peer, "blocked")) text += ", blocked";
  const std::string like = text_of(peer, "looks_like");
  if (!like.empty()) text += ", not your contact " + base::escaped(like);
  return text;
}

std::string since(const std::string& what, std::uint64_t when) {
  const auto ago = ago_text(when);
  return when == 0 || ago == "just now" ? what : what + " since " + ago;
}

std::string since_text(const Json& peer) {
  if (flag_of(peer, "online")) return since("connected", number_of(peer, "online_since"));
  const bool failed = !text_of(peer, "unreached").empty();
  const auto nearby = number_of(peer, "nearby_since");
  if (nearby > 0 && !failed) return since("nearby", nearby);
  const auto seen = number_of(peer, "last_seen");
  const std::string text = nearby > 0 ? "nearby, but not reachable"
                           : failed   ? "not reachable"
                                      : "not connected";
  return text + (seen > 0 ? ", seen " + ago_text(seen) : ", not met yet");
}

/// The place of a connected peer that others can go to, if it is known; else where it came from.
std::string here_text(const Json& peer) {
  const std::string listens_at = text_of(peer, "listens_at");
  return base::escaped(listens_at.empty() ? text_of(peer, "route") : listens_at);
}

/// Where it is, else where it is heard now, else where it was.
std::string places_text(const Json& peer) {
  if (const auto here = here_text(peer); !here.empty()) return here;
  const Json& nearby = array_of(peer, "nearby");
  std::string text;
  for (const Json& address : nearby.empty() ? array_of(peer, "addresses") : nearby)
    text += (text.empty() ? "" : ", ") + base::escaped(bytes_from(address));
  return text;
}

std::string claimed_text(const Json& peer) {
  const std::string claimed = text_of(peer, "calls_itself");
  return claimed.empty() ? "-" : "‘" + base::escaped(claimed, kClaimedColumns) + "’";
}

std::string name_text(const Json& peer) {
  const std::string name = text_of(peer, "name");
  return name.empty() ? claimed_text(peer) : base::escaped(name);
}

std::string learned_text(const std::string& learned) {
  if (learned == "given") return "given by you";
  if (learned == "paired") return "told when you paired";
  if (learned == "met") return "it was met there";
  if (learned == "nearby") return "heard nearby and met there";
  if (learned == "imported") return "imported";
  return "it said that it listens there";
}

std::string address_line(const Json& known) {
  std::string line = "  " + base::escaped(text_of(known, "address")) + "  " +
                     learned_text(text_of(known, "learned"));
  const auto answered = number_of(known, "last_answered");
  const auto seen = number_of(known, "last_seen");
  line += answered > 0 ? ", answered " + ago_text(answered) : ", has not answered yet";
  if (answered == 0 && seen > 0) line += " (noted " + ago_text(seen) + ")";
  const std::string other = text_of(known, "answered_by");
  if (const auto id = protocol::PeerId::parse(other))
    line += "; now another peer answers there: " + id->short_text();
  return line;
}

}  // namespace

void sort_peers(std::vector<Json>& peers) {
  std::stable_sort(peers.begin(), peers.end(), [](const Json& a, const Json& b) {
    const auto place = [](const Json& peer) {
      const std::string name = text_of(peer, "name");
      return std::tuple(!flag_of(peer, "contact"), trust::folded(name));
    };
    return place(a) < place(b);
  });
}

std::vector<Json> fetch_peers(Client& client) {
  std::vector<Json> all;
  std::string after;
  do {
    Json body = {{"do", "peers"}};
    if (!after.empty()) body["after"] = after;
    const Json page = client.call(std::move(body));
    for (const Json& peer : array_of(page, "peers")) all.push_back(peer);
    after = text_of(page, "next");
  } while (!after.empty());
  sort_peers(all);
  return all;
}

std::string peer_line(const Json& peer) {
  std::string line = name_text(peer) + "  " + base::escaped(text_of(peer, "short")) + "  " +
                     level_of(peer) + "  " + since_text(peer);
  if (const auto places = places_text(peer); !places.empty()) line += "  " + places;
  const std::string note = text_of(peer, "note");
  if (!note.empty()) line += "  (" + base::escaped(note, kNoteColumns) + ")";
  if (const auto slot = number_of(peer, "slot"); slot > 0)
    line += "  invites somebody (slot " + std::to_string(slot) + "; with the code: peer join)";
  return line;
}

std::vector<std::string> peer_details(const Json& peer) {
  std::vector<std::string> lines = {name_text(peer) + "  " + base::escaped(text_of(peer, "id"))};
  lines.push_back(level_of(peer) + "; calls itself " + claimed_text(peer));
  const std::string note = text_of(peer, "note");
  if (!note.empty()) lines.push_back("note: " + base::escaped(note));
  std::string standing = since_text(peer);
  if (const auto here = here_text(peer); !here.empty()) standing += " via " + here;
  if (peer.contains("listens_at"))
    standing += " (it came from " + base::escaped(text_of(peer, "route")) + ")";
  lines.push_back(standing);
  const std::string unreached = text_of(peer, "unreached");
  if (!unreached.empty()) lines.push_back(base::escaped(unreached));
  if (const auto added = number_of(peer, "added"); added > 0)
    lines.push_back("known since " + base::time_text(static_cast<std::int64_t>(added)));
  std::string nearby;
  for (const Json& address : array_of(peer, "nearby"))
    nearby += (nearby.empty() ? "" : ", ") + base::escaped(bytes_from(address));
  if (!nearby.empty()) lines.push_back("announced on the local network: " + nearby);
  const Json& known = array_of(peer, "known");
  lines.emplace_back(known.empty() ? "no address is known" : "addresses, as they are tried:");
  for (const Json& address : known) lines.push_back(address_line(address));
  return lines;
}

void warn_of_look_alikes(const std::string& name, const Json& alike) {
  for (const Json& other : alike)
    say("careful: ‘" + base::escaped(name) + "’ looks like your contact " + peer_name(other) +
        " (" + base::escaped(text_of(other, "short")) + "), who is somebody else");
}

}  // namespace peer::cli
