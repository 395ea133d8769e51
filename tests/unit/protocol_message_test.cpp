#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <string>
#include <tuple>

#include "protocol/base64.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"
#include "protocol_samples.hpp"

using namespace peer::protocol;
using Json = nlohmann::json;
using Pointer = Json::json_pointer;

namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A golden message: its file without the newline at the end. Rewritten when
/// PEER_REWRITE_GOLDEN is set.
std::string golden(const std::string& name, const std::string& now) {
  const std::string path = PEER_TEST_DATA "/wire/" + name + ".json";
  if (std::getenv("PEER_REWRITE_GOLDEN")) std::ofstream(path, std::ios::binary) << now << '\n';
  std::string text = read_file(path);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Json sample(const std::string& name) {
  for (const auto& [sample_name, message] : samples::all())
    if (sample_name == name) return Json::parse(encode(message));
  FAIL("no sample " << name);
  return {};
}

/// decode() of a sample with one member replaced; what is said of it otherwise.
std::string refusal(const std::string& name, const std::string& pointer, const Json& value) {
  Json message = sample(name);
  message[Pointer(pointer)] = value;
  const auto decoded = decode(message.dump());
  return decoded ? "" : decoded.error().text();
}

bool takes(const std::string& name, const std::string& pointer, const Json& value) {
  return refusal(name, pointer, value).empty();
}

/// The pointers to every member of objects at any depth.
std::vector<std::string> members(const Json& value, const std::string& at = "") {
  std::vector<std::string> found;
  if (!value.is_structured()) return found;
  for (const auto& [key, item] : value.items()) {
    const std::string here = at + "/" + key;
    if (here != "/type") found.push_back(here);
    for (auto& below : members(item, here)) found.push_back(std::move(below));
  }
  return found;
}

/// "/failures/0/text" as errors name it: "failures[0].text".
std::string named(const std::string& pointer) {
  std::string name;
  for (std::size_t begin = 1; begin < pointer.size();) {
    const auto end = std::min(pointer.find('/', begin), pointer.size());
    const auto part = pointer.substr(begin, end - begin);
    const bool index = part.find_first_not_of("0123456789") == std::string::npos;
    name += index ? "[" + part + "]" : (name.empty() ? "" : ".") + part;
    begin = end + 1;
  }
  return name;
}

constexpr std::uint64_t kOver63 = std::uint64_t{1} << 63;

}  // namespace

TEST_CASE("every message is written as its golden file and read back from it") {
  std::set<std::string> types;
  for (const auto& [name, message] : samples::all()) {
    CAPTURE(name);
    const std::string text = golden(name, encode(message));
    CHECK(encode(message) == text);
    const auto decoded = decode(text);
    REQUIRE_MESSAGE(decoded, decoded.error().text());
    CHECK(*decoded == message);
    types.emplace(type_of(message));
  }
  CHECK(types.size() == std::variant_size_v<Message>);
}

TEST_CASE("a message is framed behind its length") {
  CHECK(frame(Ping{}) == std::string("\0\0\0\x0f{\"type\":\"ping\"}", 19));
}

TEST_CASE("a field of another type is refused by name or kept as it came, never converted") {
  const Json replacements[] = {nullptr, -1,    1.5,      kOver63 * 1.0, "12",
                               true,    false, "\u0001", Json::array(), Json::object()};
  for (const auto& [name, message] : samples::all()) {
    const Json whole = Json::parse(encode(message));
    for (const std::string& pointer : members(whole)) {
      for (const Json& value : replacements) {
        Json changed = whole;
        changed[Pointer(pointer)] = value;
        CAPTURE(changed.dump());
        const auto decoded = decode(changed.dump());
        if (!decoded) {
          const std::string said = decoded.error().context;
          // Where two fields say one thing together, either may be named.
          const bool field_named = said.find(named(pointer)) != std::string::npos;
          const bool partner_named = pointer == "/zeros" || pointer == "/digest" ||
                                     pointer == "/paths" || pointer == "/paths64" ||
                                     pointer == "/until" || pointer == "/entries/1/name64";
          CHECK_MESSAGE((field_named || partner_named), said);
          continue;
        }
        const Json again = Json::parse(encode(*decoded));
        const bool kept = again.contains(Pointer(pointer)) && again[Pointer(pointer)] == value;
        const bool left_out = !again.contains(Pointer(pointer)) && value.empty();
        CHECK((kept || left_out || pointer == "/limits"));
      }
    }
  }
}

TEST_CASE("a missing field is refused by name unless it is optional") {
  const std::set<std::string> may_lack{
      "/features", "/name",   "/agent",    "/port",     "/dial",
      "/limits",   "/title",  "/note",     "/get",      "/lanes",
      "/text",     "/of",     "/failed",   "/failures", "/failures/0/text",
      "/path",     "/cursor", "/cursor64", "/about",    "/missing",
      "/paths",    "/paths64"};
  for (const auto& [name, message] : samples::all()) {
    const Json whole = Json::parse(encode(message));
    for (const std::string& pointer : members(whole)) {
      Json changed = whole;
      const Pointer at(pointer);
      Json& parent = changed[at.parent_pointer()];
      if (!parent.is_object()) continue;
      parent.erase(at.back());
      CAPTURE(changed.dump());
      const bool about = name.starts_with("error") && (pointer == "/id" || pointer == "/request");
      const bool limit = pointer.starts_with("/limits/");
      const auto decoded = decode(changed.dump());
      CHECK(static_cast<bool>(decoded) == (may_lack.contains(pointer) || about || limit));
      if (!decoded && pointer != "/zeros" && pointer != "/entries/1/name64")
        CHECK(decoded.error().context ==
              std::string(type_of(message)) + "." + named(pointer) + ": missing");
    }
  }
}

TEST_CASE("numbers are taken at their limits and not one past") {
  struct Case {
    const char* name;
    const char* pointer;
    std::uint64_t least;
    std::uint64_t most;
  };
  constexpr std::uint64_t kRoom = kMaxStreamBytes - 1'048'576;  // behind the samples' offsets
  constexpr Case kCases[] = {
      {"hello", "/port", 0, 65'535},
      {"hello", "/version/minor", 0, UINT32_MAX},
      {"hello", "/dial", 0, kMaxNumber},
      {"offer", "/folders", 0, kMaxManifestEntries - 1025},
      {"offer", "/bytes", 0, kMaxStreamBytes},
      {"offer", "/manifest/bytes", 1, kMaxManifestBytes},
      {"accept", "/round", 1, kMaxNumber},
      {"accept", "/files", 0, kMaxManifestEntries},
      {"accept", "/bytes", 0, kMaxStreamBytes},
      {"want", "/length", 1, kRoom},
      {"want", "/offset", 0, kMaxStreamBytes - 16'777'216},
      {"data", "/length", 1, kMaxBlockBytes},
      {"data-zeros", "/until", 4096 + 65'536, kMaxStreamBytes},
      {"gone", "/entry", 0, kMaxManifestEntries - 1},
      {"check", "/length", 1, kMaxBlockBytes},
      {"done", "/failed", 0, kMaxManifestEntries},
      {"done", "/failures/0/entry", 0, kMaxManifestEntries - 1},
      {"pair", "/version", 0, UINT32_MAX},
      {"confirm-inviter", "/port", 0, 65'535},
      {"paired", "/port", 0, 65'535},
      {"listing", "/entries/1/size", 0, kMaxStreamBytes},
      {"error", "/missing", 0, kMaxNumber},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    CAPTURE(c.pointer);
    CHECK(takes(c.name, c.pointer, c.least));
    CHECK(takes(c.name, c.pointer, c.most));
    CHECK_FALSE(takes(c.name, c.pointer, c.most + 1));
    if (c.least > 0) CHECK_FALSE(takes(c.name, c.pointer, c.least - 1));
  }
}

TEST_CASE("numbers that JSON can write and 64 bits cannot hold are refused by name") {
  for (const char* number :
       {"18446744073709551616", "1e400", "-9223372036854775809", "1.0", "1e2"}) {
    CAPTURE(number);
    const std::string text = R"({"type":"want","id":")" + samples::offer_id().text() +
                             R"(","length":1,"offset":)" + number + "}";
    const auto decoded = decode(text);
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().context.find("offset") != std::string::npos);
  }
  CHECK(takes("listing", "/entries/0/mtime", std::numeric_limits<std::int64_t>::min()));
  CHECK(takes("listing", "/entries/0/mtime", std::numeric_limits<std::int64_t>::max()));
  CHECK_FALSE(takes("listing", "/entries/0/mtime", kOver63));
}

TEST_CASE("a range that ends behind the largest stream is refused") {
  Json want = sample("want");
  want["offset"] = kMaxStreamBytes - 10;
  want["length"] = 10;
  CHECK(decode(want.dump()));
  want["length"] = 11;
  CHECK_FALSE(decode(want.dump()));
  want["length"] = kMaxStreamBytes;
  CHECK_FALSE(decode(want.dump()));
}

TEST_CASE("shares and MACs are canonical base64 of as many bytes as they may have") {
  const auto bytes = [](std::size_t n) { return to_base64(std::string(n, '\xf3')); };
  for (const auto& [name, pointer, most] : {std::tuple("pair", "/share", kMaxPairingShareBytes),
                                            std::tuple("confirm", "/mac", kPairingMacBytes)}) {
    CAPTURE(name);
    CHECK(takes(name, pointer, bytes(1)));
    CHECK(takes(name, pointer, bytes(most)));
    CHECK_FALSE(takes(name, pointer, bytes(most + 1)));
    CHECK_FALSE(takes(name, pointer, ""));
    CHECK_FALSE(takes(name, pointer, bytes(1).substr(0, 2)));
    CHECK_FALSE(takes(name, pointer, bytes(3) + "\n"));
  }
}

TEST_CASE("texts are taken at their limits and not one past") {
  struct Case {
    const char* name;
    const char* pointer;
    std::size_t most;
  };
  constexpr Case kCases[] = {
      {"hello", "/name", kMaxNameBytes},       {"hello", "/agent", kMaxAgentBytes},
      {"hello", "/features/0", kMaxCodeBytes}, {"offer", "/title", kMaxTitleBytes},
      {"offer", "/note", kMaxNoteBytes},       {"reject", "/text", kMaxTextBytes},
      {"reject", "/reason", kMaxCodeBytes},    {"done", "/failures/0/text", kMaxTextBytes},
      {"list", "/cursor", kMaxCursorBytes},    {"listing", "/entries/0/name", kMaxPartBytes},
      {"error", "/code", kMaxCodeBytes},       {"error", "/text", kMaxTextBytes},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    CAPTURE(c.pointer);
    CHECK(takes(c.name, c.pointer, std::string(c.most, 'x')));
    CHECK_FALSE(takes(c.name, c.pointer, std::string(c.most + 1, 'x')));
    CHECK_FALSE(takes(c.name, c.pointer, std::string("a\0b", 3)));
  }
}

TEST_CASE("lists are taken at their limits and not one past") {
  const auto many = [](std::size_t count, const Json& item) { return Json(count, item); };
  const Json failure = {{"entry", 1}};
  const Json entry = {{"name", "a"}, {"kind", "file"}, {"size", 0}, {"mtime", 0}};
  CHECK(takes("hello", "/features", many(kMaxFeatures, "f")));
  CHECK_FALSE(takes("hello", "/features", many(kMaxFeatures + 1, "f")));
  CHECK(takes("done", "/failures", many(kMaxFailuresNamed, failure)));
  CHECK_FALSE(takes("done", "/failures", many(kMaxFailuresNamed + 1, failure)));
  CHECK(takes("listing", "/entries", many(kMaxListingEntries, entry)));
  CHECK_FALSE(takes("listing", "/entries", many(kMaxListingEntries + 1, entry)));
  CHECK(takes("get", "/paths", many(kMaxGetPaths - 1, "a")));
  CHECK_FALSE(takes("get", "/paths", many(kMaxGetPaths, "a")));  // with the one of paths64
}

TEST_CASE("limits and wishes above ours are read as ours, limits of nothing are refused") {
  Json hello = sample("hello");
  for (const char* limit :
       {"message_bytes", "open_wants", "open_want_bytes", "block_bytes", "open_offers"})
    hello["limits"][limit] = std::numeric_limits<std::uint64_t>::max();
  const auto decoded = decode(hello.dump());
  REQUIRE(decoded);
  const PeerLimits& limits = std::get<Hello>(*decoded).limits;
  CHECK(limits == PeerLimits{.message_bytes = kMaxMessageBytes});
  CHECK(takes("hello", "/limits/message_bytes", kMinMessageBytes));
  CHECK_FALSE(takes("hello", "/limits/message_bytes", kMinMessageBytes - 1));
  for (const char* limit : {"/limits/open_wants", "/limits/open_want_bytes", "/limits/block_bytes",
                            "/limits/open_offers"}) {
    CHECK(takes("hello", limit, 1));
    CHECK_FALSE(takes("hello", limit, 0));
  }
  Json accept = sample("accept");
  accept["lanes"] = 10'000;
  CHECK(std::get<Accept>(*decode(accept.dump())).lanes == kMaxLanes);
  Json offer = sample("offer");
  offer["expires"] = 1'000'000'000'000;
  CHECK(std::get<Offer>(*decode(offer.dump())).expires ==
        static_cast<std::uint64_t>(kMaxExpiry.count()));
}

TEST_CASE("a hello without limits takes 64 KiB and everything else as we do") {
  Json hello = sample("hello");
  hello.erase("limits");
  CHECK(std::get<Hello>(*decode(hello.dump())).limits.message_bytes == kMinMessageBytes);
}

TEST_CASE("an offer holds something, and no more than a manifest may") {
  Json offer = sample("offer");
  offer["files"] = offer["folders"] = offer["links"] = 0;
  CHECK_FALSE(decode(offer.dump()));
  offer["links"] = 1;
  CHECK(decode(offer.dump()));
  offer["files"] = kMaxManifestEntries;
  CHECK_FALSE(decode(offer.dump()));
}

TEST_CASE("a block has a digest, a hole has an end, and neither has both") {
  CHECK_FALSE(takes("data", "/zeros", true));
  CHECK(takes("data", "/zeros", false));
  CHECK_FALSE(takes("data", "/until", 1'310'720));
  CHECK_FALSE(takes("data-zeros", "/digest", samples::digest(Digest::Kind::xxh3).text()));
  CHECK_FALSE(takes("data-zeros", "/of", "manifest"));
  CHECK_FALSE(takes("want", "/of", "stream"));
}

TEST_CASE("ids and digests are lower-case hexadecimal of their length") {
  CHECK_FALSE(takes("want", "/id", "00"));
  CHECK_FALSE(takes("want", "/id", "ABCDEFABCDEFABCDEFABCDEFABCDEFAB"));
  CHECK_FALSE(takes("data", "/digest", "md5:00112233445566778899aabbccddeeff"));
  CHECK_FALSE(takes("data", "/digest", "sha256:00112233445566778899aabbccddeeff"));
  CHECK(takes("data", "/digest", "xxh3:00112233445566778899aabbccddeeff"));
}

TEST_CASE("paths that climb are refused wherever a message holds one") {
  for (const char* path : {"../x", "a/../b", "/abs", "a//b", "a/", ".", ".."}) {
    CAPTURE(path);
    CHECK_FALSE(takes("list", "/path", path));
    CHECK_FALSE(takes("get", "/paths/0", path));
    CHECK_FALSE(takes("listing", "/entries/0/name", path));
  }
  CHECK_FALSE(takes("listing", "/entries/0/name", "a/b"));
  CHECK_FALSE(takes("listing", "/entries/0/name", ""));
  Json get = sample("get");
  get["paths"][0] = "../x";
  CHECK(decode(get.dump()).error().code == Errc::bad_path);
}

TEST_CASE("base64 is for names that are not UTF-8 and for nothing else") {
  CHECK_FALSE(takes("get", "/paths64/0", "YQ=="));      // "a"
  CHECK(takes("get", "/paths64/0", "/w=="));            // ff
  CHECK_FALSE(takes("get", "/paths64/0", "/w"));        // no padding
  CHECK_FALSE(takes("get", "/paths64/0", "/x=="));      // unused bits
  CHECK_FALSE(takes("get", "/paths64/0", "/y8vLi4="));  // climbs: ff 2f 2f ..
  CHECK_FALSE(takes("list", "/path64", "/w=="));        // beside `path`
}

TEST_CASE("unknown fields are ignored, unknown types are told from malformed messages") {
  CHECK(takes("offer", "/colour", Json{{"deep", Json::array({1.5, nullptr})}}));
  CHECK(decode(R"({"type":"warp","x":1})").error().code == Errc::unknown_type);
  const auto odd = decode("{\"type\":\"a\\u001b[2J" + std::string(300, 'x') + "\"}");
  CHECK(odd.error().code == Errc::unknown_type);
  CHECK(odd.error().context.find('\x1b') == std::string::npos);
  CHECK(odd.error().context.size() < 100);
  CHECK(decode("{}").error().code == Errc::bad_message);
  CHECK(decode(R"({"type":1})").error().code == Errc::bad_message);
}

TEST_CASE("texts for people are made fit when they are written") {
  CHECK(wire_text("plain", 64) == "plain");
  CHECK(wire_text("b\xff"
                  "d",
                  64) ==
        "b\xef\xbf\xbd"
        "d");
  CHECK(wire_text(std::string_view("a\0b", 3), 64) ==
        "a\xef\xbf\xbd"
        "b");
  CHECK(wire_text("a\u00fcb", 2) == "a");
  CHECK(wire_text("a\u00fcb", 3) == "a\u00fc");
  const Reject reject{samples::offer_id(), "declined", std::string(5000, '\xff')};
  const auto decoded = decode(encode(reject));
  REQUIRE(decoded);
  CHECK(std::get<Reject>(*decoded).text.size() <= kMaxTextBytes);
}

TEST_CASE("what a caller reckons for a page is enough") {
  Listing listing{.request = samples::id<RequestId>(1)};
  std::size_t reckoned = kMessageOverheadBytes;
  for (const std::string& name : {std::string(255, '\x01'), std::string(255, '\xff'),
                                  std::string(255, '"'), std::string("a")}) {
    listing.entries.push_back({name, Kind::folder, kMaxStreamBytes, INT64_MIN});
    reckoned += json_bytes(listing.entries.back());
  }
  CHECK(encode(listing).size() <= reckoned);
  CHECK(encode(Listing{listing.request, {}, ""}).size() <= kMessageOverheadBytes);

  Done done{.id = samples::offer_id(),
            .round = kMaxNumber,
            .files = 20'000'000,
            .bytes = kMaxStreamBytes,
            .failed = 20'000'000};
  done.failures.assign(200, Failure{19'999'999, std::string(2000, '\x01')});
  const Done fit = fitted(done, kMinMessageBytes);
  CHECK(encode(fit).size() <= kMinMessageBytes);
  CHECK(fit.failures.size() >= 10);
  CHECK(fit.failed == done.failed);
  done.failures.assign(200, Failure{1, "x"});
  CHECK(fitted(done, kMinMessageBytes).failures.size() == kMaxFailuresNamed);
}
