#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

/// The node's own numbers; those of the wire are in protocol/limits.hpp.
namespace peer::node {

inline constexpr std::size_t kMaxConnections = 512;  ///< taken in, until they end or become lanes
// Not yet authenticated; beyond these the oldest is cut, so that newcomers get their chance.
inline constexpr std::size_t kMaxHandshakes = 256;
inline constexpr std::size_t kMaxHandshakesPerAddress = 16;
inline constexpr std::size_t kMaxStrangerSessions = 64;
inline constexpr std::size_t kMaxStrangerSessionsPerAddress = 16;
inline constexpr std::size_t kStrangerOutputBytes =
    std::size_t{512} << 10;  ///< waiting for a stranger who asks and does not read
inline constexpr std::chrono::hours kStrangerExpiry{
    24};                                             ///< an offer that nobody answers goes then
inline constexpr std::size_t kMaxWaitingLanes = 16;  ///< of one peer, ahead of their accept
inline constexpr std::size_t kStrangerOffersPerMinute = 60;  ///< noted, of all strangers together
inline constexpr std::size_t kStrangerOffersPerMinutePerAddress = 20;
inline constexpr std::size_t kMaxLanes = 64;  ///< of all transfers together; each is a thread
inline constexpr std::size_t kMaxLocalClients = 64;

inline constexpr std::uint64_t kSessionWantBytes = 1u
                                                   << 20;  ///< one want on the session: four blocks
inline constexpr std::uint64_t kSessionWindowBytes =
    4u << 20;  ///< wanted there or waiting for the disk, per transfer
inline constexpr std::uint64_t kLaneWantBytes = 4u << 20;  ///< one want on a lane, at most
// Wanted ahead on a lane: enough for the giver to read while it sends and for a short pause of our
// disk; on a long path as much as the other side lets us want (5 Gbit/s at 100 ms on each lane).
inline constexpr std::uint64_t kLaneWindowLeast = 4u << 20;
inline constexpr std::uint64_t kLaneWindowMost = 64u << 20;
inline constexpr std::size_t kSessionBacklogBytes = 1u << 20;  ///< blocks queued for the socket

// Two lanes saturate two cores; a transfer that is over in some milliseconds needs none.
inline constexpr std::uint32_t kLanes = 2;
// On a long path the kernel's buffers bound each connection (Linux receives into 6 MiB by default,
// half of it usable: 250 Mbit/s at 100 ms).
inline constexpr std::uint32_t kLanesFar = 4;
inline constexpr std::chrono::milliseconds kFar{20};  ///< round trip from which a path is long
inline constexpr std::uint64_t kLaneWorthBytes = 4u << 20;
inline constexpr std::uint64_t kLaneWorthFiles = 400;

inline constexpr std::size_t kSessionBlocks =
    64;  ///< buffers of kSessionBlockBytes, each for sending and for receiving
inline constexpr std::size_t kDiskThreads = 4;

inline constexpr std::chrono::seconds kDialTime{10};
inline constexpr std::chrono::milliseconds kRedialFirst{
    100};  ///< doubled each time, up to kRedialMost
inline constexpr std::chrono::seconds kRedialMost{60};
inline constexpr std::chrono::milliseconds kProgressEvery{200};
inline constexpr std::chrono::seconds kPortRetry{5};
inline constexpr std::chrono::seconds kAnswerTime{
    60};                                     ///< for `list`, and for the offer that answers a `get`
inline constexpr int kLaneStallMs = 45'000;  ///< nothing moved on a lane for so long: it is dead

inline constexpr std::uint64_t kTrustedOfferBytes =
    10'000'000'000;                                 ///< taken from a trusted contact unasked
inline constexpr unsigned kTrustedFreePercent = 5;  ///< of the disk that must stay free then
inline constexpr std::size_t kFailureTextBytes =
    400;  ///< of a failure named in `done`: a hundred fit one message
inline constexpr unsigned kBadBlocksAllowed = 3;  ///< wrong digests in one transfer before it fails

}  // namespace peer::node
