#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

/// Every number the wire knows, with its reason. PROTOCOL.md section "Limits" lists the same. The
/// other side may lower some of these in its `hello`; it never raises one.
namespace peer::protocol {

using std::chrono::seconds;

inline constexpr std::uint16_t kDefaultPort = 56744;
inline constexpr char kAlpn[] = "peer/1";
inline constexpr std::uint32_t kVersionMajor =
    1;  ///< a change old programs cannot follow; also in the ALPN name
inline constexpr std::uint32_t kVersionMinor =
    0;  ///< counts additions that old programs may ignore

// Framing
inline constexpr std::size_t kLengthPrefixBytes = 4;
inline constexpr std::size_t kMaxMessageBytes =
    256 * 1024;  ///< a JSON message costs up to 30 times its size in memory
inline constexpr std::size_t kMinMessageBytes =
    64 * 1024;  ///< must be taken from anyone; a `hello` may not name less
inline constexpr unsigned kMaxJsonDepth =
    32;  ///< no message needs more than 4; copying deep JSON recurses

// Texts, in bytes of UTF-8
inline constexpr std::size_t kMaxNameBytes = 256;  ///< a peer's display name, a share's name
inline constexpr std::size_t kMaxAgentBytes = 128;
inline constexpr std::size_t kMaxTitleBytes = 1024;
inline constexpr std::size_t kMaxNoteBytes = 4096;
inline constexpr std::size_t kMaxTextBytes = 1024;  ///< reasons and error texts
inline constexpr std::size_t kMaxCodeBytes = 64;    ///< codes, features, kinds
inline constexpr std::size_t kMaxFeatures = 64;
inline constexpr std::size_t kMaxCursorBytes =
    8192;  ///< opaque to whoever hands it back; holds a path at most

// Names
inline constexpr std::size_t kMaxPartBytes = 255;  ///< NAME_MAX of every Unix file system in use
inline constexpr std::size_t kMaxPathBytes =
    4095;  ///< PATH_MAX less its NUL: the longest path one system call takes
inline constexpr std::size_t kMaxTargetBytes = 4095;  ///< of a symbolic link

// Manifests
inline constexpr std::size_t kMaxManifestLineBytes =
    64 * 1024;  ///< longest path and target, every byte escaped as \u00XX
inline constexpr std::uint64_t kMaxManifestEntries = 20'000'000;
inline constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{8} << 30;
inline constexpr std::uint64_t kMaxStrangerEntries = 5'000;
inline constexpr std::uint64_t kMaxStrangerManifestBytes = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kMaxStreamBytes =
    (std::uint64_t{1} << 63) - 1;  ///< offsets stay positive as signed numbers
inline constexpr std::uint64_t kMaxNumber =
    kMaxStreamBytes;  ///< of any unsigned number on the wire that has no narrower bound
inline constexpr std::uint32_t kModeMask = 0777;  ///< what is kept of a mode
inline constexpr std::uint32_t kMaxMode = 07777;  ///< taken and masked; more is refused

// Offers
inline constexpr std::size_t kMaxOpenOffers = 256;  ///< each way between a pair
inline constexpr std::size_t kMaxStrangerOffersPerAddress = 2;
inline constexpr std::size_t kMaxStrangerOffers = 16;  ///< of all strangers together
inline constexpr seconds kMaxExpiry{365L * 24 * 3600};
inline constexpr seconds kDefaultExpiry{30L * 24 * 3600};
inline constexpr seconds kEndedIdsKept{30L * 24 *
                                       3600};  ///< how long ended ids are answered with `closed`
inline constexpr std::size_t kMaxFailuresNamed = 100;  ///< entries named in one `done`
inline constexpr std::size_t kMaxGetPaths = 256;
inline constexpr std::size_t kMaxOpenRequests = 16;     ///< unanswered `list` and `get` of one side
inline constexpr std::size_t kMaxListingEntries = 500;  ///< on one page

// Bytes
inline constexpr std::uint64_t kMaxWantBytes = std::uint64_t{16} << 20;
inline constexpr std::size_t kMaxOpenWants = 64;                             ///< per connection
inline constexpr std::uint64_t kMaxOpenWantBytes = std::uint64_t{64} << 20;  ///< per connection
inline constexpr std::size_t kMaxBlockBytes = std::size_t{4} << 20;
inline constexpr std::size_t kBlockBytes =
    std::size_t{1} << 20;  ///< our own blocks on a lane, and the journal's grid
inline constexpr std::size_t kSessionBlockBytes =
    256 * 1024;                                ///< so that control messages pass between blocks
inline constexpr std::uint32_t kMaxLanes = 8;  ///< of one transfer

/// Open wants inside named holes are free, but not without number. The giver lets in more than a
/// taker may have open, since it counts a little earlier.
inline constexpr std::size_t kMaxHoleWantsAsked = 4 * kMaxOpenWants;
inline constexpr std::size_t kMaxHoleWantsServed = 2 * kMaxHoleWantsAsked;
/// How much more a giver lets be open than a taker may ask: wants that were on their way when an
/// `error` ended them count here again, and there no longer.
inline constexpr std::uint64_t kServedSlack = 2;
/// Rests of holes remembered on one connection. The giver, who hears of a want later than it named
/// the hole, remembers more of them than a taker may use.
inline constexpr std::size_t kMaxHolesAsked = 1'024;
inline constexpr std::size_t kMaxHolesServed = 4'096;
/// Wants that ended before their answer and whose blocks may still be on their way.
inline constexpr std::size_t kMaxLateWants = 2 * kMaxOpenWants;

// Time
inline constexpr seconds kHandshakeTime{
    10};  ///< accepting: from TCP connect to the other side's `hello` or `attach`, in all;
          ///< dialling: for the handshake, and once more for the `hello`
inline constexpr seconds kPingAfter{15};  ///< of silence from the other side
inline constexpr seconds kSilenceLimit{
    45};  ///< no byte for so long: two pings missed and a slow Wi-Fi roam
inline constexpr seconds kBlockTime{
    120};  ///< from the first to the last raw byte of a block on the session: over 2 KB/s
inline constexpr seconds kAttachWait{10};  ///< an `attach` ahead of its `accept` waits so long
inline constexpr seconds kCrossedPing{
    5};  ///< of crossed sessions the better one must answer a `ping` within this

// Pairing
inline constexpr std::uint32_t kPairingVersion = 1;
inline constexpr std::size_t kMaxPairingShareBytes = 65;  ///< an uncompressed point of P-256
inline constexpr std::size_t kPairingMacBytes = 32;       ///< HMAC-SHA-256
inline constexpr seconds kPairingTime{
    20};  ///< from the `pair` to the end: nobody is asked anything in between
inline constexpr seconds kPairingFailure{
    2};  ///< after the `pair` a failure is told, whatever it was and whenever it was known

// What one side may send before it is called noise
inline constexpr std::size_t kMaxMessagesPerSecond =
    5'000;  ///< control messages, averaged over kMessageRateSpan
inline constexpr seconds kMessageRateSpan{10};
/// Answers that wait for a peer that asks and does not read; more ends the session.
inline constexpr std::size_t kMaxWaitingOutput = std::size_t{16} << 20;
/// `get`s of one session that are known again when they come twice.
inline constexpr std::size_t kMaxGetsRemembered = 1'024;
/// Unanswered `check`s of one side.
inline constexpr std::size_t kMaxOpenChecks = kMaxOpenWants;

// The local network
inline constexpr std::uint16_t kBeaconPort = kDefaultPort;  ///< UDP; the same for everybody
/// Of the block that stays on the link (224.0.0.0/24), which also devices pass that filter the
/// rest.
inline constexpr char kBeaconGroup4[] = "224.0.0.221";
inline constexpr char kBeaconGroup6[] = "ff02::dda8";
inline constexpr std::size_t kMaxBeaconBytes = 1200;  ///< never a fragment
inline constexpr std::size_t kAskBytes = 400;  ///< an `ask` has as many: no answer to it is larger
inline constexpr std::size_t kMaxBeaconNameBytes = 64;  ///< every byte escaped, it fits kAskBytes
inline constexpr std::uint32_t kMaxInviteSlot = 999;
inline constexpr seconds kAnnounceEvery{60};  ///< give or take a fifth
inline constexpr seconds kBeaconLife{150};    ///< two announcements missed

}  // namespace peer::protocol
