#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/errors.hpp"
#include "protocol/ids.hpp"
#include "protocol/limits.hpp"
#include "protocol/path.hpp"
#include "protocol/result.hpp"

/// One struct per message of PROTOCOL.md "Messages", with the same field names. Values only: they
/// copy and compare. Reading is strict: a field that is missing, of another type or out of its
/// range is an error that names it.
namespace peer::protocol {

/// What a side lowers below the limits of limits.hpp; never above.
struct PeerLimits {
  std::uint64_t message_bytes =
      kMinMessageBytes;  ///< largest message it takes; a `hello` without it means 64 KiB
  std::uint64_t open_wants = kMaxOpenWants;
  std::uint64_t open_want_bytes = kMaxOpenWantBytes;
  std::uint64_t block_bytes = kMaxBlockBytes;
  std::uint64_t open_offers = kMaxOpenOffers;
  friend bool operator==(const PeerLimits&, const PeerLimits&) = default;
};

struct Hello {
  std::uint32_t major = kVersionMajor;
  std::uint32_t minor = kVersionMinor;
  std::vector<std::string>
      features;            ///< "lanes", "xxh3", "zeros"; unknown ones are kept and ignored
  std::string name;        ///< what it calls itself; empty if it will not say
  std::string agent;       ///< program and version
  std::uint16_t port = 0;  ///< where it listens, 0 if it does not
  Instance instance;
  std::uint64_t dial =
      0;  ///< counts this process's dials of this peer, from 1; 0 on the accepting side
  PeerLimits limits;
  bool has_feature(std::string_view feature) const;
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Offer {
  OfferId id;
  std::string title;
  std::string note;
  std::uint64_t files = 0;
  std::uint64_t folders = 0;
  std::uint64_t links = 0;
  std::uint64_t bytes = 0;  ///< of the stream: the sum of the files' sizes
  std::uint64_t manifest_bytes = 0;
  ManifestDigest manifest;
  std::uint64_t expires = 0;     ///< seconds from now until it ends unanswered
  std::optional<RequestId> get;  ///< the `get` it answers
  std::uint64_t entries() const { return files + folders + links; }
  friend bool operator==(const Offer&, const Offer&) = default;
};

struct Accept {
  OfferId id;
  std::uint64_t round = 1;  ///< 1 for the first accept of this offer, then 2, ...
  ManifestDigest manifest;  ///< what was approved
  std::uint64_t files = 0;  ///< chosen in this round
  std::uint64_t bytes = 0;
  std::uint32_t lanes = 0;  ///< 0 to kMaxLanes
  std::uint64_t held = 0;   ///< of `bytes`, what the taker has already; 0 also if it does not say
  friend bool operator==(const Accept&, const Accept&) = default;
};

struct Reject {
  OfferId id;
  std::string reason;  ///< a code: "declined", or an error code such as "too_large"
  std::string text;    ///< what the person said, maybe nothing
  friend bool operator==(const Reject&, const Reject&) = default;
};

enum class Of : std::uint8_t { stream, manifest };

struct Want {
  OfferId id;
  Of of = Of::stream;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  ///< at least 1
  friend bool operator==(const Want&, const Want&) = default;
};

/// Followed on the wire by exactly `length` raw bytes, unless `until` is set: then by none, and the
/// range is zeros.
struct Data {
  OfferId id;
  Of of = Of::stream;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;      ///< 1 to kMaxBlockBytes; with `until`, up to what was wanted
  std::optional<Digest> digest;  ///< of the raw bytes; absent with `until`
  std::optional<std::uint64_t>
      until;  ///< stream offset of the hole's end, in the same file, >= offset + length
  bool zeros() const { return until.has_value(); }
  std::uint64_t payload() const { return zeros() ? 0 : length; }
  friend bool operator==(const Data&, const Data&) = default;
};

/// Answers [offset, offset + length) of a want: these bytes, part of `entry`, will not come, nor
/// will the rest of it.
struct Gone {
  OfferId id;
  std::uint64_t entry = 0;  ///< index in the manifest, from 0
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string reason;  ///< "changed", "vanished" or "unreadable"
  std::string text;    ///< for people, maybe nothing
  friend bool operator==(const Gone&, const Gone&) = default;
};

struct Check {
  OfferId id;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  ///< 1 to kMaxBlockBytes
  Digest digest;
  friend bool operator==(const Check&, const Check&) = default;
};

struct Same {
  OfferId id;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  friend bool operator==(const Same&, const Same&) = default;
};

struct Differs {
  OfferId id;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  friend bool operator==(const Differs&, const Differs&) = default;
};

struct Failure {
  std::uint64_t entry = 0;
  std::string text;  ///< why, for people
  friend bool operator==(const Failure&, const Failure&) = default;
};

struct Done {
  OfferId id;
  std::uint64_t round = 1;  ///< of the `accept` it ends
  std::uint64_t files = 0;  ///< delivered in this round
  std::uint64_t bytes = 0;
  std::uint64_t failed =
      0;  ///< chosen entries that did not arrive: failed on the taker's side, or gone
  std::vector<Failure> failures;  ///< the first kMaxFailuresNamed of them
  bool complete = true;           ///< nothing of this offer will be wanted again
  friend bool operator==(const Done&, const Done&) = default;
};

struct Cancel {
  OfferId id;
  std::string reason;  ///< a code: "cancelled", "expired"
  std::string text;
  friend bool operator==(const Cancel&, const Cancel&) = default;
};

/// How an offer ended, or that it has not.
enum class Outcome : std::uint8_t { open, done, rejected, cancelled, expired, failed };
std::string_view to_string(Outcome outcome);

struct Closed {
  OfferId id;
  std::string answers;  ///< the type of the message it answers
  Outcome outcome = Outcome::done;
  friend bool operator==(const Closed&, const Closed&) = default;
};

struct Attach {
  OfferId id;
  Instance instance;       ///< of the session's dialler
  std::uint64_t dial = 0;  ///< of the session
  friend bool operator==(const Attach&, const Attach&) = default;
};

/// First message of a connection for pairing, and its answer (PROTOCOL.md "Pairing").
struct Pair {
  std::uint32_t version = kPairingVersion;
  std::string share;  ///< raw bytes, judged by whoever does the arithmetic
  friend bool operator==(const Pair&, const Pair&) = default;
};

struct Confirm {
  std::string mac;         ///< kPairingMacBytes, raw
  std::string name;        ///< of the inviter only: what it calls itself, maybe empty
  std::uint16_t port = 0;  ///< of the inviter only: where it listens, 0 if it does not
  friend bool operator==(const Confirm&, const Confirm&) = default;
};

struct Paired {
  std::string name;        ///< what the joiner calls itself, maybe empty
  std::uint16_t port = 0;  ///< where it listens, 0 if it does not
  friend bool operator==(const Paired&, const Paired&) = default;
};

struct List {
  RequestId request;
  std::string path;  ///< of a folder in a share, its first part the share's name; empty: the shares
                     ///< themselves
  std::string cursor;  ///< from the page before, any bytes but NUL; empty for the first
  friend bool operator==(const List&, const List&) = default;
};

enum class Kind : std::uint8_t { file, folder, link };
std::string_view to_string(Kind kind);

struct ListedEntry {
  std::string name;  ///< one part; any bytes
  Kind kind = Kind::file;
  std::uint64_t size = 0;
  std::int64_t mtime = 0;  ///< nanoseconds since 1970 UTC
  friend bool operator==(const ListedEntry&, const ListedEntry&) = default;
};

struct Listing {
  RequestId request;
  std::vector<ListedEntry> entries;
  std::string cursor;  ///< empty on the last page
  friend bool operator==(const Listing&, const Listing&) = default;
};

struct Get {
  RequestId request;
  std::vector<RelativePath> paths;  ///< 1 to kMaxGetPaths; the first part of each names a share;
                                    ///< what is not UTF-8 arrives behind the others
  friend bool operator==(const Get&, const Get&) = default;
};

/// `error`. Named so because peer::Error is the program's own.
struct Trouble {
  std::string code;                  ///< of errors.hpp, or a later version's
  std::string text;                  ///< for people
  bool fatal = false;                ///< the connection ends after it
  std::optional<OfferId> id;         ///< the offer it is about
  std::optional<RequestId> request;  ///< the `list` or `get` it answers
  std::string about;                 ///< the type of the message it is about, maybe nothing
  std::uint64_t missing = 0;         ///< with `no_space`: bytes
  friend bool operator==(const Trouble&, const Trouble&) = default;
};

struct Ping {
  friend bool operator==(const Ping&, const Ping&) = default;
};

struct Pong {
  friend bool operator==(const Pong&, const Pong&) = default;
};

using Message =
    std::variant<Hello, Offer, Accept, Reject, Want, Data, Gone, Check, Same, Differs, Done, Cancel,
                 Closed, Attach, Pair, Confirm, Paired, List, Listing, Get, Trouble, Ping, Pong>;

/// The `type` of a message, e.g. "offer".
std::string_view type_of(const Message& message);

/// The JSON of a message: keys sorted, no spaces, optional fields that are empty or 0 left out, so
/// that equal messages are equal bytes. Without the length prefix. A caller's numbers and codes are
/// within the limits (asserted); texts for people (names, titles, notes, `text`) go through
/// wire_text(), so any bytes will do. How long it gets is the caller's concern where a message
/// holds a list: json_bytes(), fitted().
std::string encode(const Message& message);

/// encode() behind its 4-byte big-endian length: what goes on the wire.
std::string frame(const Message& message);

/// Reads one message's JSON. Errc::bad_json, Errc::bad_message and Errc::bad_path (the context
/// names type and field) or Errc::unknown_type (the context is the type, escaped and cut). Limits
/// and wishes above ours (`hello.limits`, `offer.expires`, `accept.lanes`) are read as ours.
Result<Message> decode(std::string_view json);

/// A text for people made fit to travel: what is not UTF-8 and NUL become U+FFFD, and it is cut
/// between two characters to at most `max_bytes`.
std::string wire_text(std::string_view text, std::size_t max_bytes);

/// What any message takes at most, in bytes, beside its lists, texts, paths and cursor.
inline constexpr std::size_t kMessageOverheadBytes = 512;
/// What a text takes as a JSON string with its quotes.
std::size_t json_bytes(std::string_view text);
/// What an item of `listing.entries` or `done.failures` takes at most, with its comma.
std::size_t json_bytes(const ListedEntry& entry);
std::size_t json_bytes(const Failure& failure);
/// `done` with as many of its failures named as fit into a message of `max_bytes` (at least
/// kMinMessageBytes); `failed` still counts all.
Done fitted(Done done, std::size_t max_bytes);

}  // namespace peer::protocol
