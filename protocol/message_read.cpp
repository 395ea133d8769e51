#include <array>
#include <utility>

#include "protocol/base64.hpp"
#include "protocol/errors.hpp"
#include "protocol/fields.hpp"
#include "protocol/message.hpp"

/// decode(): one reader a message, under a table. Fields are read in the order of the structs.
namespace peer::protocol {
namespace {

constexpr auto required = Fields::required;
constexpr auto optional = Fields::optional;

/// `out` is the value of the enumeration whose to_string() stands at `key`.
template <class Enum, std::size_t N>
void read_enum(Fields& in, const char* key, Enum& out, const std::array<Enum, N>& values) {
  const std::string* text = in.string(key, required);
  if (!text) return;
  for (const Enum value : values) {
    if (to_string(value) != *text) continue;
    out = value;
    return;
  }
  in.refuse(key, "not a word that is known here");
}

void read_of(Fields& in, Of& out) {
  const std::string* of = in.string("of", optional);
  if (!of) return;
  if (*of == "manifest")
    out = Of::manifest;
  else
    in.refuse("of", "not \"manifest\"");
}

/// [offset, offset + length) within the stream, `length` from 1 to `max_length`.
void read_range(Fields& in, std::uint64_t& offset, std::uint64_t& length,
                std::uint64_t max_length) {
  in.number("offset", offset, 0, kMaxStreamBytes);
  in.number("length", length, 1, max_length);
  if (in.ok() && length > kMaxStreamBytes - offset)
    in.refuse("length", "the range ends behind the largest stream");
}

void read_limits(Fields& in, PeerLimits& out) {
  const auto limit = [&in](const char* key, std::uint64_t& value, std::uint64_t min,
                           std::uint64_t ours) { in.clamped(key, value, min, ours, optional); };
  limit("message_bytes", out.message_bytes, kMinMessageBytes, kMaxMessageBytes);
  limit("open_wants", out.open_wants, 1, kMaxOpenWants);
  limit("open_want_bytes", out.open_want_bytes, 1, kMaxOpenWantBytes);
  limit("block_bytes", out.block_bytes, 1, kMaxBlockBytes);
  limit("open_offers", out.open_offers, 1, kMaxOpenOffers);
}

Message read_hello(Fields& in) {
  Hello m;
  if (auto version = in.object("version", required)) {
    version->number("major", m.major, 0, UINT32_MAX);
    version->number("minor", m.minor, 0, UINT32_MAX);
  }
  in.each_string("features", kMaxFeatures, optional, [&m](const std::string& feature) {
    if (!is_code(feature)) return "not 1 to 64 visible ASCII characters";
    m.features.push_back(feature);
    return static_cast<const char*>(nullptr);
  });
  in.text("name", m.name, kMaxNameBytes);
  in.text("agent", m.agent, kMaxAgentBytes);
  in.number("port", m.port, 0, UINT16_MAX, optional);
  in.id("instance", m.instance);
  in.number("dial", m.dial, 0, kMaxNumber, optional);
  if (auto limits = in.object("limits", optional)) read_limits(*limits, m.limits);
  return m;
}

Message read_offer(Fields& in) {
  Offer m;
  in.id("id", m.id);
  in.text("title", m.title, kMaxTitleBytes);
  in.text("note", m.note, kMaxNoteBytes);
  in.number("files", m.files, 0, kMaxManifestEntries);
  in.number("folders", m.folders, 0, kMaxManifestEntries);
  in.number("links", m.links, 0, kMaxManifestEntries);
  if (in.ok() && (m.entries() == 0 || m.entries() > kMaxManifestEntries))
    in.refuse("files", "with folders and links not 1 to " + std::to_string(kMaxManifestEntries));
  in.number("bytes", m.bytes, 0, kMaxStreamBytes);
  if (auto manifest = in.object("manifest", required)) {
    manifest->number("bytes", m.manifest_bytes, 1, kMaxManifestBytes);
    manifest->parsed("sha256", m.manifest, "not 64 lower-case hexadecimal digits");
  }
  in.clamped("expires", m.expires, 0, static_cast<std::uint64_t>(kMaxExpiry.count()), required);
  in.id("get", m.get);
  return m;
}

Message read_accept(Fields& in) {
  Accept m;
  in.id("id", m.id);
  in.number("round", m.round, 1, kMaxNumber);
  in.parsed("manifest", m.manifest, "not 64 lower-case hexadecimal digits");
  in.number("files", m.files, 0, kMaxManifestEntries);
  in.number("bytes", m.bytes, 0, kMaxStreamBytes);
  in.clamped("lanes", m.lanes, 0, kMaxLanes, optional);
  in.clamped("held", m.held, 0, kMaxStreamBytes, optional);
  return m;
}

Message read_reject(Fields& in) {
  Reject m;
  in.id("id", m.id);
  in.code("reason", m.reason);
  in.text("text", m.text, kMaxTextBytes);
  return m;
}

Message read_want(Fields& in) {
  Want m;
  in.id("id", m.id);
  read_of(in, m.of);
  read_range(in, m.offset, m.length, kMaxStreamBytes);
  return m;
}

void read_hole(Fields& in, Data& m) {
  std::uint64_t until = 0;
  read_range(in, m.offset, m.length, kMaxStreamBytes);
  if (in.ok()) in.number("until", until, m.offset + m.length, kMaxStreamBytes);
  if (m.of == Of::manifest) in.refuse("zeros", "a manifest has no holes");
  if (in.has("digest")) in.refuse("digest", "not with zeros");
  m.until = until;
}

void read_block(Fields& in, Data& m) {
  read_range(in, m.offset, m.length, kMaxBlockBytes);
  in.parsed("digest", m.digest.emplace(), "not a digest");
  if (in.has("until")) in.refuse("until", "only with zeros");
}

Message read_data(Fields& in) {
  Data m;
  in.id("id", m.id);
  read_of(in, m.of);
  bool zeros = false;
  in.flag("zeros", zeros, optional);
  if (zeros)
    read_hole(in, m);
  else
    read_block(in, m);
  return m;
}

Message read_gone(Fields& in) {
  Gone m;
  in.id("id", m.id);
  in.number("entry", m.entry, 0, kMaxManifestEntries - 1);
  read_range(in, m.offset, m.length, kMaxStreamBytes);
  in.code("reason", m.reason);
  in.text("text", m.text, kMaxTextBytes);
  return m;
}

Message read_check(Fields& in) {
  Check m;
  in.id("id", m.id);
  read_range(in, m.offset, m.length, kMaxBlockBytes);
  in.parsed("digest", m.digest, "not a digest");
  return m;
}

template <class Answer>
Message read_check_answer(Fields& in) {
  Answer m;
  in.id("id", m.id);
  read_range(in, m.offset, m.length, kMaxBlockBytes);
  return m;
}

Message read_done(Fields& in) {
  Done m;
  in.id("id", m.id);
  in.number("round", m.round, 1, kMaxNumber);
  in.number("files", m.files, 0, kMaxManifestEntries);
  in.number("bytes", m.bytes, 0, kMaxStreamBytes);
  in.number("failed", m.failed, 0, kMaxManifestEntries, optional);
  in.each_object("failures", kMaxFailuresNamed, optional, [&m](Fields& item) {
    Failure& failure = m.failures.emplace_back();
    item.number("entry", failure.entry, 0, kMaxManifestEntries - 1);
    item.text("text", failure.text, kMaxTextBytes);
  });
  in.flag("complete", m.complete);
  return m;
}

Message read_cancel(Fields& in) {
  Cancel m;
  in.id("id", m.id);
  in.code("reason", m.reason);
  in.text("text", m.text, kMaxTextBytes);
  return m;
}

Message read_closed(Fields& in) {
  Closed m;
  in.id("id", m.id);
  in.code("answers", m.answers);
  constexpr std::array kOutcomes{Outcome::open,      Outcome::done,    Outcome::rejected,
                                 Outcome::cancelled, Outcome::expired, Outcome::failed};
  read_enum(in, "outcome", m.outcome, kOutcomes);
  return m;
}

Message read_attach(Fields& in) {
  Attach m;
  in.id("id", m.id);
  in.id("instance", m.instance);
  in.number("dial", m.dial, 0, kMaxNumber, optional);
  return m;
}

/// 1 to `max_bytes` bytes that travel as base64.
void read_base64(Fields& in, const char* key, std::string& out, std::size_t max_bytes) {
  const std::string* text = in.string(key, required);
  if (!text) return;
  auto bytes = from_base64(*text);
  if (!bytes || bytes->empty() || bytes->size() > max_bytes)
    return in.refuse(key, "not base64 of 1 to " + std::to_string(max_bytes) + " bytes");
  out = std::move(*bytes);
}

Message read_pair(Fields& in) {
  Pair m;
  in.number("version", m.version, 0, UINT32_MAX);
  read_base64(in, "share", m.share, kMaxPairingShareBytes);
  return m;
}

Message read_confirm(Fields& in) {
  Confirm m;
  read_base64(in, "mac", m.mac, kPairingMacBytes);
  in.text("name", m.name, kMaxNameBytes);
  in.number("port", m.port, 0, UINT16_MAX, optional);
  return m;
}

Message read_paired(Fields& in) {
  Paired m;
  in.text("name", m.name, kMaxNameBytes);
  in.number("port", m.port, 0, UINT16_MAX, optional);
  return m;
}

Message read_list(Fields& in) {
  List m;
  in.id("request", m.request);
  in.path("path", "path64", m.path, optional);
  in.bytes("cursor", "cursor64", m.cursor, kMaxCursorBytes, optional);
  return m;
}

void read_listed(Fields& in, ListedEntry& entry) {
  in.path("name", "name64", entry.name, required);
  if (entry.name.find('/') != std::string::npos)
    in.refuse("name", "more than one part", Errc::bad_path);
  constexpr std::array kKinds{Kind::file, Kind::folder, Kind::link};
  read_enum(in, "kind", entry.kind, kKinds);
  in.number("size", entry.size, 0, kMaxStreamBytes);
  in.signed_number("mtime", entry.mtime);
}

Message read_listing(Fields& in) {
  Listing m;
  in.id("request", m.request);
  in.each_object("entries", kMaxListingEntries, required,
                 [&m](Fields& item) { read_listed(item, m.entries.emplace_back()); });
  in.bytes("cursor", "cursor64", m.cursor, kMaxCursorBytes, optional);
  return m;
}

Message read_get(Fields& in) {
  Get m;
  in.id("request", m.request);
  const auto take = [&m](std::string bytes) -> const char* {
    if (const char* fault = path_fault(bytes)) return fault;
    m.paths.push_back(std::move(*RelativePath::parse(std::move(bytes))));
    return nullptr;
  };
  in.each_string("paths", kMaxGetPaths, optional, take, Errc::bad_path);
  const auto take64 = [&take](const std::string& text) -> const char* {
    auto bytes = bytes_from_base64(text);
    return bytes ? take(std::move(*bytes)) : "not base64 of bytes that are not UTF-8";
  };
  in.each_string("paths64", kMaxGetPaths, optional, take64, Errc::bad_path);
  if (in.ok() && (m.paths.empty() || m.paths.size() > kMaxGetPaths))
    in.refuse("paths", "with paths64 not 1 to " + std::to_string(kMaxGetPaths));
  return m;
}

Message read_trouble(Fields& in) {
  Trouble m;
  in.code("code", m.code);
  in.text("text", m.text, kMaxTextBytes);
  in.flag("fatal", m.fatal);
  in.id("id", m.id);
  in.id("request", m.request);
  in.code("about", m.about, optional);
  in.number("missing", m.missing, 0, kMaxNumber, optional);
  return m;
}

template <class Bare>
Message read_bare(Fields&) {
  return Bare{};
}

struct Reader {
  std::string_view type;
  Message (*read)(Fields& in);
};

constexpr std::array kReaders{
    Reader{"want", read_want},
    Reader{"data", read_data},
    Reader{"gone", read_gone},
    Reader{"hello", read_hello},
    Reader{"attach", read_attach},
    Reader{"offer", read_offer},
    Reader{"accept", read_accept},
    Reader{"reject", read_reject},
    Reader{"done", read_done},
    Reader{"cancel", read_cancel},
    Reader{"closed", read_closed},
    Reader{"check", read_check},
    Reader{"same", read_check_answer<Same>},
    Reader{"differs", read_check_answer<Differs>},
    Reader{"pair", read_pair},
    Reader{"confirm", read_confirm},
    Reader{"paired", read_paired},
    Reader{"list", read_list},
    Reader{"listing", read_listing},
    Reader{"get", read_get},
    Reader{"error", read_trouble},
    Reader{"ping", read_bare<Ping>},
    Reader{"pong", read_bare<Pong>},
};
static_assert(kReaders.size() == std::variant_size_v<Message>);

}  // namespace

Result<Message> decode(std::string_view json) {
  auto object = parse_object(json);
  if (!object) return std::move(object).error();
  const JsonValue* type = object->find("type");
  const auto* name = type ? std::get_if<std::string>(&type->is) : nullptr;
  if (!name) return Error(Errc::bad_message, type ? "type: not a string" : "type: missing");
  for (const Reader& reader : kReaders) {
    if (reader.type != *name) continue;
    std::optional<Error> fault;
    Fields fields(*object, *name, fault);
    Message message = reader.read(fields);
    if (fault) return std::move(*fault);
    return message;
  }
  return Error(Errc::unknown_type, printable(*name));
}

}  // namespace peer::protocol
