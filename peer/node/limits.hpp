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
inline constexpr std::size_t kStrangerRejectionsTold =
    1000;                                     ///< by rules, a day; the history tells of no more
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
inline constexpr std::chrono::seconds kKnockTime{5};  ///< of `doctor`, at each address
inline constexpr std::chrono::milliseconds kWayDelay{
    300};  ///< between addresses of one peer that are dialled beside each other (RFC 8305's 250 and
           ///< a handshake)
inline constexpr std::size_t kMaxRedials = 32;  ///< peers dialled at a time for whom nobody waits
inline constexpr std::chrono::milliseconds kRedialFirst{
    100};  ///< doubled each time, up to kRedialMost
inline constexpr std::chrono::milliseconds kRedialMost{60'000};
inline constexpr std::chrono::milliseconds kProgressEvery{200};
inline constexpr std::chrono::seconds kProbeTime{
    10};  ///< to answer a `ping` after this machine's network has changed
inline constexpr std::chrono::seconds kPortRetry{5};
inline constexpr std::chrono::seconds kReachTime{
    10};  ///< for somebody an offer is made to; after that it waits
inline constexpr std::chrono::seconds kAnswerTime{
    60};                                     ///< for `list`, and for the offer that answers a `get`
inline constexpr int kLaneStallMs = 45'000;  ///< nothing moved on a lane for so long: it is dead
/// Nothing moved on a lane for so long when it ended, by whichever side gave up first.
inline constexpr std::chrono::seconds kLaneSilence{30};
/// What a segment holds on a way where larger packets vanish: packets stay within 1280 bytes, which
/// every IPv6 link passes (RFC 8200, section 5).
inline constexpr int kSmallSegmentBytes = 1220;
/// For so long after a connection fell silent those to the same peer are dialled so.
inline constexpr std::chrono::minutes kSmallSegmentsFor{10};

inline constexpr std::chrono::minutes kInviteTime{10};
inline constexpr std::chrono::hours kMaxInviteTime{24};
inline constexpr std::size_t kMaxVisitors = 8;  ///< in the door of an invite at once
inline constexpr std::size_t kMaxVisitorsPerAddress = 4;
inline constexpr std::size_t kLeaversTold = 10;  ///< who left the door; others are not named
inline constexpr std::chrono::seconds kPairingLastWord{
    5};  ///< for an error to go out, or the other side to end the connection
inline constexpr std::chrono::seconds kSlotTime{
    6};  ///< within which an invite must be heard of on the local network
inline constexpr std::chrono::milliseconds kOthersTime{
    500};  ///< after the first that shows a slot, for others that do
inline constexpr std::chrono::seconds kNearbyDialTime{5};  ///< for an address heard nearby

inline constexpr std::size_t kMaxNoteBytes = 1000;         ///< of a contact
inline constexpr std::size_t kMaxImportContacts = 10'000;  ///< in one file

inline constexpr std::size_t kFailureTextBytes =
    400;  ///< of a failure named in `done`: a hundred fit one message
inline constexpr unsigned kBadBlocksAllowed = 3;  ///< wrong digests in one transfer before it fails

}  // namespace peer::node
