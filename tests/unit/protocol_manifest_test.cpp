#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "protocol/errors.hpp"
#include "protocol/manifest.hpp"

using namespace peer::protocol;
using Json = nlohmann::json;
using peer::Result;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

Entry file(std::string path, std::uint64_t size = 0) {
  return {.path = std::move(path), .size = size, .allocated = size, .mode = 0644, .mtime = 1};
}
Entry folder(std::string path) {
  return {.path = std::move(path), .kind = Kind::folder, .mode = 0755, .mtime = -1};
}
Entry link_to(std::string path, std::string target) {
  return {.path = std::move(path), .kind = Kind::link, .mode = 0777, .target = std::move(target)};
}

std::string line_of(const Entry& entry) {
  std::string line = encode_entry(entry);
  REQUIRE(line.ends_with('\n'));
  line.pop_back();
  return line;
}

Offer offer_of(const ManifestTotals& totals, const std::string& manifest) {
  Offer offer;
  offer.files = totals.files;
  offer.folders = totals.folders;
  offer.links = totals.links;
  offer.bytes = totals.bytes;
  offer.manifest_bytes = manifest.size();
  return offer;
}

/// The first error of a manifest of `entries`, or "".
std::string judged(const std::vector<Entry>& entries) {
  ManifestOrder order;
  for (const Entry& entry : entries) {
    const auto added = order.add(entry);
    if (added) continue;
    CHECK(added.error().code == Errc::bad_manifest);
    return added.error().context;
  }
  return "";
}

Result<void> read(const std::string& manifest, std::uint64_t bytes, std::uint64_t entries,
                  std::size_t piece = SIZE_MAX) {
  ManifestReader reader(bytes, entries);
  for (std::size_t at = 0; at < manifest.size(); at += std::min(piece, manifest.size() - at)) {
    const auto part = std::string_view(manifest).substr(at, piece);
    auto fed = reader.feed(bytes_of(part), [](Entry&&) { return Result<void>(); });
    if (!fed) return fed;
  }
  return reader.finish(offer_of(reader.totals(), manifest));
}

}  // namespace

TEST_CASE("a line is the sorted, compact JSON of its entry") {
  CHECK(encode_entry(file("a/b.txt", 5)) ==
        "{\"allocated\":5,\"kind\":\"file\",\"mode\":420,\"mtime\":1,\"path\":\"a/b.txt\","
        "\"size\":5}\n");
  CHECK(encode_entry(folder("a")) ==
        "{\"kind\":\"folder\",\"mode\":493,\"mtime\":-1,\"path\":\"a\"}\n");
  CHECK(encode_entry(link_to("l", "../x")) ==
        "{\"kind\":\"link\",\"mode\":511,\"mtime\":0,\"path\":\"l\",\"target\":\"../x\"}\n");
  CHECK(encode_entry(link_to("\xff", "\xfe")) ==
        "{\"kind\":\"link\",\"mode\":511,\"mtime\":0,\"path64\":\"/w==\",\"target64\":\"/g==\"}\n");
}

TEST_CASE("every legal name survives, written as other JSON writers would") {
  std::vector<std::string> names;
  for (int c = 1; c < 256; ++c)
    if (c != '/' && c != '.') names.emplace_back(3, static_cast<char>(c));
  names.insert(names.end(), {"a\u00fcb", "\U0001f600", "..a", "a\"b\\c", std::string(255, '\x01')});
  for (const std::string& name : names) {
    for (const Entry& entry : {file(name, 1), folder(name), link_to("l", name)}) {
      const std::string line = line_of(entry);
      CAPTURE(line);
      CHECK(line == Json::parse(line).dump());
      const auto decoded = decode_entry(line);
      REQUIRE_MESSAGE(decoded, decoded.error().text());
      CHECK(*decoded == entry);
    }
  }
}

TEST_CASE("the largest values survive, one past them is refused") {
  Entry entry = file("a", kMaxStreamBytes);
  entry.mode = 0777;
  for (const std::int64_t mtime :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    entry.mtime = mtime;
    CHECK(*decode_entry(line_of(entry)) == entry);
  }
  const Json whole = Json::parse(line_of(entry));
  const auto refused = [&whole](const char* key, const Json& value) {
    Json changed = whole;
    changed[key] = value;
    const auto decoded = decode_entry(changed.dump());
    return !decoded && decoded.error().context.starts_with(std::string("entry.") + key);
  };
  CHECK(refused("size", kMaxStreamBytes + 1));
  CHECK(refused("allocated", kMaxNumber + 1));
  CHECK(refused("mode", kMaxMode + 1));
  CHECK(refused("mtime", std::uint64_t{1} << 63));
  for (const char* key : {"size", "allocated", "mode"}) {
    CHECK(refused(key, -1));
    CHECK(refused(key, 1.5));
    CHECK(refused(key, "12"));
    CHECK(refused(key, true));
    CHECK(refused(key, nullptr));
  }
  CHECK(refused("mtime", "NaN"));
  CHECK(refused("kind", "device"));
  CHECK(refused("kind", 1));
  CHECK(refused("path", ".."));
  CHECK(refused("path", "a/../b"));
  CHECK(refused("path", ""));
  CHECK(refused("path", std::string("a\0b", 3)));
}

TEST_CASE("set-user-id and the like are dropped, the rest of a mode is kept") {
  Json line = Json::parse(line_of(file("a")));
  line["mode"] = 07777;
  CHECK(decode_entry(line.dump())->mode == 0777);
  CHECK(decode_entry(line.dump() + " ")->mode == 0777);  // not canonical
}

TEST_CASE("links need a target") {
  Json line = Json::parse(line_of(link_to("l", std::string(kMaxTargetBytes, 'x'))));
  CHECK(decode_entry(line.dump()));
  line["target"] = std::string(kMaxTargetBytes + 1, 'x');
  CHECK_FALSE(decode_entry(line.dump()));
  line["target"] = "";
  CHECK_FALSE(decode_entry(line.dump()));
  line["target"] = std::string("\0", 1);
  CHECK_FALSE(decode_entry(line.dump()));
  line.erase("target");
  CHECK_FALSE(decode_entry(line.dump()));
}

TEST_CASE("other JSON of the same entry is read all the same") {
  const Entry entry = file("a b", 7);
  CHECK(*decode_entry(R"({"path":"a\u0020b", "kind":"file","x":[1,{}],"mtime":1,"mode":420,)"
                      R"("size":7,"allocated":7})") == entry);
  CHECK(*decode_entry(R"({"kind":"folder","mode":493,"mtime":-1,"path":"a","size":99})") ==
        folder("a"));
}

TEST_CASE("what looks canonical is judged as strictly as the rest") {
  const std::string whole = line_of(file("a", 5));
  const auto with = [&whole](const std::string& from, const std::string& to) {
    std::string line = whole;
    line.replace(line.find(from), from.size(), to);
    return static_cast<bool>(decode_entry(line));
  };
  CHECK(with("420", "0"));
  CHECK_FALSE(with("420", "0420"));
  CHECK_FALSE(with("420", "-1"));
  CHECK_FALSE(with("420", "+1"));
  CHECK_FALSE(with("420", "4096"));
  CHECK_FALSE(with("\"mtime\":1", "\"mtime\":-01"));
  CHECK_FALSE(with("\"mtime\":1", "\"mtime\":-"));
  CHECK(with("\"mtime\":1", "\"mtime\":-9223372036854775808"));
  CHECK_FALSE(with("\"mtime\":1", "\"mtime\":-9223372036854775809"));
  CHECK_FALSE(with("\"size\":5", "\"size\":9223372036854775808"));
  CHECK_FALSE(with("\"size\":5", "\"size\":5,\"size\":5"));
  CHECK_FALSE(with("\"a\"", "\"\xff\""));
  CHECK_FALSE(with("\"a\"", "\"\xc0\xae\""));
  CHECK_FALSE(with("\"a\"", "\"a\nb\""));
  CHECK_FALSE(with("\"a\"", "\"/a\""));
  CHECK_FALSE(with("}", "}}"));
  CHECK_FALSE(with("}", ""));
  for (std::size_t cut = 0; cut < whole.size(); ++cut)
    CHECK_FALSE(decode_entry(whole.substr(0, cut)));
}

TEST_CASE("entries ascend, and their folders come before them") {
  CHECK(judged({folder("a"), file("a/b"), folder("a/c"), file("a/c/d"), file("a!"), file("b")}) ==
        "");
  CHECK(judged({file("a"), link_to("b", "a"), folder("c")}) == "");
  CHECK(judged({folder("a"), folder("a/b"), file("a/b/c"), file("a/d")}) == "");
  struct Case {
    const char* name;
    std::vector<Entry> entries;
  };
  const Case cases[] = {
      {"the same path twice", {file("a"), file("a")}},
      {"a file and a folder of one name", {file("a"), folder("a")}},
      {"descending", {file("b"), file("a")}},
      {"by bytes of the whole path, not part by part", {folder("a"), file("a!"), file("a/b")}},
      {"a file as a folder", {file("a"), file("a/b")}},
      {"a link as a folder", {link_to("a", "/tmp"), file("a/b")}},
      {"no folder at all", {file("a/b")}},
      {"a folder between is missing", {folder("a"), file("a/b/c")}},
      {"the folder of another name", {folder("a"), file("ab/c")}},
      {"a prefix that is no folder", {folder("a"), folder("a/b"), file("a/bc/d")}},
      {"a file beside", {folder("a"), file("a/b"), file("a/b/c")}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(judged(c.entries) != "");
  }
}

TEST_CASE("sums stay within a stream") {
  CHECK(judged({file("a", kMaxStreamBytes)}) == "");
  CHECK(judged({file("a", kMaxStreamBytes), file("b", 0)}) == "");
  CHECK(judged({file("a", kMaxStreamBytes), file("b", 1)}) != "");
  ManifestOrder order;
  REQUIRE(order.add(file("a", 5)));
  REQUIRE(order.add(folder("b")));
  REQUIRE(order.add(link_to("c", "a")));
  CHECK(order.totals() == ManifestTotals{1, 1, 1, 5, 5});
}

TEST_CASE("a manifest is read the same however its bytes arrive") {
  const std::vector<Entry> entries{folder("a"), file("a/\n\xff", 9), link_to("a/z", "\u00fc"),
                                   file("b", 3)};
  std::string manifest;
  for (const Entry& entry : entries) manifest += encode_entry(entry);
  for (std::size_t piece = 1; piece <= manifest.size(); ++piece) {
    CAPTURE(piece);
    ManifestReader reader(manifest.size(), entries.size());
    std::vector<Entry> got;
    for (std::size_t at = 0; at < manifest.size(); at += piece) {
      const auto part = std::string_view(manifest).substr(at, piece);
      REQUIRE(reader.feed(bytes_of(part), [&got](Entry&& entry) {
        got.push_back(std::move(entry));
        return Result<void>();
      }));
    }
    CHECK(got == entries);
    CHECK(reader.finish(offer_of({2, 1, 1, 12, 0}, manifest)));
    CHECK_FALSE(reader.finish(offer_of({2, 1, 1, 13, 0}, manifest)));
    CHECK_FALSE(reader.finish(offer_of({1, 2, 1, 12, 0}, manifest)));
  }
}

TEST_CASE("a manifest keeps to what the offer said") {
  const std::string manifest = encode_entry(file("a", 1)) + encode_entry(file("b", 1));
  CHECK(read(manifest, manifest.size(), 2));
  CHECK_FALSE(read(manifest, manifest.size() - 1, 2));  // more bytes
  CHECK_FALSE(read(manifest, manifest.size() + 1, 2));  // fewer
  const auto many = read(manifest, manifest.size(), 1);
  REQUIRE_FALSE(many);
  CHECK(many.error().context.starts_with("line 2: "));
  const std::string cut = manifest.substr(0, manifest.size() - 1);
  CHECK_FALSE(read(cut, cut.size(), 2));
}

TEST_CASE("errors of a manifest name the line") {
  const std::string good = encode_entry(file("a"));
  for (const std::string& bad :
       {std::string("\n"), std::string("{}\n"), std::string("[]\n"), good,
        std::string("\xef\xbb\xbf") + encode_entry(file("b")), encode_entry(file("b/c"))}) {
    const std::string manifest = good + bad;
    for (const std::size_t piece : {std::size_t{1}, manifest.size()}) {
      const auto got = read(manifest, manifest.size(), 2, piece);
      REQUIRE_FALSE(got);
      CHECK(got.error().code == Errc::bad_manifest);
      CHECK(got.error().context.starts_with("line 2: "));
    }
  }
}

TEST_CASE("a line may be as long as the longest entry needs and no longer") {
  std::string line = line_of(link_to("l", std::string(kMaxTargetBytes, '\x01')));
  line.insert(1, std::string(kMaxManifestLineBytes - line.size(), ' '));
  CHECK(read(line + "\n", line.size() + 1, 1));
  CHECK(read(line + "\n", line.size() + 1, 1, 1000));
  line.insert(1, 1, ' ');
  CHECK_FALSE(read(line + "\n", line.size() + 1, 1));
  CHECK_FALSE(read(line + "\n", line.size() + 1, 1, 1000));
}

TEST_CASE("what the taker of entries refuses comes back as it is") {
  const std::string manifest = encode_entry(file("a"));
  ManifestReader reader(manifest.size(), 1);
  const auto fed = reader.feed(
      bytes_of(manifest), [](Entry&&) { return Result<void>(peer::Error(Errc::disk, "write")); });
  REQUIRE_FALSE(fed);
  CHECK(fed.error().code == Errc::disk);
  CHECK(fed.error().context == "write");
}

TEST_CASE("hundreds of thousands of lines are written and read in no time") {
  constexpr int kLines = 200'000;
  const auto start = std::chrono::steady_clock::now();
  std::string manifest = encode_entry(folder("some folder"));
  for (int i = 0; i < kLines; ++i)
    manifest += encode_entry(
        file("some folder/picture number " + std::to_string(1'000'000 + i) + ".jpg", 4096));
  CHECK(read(manifest, manifest.size(), kLines + 1));
  // A hundred times what it takes, for slow machines and sanitizers.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}
