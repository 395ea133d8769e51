#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/exit_code.hpp"

namespace peer::cli {

using Json = nlohmann::json;

// What the node's objects (node/LOCAL.md) are called on a screen. Everything is escaped here.

/// "bob", or "stranger ABCDEFG-HIJKLMN (calls itself ‘x’)".
std::string peer_text(const Json& peer);
/// "bob" or "ABCDEFG-HIJKLMN".
std::string peer_name(const Json& peer);
/// "1,024 files, 12 folders, 3.4 GB".
std::string totals_text(const Json& totals);
/// "offer 3 from bob ‘photos’", "offer 4 to bob ‘notes.md’".
std::string offer_text(const Json& offer);
/// One word or a few: "pending", "paused: bob's disk is full".
std::string state_text(const Json& offer);
/// "bob's disk is full: paused, 12 GB missing"; empty if there is no trouble.
/// Why there is no way to the other side, and when it is tried again; empty if it is not known.
std::string unreached_text(const Json& offer);
std::string trouble_text(const Json& offer);
/// What a person can do about trouble of this side's disk: "when there is room it goes on by itself
/// …"; else empty.
std::string remedy_text(const Json& offer, const Common& common);
/// What follows the state of an ended offer: ": its reason", " by bob", or nothing.
std::string because_text(const Json& offer);
/// "taken by the rule for bob (up to 1 GB)", "not taken by ...: it is 2 GB, more than 1 GB"; empty
/// if no rule was asked, or somebody has decided since.
std::string decided_text(const Json& offer);
/// "bob is away; goes on when bob is back"; empty while there is a connection, or nothing to do.
std::string away_text(const Json& offer);
/// "8 s", "0.3 s", "3 min 12 s".
std::string elapsed_text(std::chrono::duration<double> elapsed);
/// "5 min ago", "just now".
std::string ago_text(std::uint64_t unix_seconds);
/// A path below a folder for people: the path itself if it is absolute.
std::string joined(const std::string& folder, const std::string& path);

/// What a giver is told about its own scan: totals, what was left out, what is not carried.
std::vector<std::string> scan_lines(const Json& scan);
/// All about one offer but its list.
std::vector<std::string> offer_lines(const Json& offer, const Common& common);
/// A line of an offer's list: mode, size, date, path.
std::string entry_text(const Json& entry);
/// Who and where this peer is; the first thing `start` says.
std::vector<std::string> node_lines(const Json& node);

bool is_ended(const Json& offer);  ///< or partial: this round is over
ExitCode exit_code_of(const Json& offer);

}  // namespace peer::cli
