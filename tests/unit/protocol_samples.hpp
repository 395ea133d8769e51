#pragma once

#include <string>
#include <utility>
#include <vector>

#include "protocol/message.hpp"

/// One message of each type with every field said, and the short forms worth a golden file; the
/// names are those of tests/data/wire/NAME.json.
namespace peer::protocol::samples {

template <class Id>
Id id(unsigned char seed) {
  Id made;
  for (std::size_t i = 0; i < made.bytes.size(); ++i)
    made.bytes[i] = static_cast<std::byte>(seed + i);
  return made;
}

inline OfferId offer_id() { return id<OfferId>(0x10); }

inline Digest digest(Digest::Kind kind) {
  Digest made;
  made.kind = kind;
  const std::size_t bytes = kind == Digest::Kind::xxh3 ? 16 : 32;
  for (std::size_t i = 0; i < bytes; ++i) made.bytes[i] = static_cast<std::byte>(0xa0 + i);
  return made;
}

inline RelativePath path(std::string bytes) { return *RelativePath::parse(std::move(bytes)); }

inline std::vector<std::pair<std::string, Message>> session() {
  Hello hello{.features = {"lanes", "xxh3", "zeros"},
              .name = "Bob's \u00fcber laptop",
              .agent = "peer 0.1.0",
              .port = 56744,
              .instance = id<Instance>(0x20),
              .dial = 3};
  hello.limits.message_bytes = kMaxMessageBytes;
  Hello bare;
  bare.instance = id<Instance>(0x20);
  const Offer offer{.id = offer_id(),
                    .title = "photos",
                    .note = "from the lake\n\"good ones\" only",
                    .files = 1024,
                    .folders = 3,
                    .links = 1,
                    .bytes = 5'368'709'120,
                    .manifest_bytes = 123'456,
                    .manifest = id<ManifestDigest>(0x30),
                    .expires = 2'592'000,
                    .get = id<RequestId>(0x40)};
  Offer plain = offer;
  plain.title = plain.note = "";
  plain.get.reset();
  return {{"hello", hello},
          {"hello-bare", bare},
          {"offer", offer},
          {"offer-plain", plain},
          {"accept", Accept{offer.id, 2, offer.manifest, 12, 34'567, 4}},
          {"reject", Reject{offer.id, "declined", "not today"}},
          {"done", Done{offer.id, 2, 11, 34'000, 1, {{7, "no space left"}}, false}},
          {"done-complete", Done{.id = offer.id, .files = 1024, .bytes = offer.bytes}},
          {"cancel", Cancel{offer.id, "cancelled", "wrong folder"}},
          {"closed", Closed{offer.id, "done", Outcome::done}},
          {"attach", Attach{offer.id, hello.instance, 3}},
          {"pair", Pair{kPairingVersion, "\x04" + std::string(64, '\xf0')}},
          {"confirm", Confirm{std::string(kPairingMacBytes, '\xf1'), "", 0}},
          {"confirm-inviter", Confirm{std::string(kPairingMacBytes, '\xf2'), "Alice", 56744}},
          {"paired", Paired{"Bob's laptop", 56744}}};
}

inline std::vector<std::pair<std::string, Message>> bytes_and_folders() {
  const OfferId offer = offer_id();
  const auto request = id<RequestId>(0x40);
  const Digest xxh3 = digest(Digest::Kind::xxh3);
  return {
      {"want", Want{offer, Of::stream, 1'048'576, 16'777'216}},
      {"want-manifest", Want{offer, Of::manifest, 0, 123'456}},
      {"data", Data{offer, Of::stream, 1'048'576, 262'144, xxh3, {}}},
      {"data-manifest", Data{offer, Of::manifest, 0, 99, digest(Digest::Kind::sha256), {}}},
      {"data-zeros", Data{offer, Of::stream, 4096, 65'536, {}, 1'073'741'824}},
      {"gone", Gone{offer, 7, 4096, 512, "changed", "its size is another"}},
      {"check", Check{offer, 0, 1'048'576, xxh3}},
      {"same", Same{offer, 0, 1'048'576}},
      {"differs", Differs{offer, 0, 1'048'576}},
      {"list", List{request, "papers/2026", "b.txt"}},
      {"list-shares", List{request, "", ""}},
      {"listing", Listing{request,
                          {{"a folder", Kind::folder, 0, -1},
                           {"b\xff.txt", Kind::file, 12, 1'700'000'000'123'456'789},
                           {"c", Kind::link, 0, 0}},
                          "c\xff"}},
      {"get", Get{request, {path("papers/a \u00fc.txt"), path("papers/b\xff.txt")}}},
      {"error", Trouble{"no_space", "the disk is full", false, offer, request, "want", 12'000'000}},
      {"error-fatal", Trouble{.code = "leaving", .fatal = true}},
      {"ping", Ping{}},
      {"pong", Pong{}}};
}

inline std::vector<std::pair<std::string, Message>> all() {
  auto both = session();
  for (auto& sample : bytes_and_folders()) both.push_back(std::move(sample));
  return both;
}

}  // namespace peer::protocol::samples
