#include "protocol/beacon.hpp"

#include <nlohmann/json.hpp>

#include "protocol/errors.hpp"
#include "protocol/fields.hpp"

namespace peer::protocol {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kVersion = 1;

const char* type_of(Beacon::Kind kind) {
  switch (kind) {
    case Beacon::Kind::here:
      return "here";
    case Beacon::Kind::ask:
      return "ask";
    case Beacon::Kind::leaving:
      return "leaving";
  }
  return "";
}

std::optional<Beacon::Kind> kind_of(std::string_view type) {
  for (const auto kind : {Beacon::Kind::here, Beacon::Kind::ask, Beacon::Kind::leaving})
    if (type == type_of(kind)) return kind;
  return std::nullopt;
}

/// The first characters that fit.
std::string cut(const std::string& text) {
  auto end = text.size();
  if (end > kMaxBeaconNameBytes) end = kMaxBeaconNameBytes;
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  return text.substr(0, end);
}

void read_id(Fields& in, PeerId& out) {
  const std::string* text = in.string("id", Fields::required);
  if (!text) return;
  const auto id = PeerId::parse(*text);
  if (!id || id->text() != *text) return in.refuse("id", "not a peer ID in its one form");
  out = *id;
}

}  // namespace

std::string encode(const Beacon& beacon) {
  Json json{{"type", type_of(beacon.kind)}, {"version", kVersion}};
  if (beacon.kind != Beacon::Kind::ask) json["id"] = beacon.id.text();
  if (beacon.kind == Beacon::Kind::here) {
    json["port"] = beacon.port;
    if (!beacon.name.empty()) json["name"] = cut(beacon.name);
    if (beacon.slot) json["slot"] = *beacon.slot;
  }
  if (beacon.kind == Beacon::Kind::ask) {
    json["pad"] = "";
    json["pad"] = std::string(kAskBytes - json.dump().size(), '.');
  }
  return json.dump();
}

Result<Beacon> decode_beacon(std::span<const std::byte> datagram) {
  if (datagram.size() > kMaxBeaconBytes) return Error(Errc::message_too_large, "beacon");
  const std::string_view text(reinterpret_cast<const char*>(datagram.data()), datagram.size());
  auto object = parse_object(text);
  if (!object) return std::move(object).error();
  std::optional<Error> fault;
  Fields in(*object, "beacon", fault);
  std::uint32_t version = 0;
  in.number("version", version, 0, UINT32_MAX);
  if (in.ok() && version != kVersion) in.refuse("version", "not 1", Errc::bad_version);
  std::string type;
  in.code("type", type);
  const auto kind = kind_of(type);
  if (in.ok() && !kind) in.refuse("type", "not known", Errc::unknown_type);
  Beacon beacon;
  beacon.kind = kind.value_or(Beacon::Kind::ask);
  if (in.ok() && beacon.kind == Beacon::Kind::ask && datagram.size() < kAskBytes)
    in.refuse("pad", "too short");
  if (beacon.kind != Beacon::Kind::ask) read_id(in, beacon.id);
  if (beacon.kind == Beacon::Kind::here) {
    in.number("port", beacon.port, 1, UINT16_MAX);
    in.text("name", beacon.name, kMaxBeaconNameBytes);
    if (in.has("slot")) in.number("slot", beacon.slot.emplace(), 1, kMaxInviteSlot);
  }
  if (fault) return std::move(*fault);
  return beacon;
}

}  // namespace peer::protocol
