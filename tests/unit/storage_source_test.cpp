#include <doctest/doctest.h>
#include <sys/statvfs.h>

#include <ostream>

#include "storage/catalogue.hpp"
#include "storage/digest.hpp"
#include "storage/folder.hpp"
#include "storage/scan.hpp"
#include "storage/source.hpp"
#include "storage_scratch.hpp"

using namespace peer;
using namespace peer::storage;
using peer::test::Scratch;
using Piece = Source::Piece;

namespace {

std::shared_ptr<Source> offer(const Scratch& scratch, std::vector<std::string> paths,
                              Links links = Links::inside) {
  ScanOptions options;
  options.paths = std::move(paths);
  options.links = links;
  ScanProgress progress;
  REQUIRE(scan(options, scratch / "record", progress));
  auto source = Source::open(scratch / "record");
  REQUIRE_MESSAGE(source, source.error().text());
  return *source;
}

/// One answer with the bytes it brought.
struct Answer {
  Piece piece;
  std::string bytes;
};

Answer read(Source::Reader& reader, std::uint64_t offset, std::uint64_t length,
            std::size_t buffer_bytes = 1 << 20) {
  std::vector<std::byte> buffer(buffer_bytes);
  auto piece = reader.read(offset, length, buffer);
  REQUIRE_MESSAGE(piece, piece.error().text());
  Answer answer{std::move(*piece), {}};
  CHECK(answer.piece.length >= 1);
  CHECK(answer.piece.length <= length);
  if (answer.piece.kind == Piece::Kind::data) {
    CHECK(answer.piece.length <= buffer_bytes);
    answer.bytes.assign(reinterpret_cast<const char*>(buffer.data()),
                        static_cast<std::size_t>(answer.piece.length));
  }
  return answer;
}

/// The whole stream in pieces, zeros filled in and lost bytes as '?'.
std::string read_all(Source& source, std::size_t buffer_bytes) {
  auto reader = source.reader();
  std::string all;
  while (all.size() < source.bytes()) {
    auto answer = read(*reader, all.size(), source.bytes() - all.size(), buffer_bytes);
    const auto length = static_cast<std::size_t>(answer.piece.length);
    if (answer.piece.kind == Piece::Kind::data)
      all += answer.bytes;
    else
      all.append(length, answer.piece.kind == Piece::Kind::gone ? '?' : '\0');
  }
  return all;
}

std::string pattern(std::size_t length) {
  std::string text(length, '\0');
  for (std::size_t i = 0; i < length; ++i)
    text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

}  // namespace

TEST_SUITE("storage source") {
  TEST_CASE("the stream is the files laid end to end, whatever the buffer") {
    Scratch scratch;
    const std::string big = pattern(300'000);
    scratch.write("t/a", "alpha");
    scratch.write("t/b/empty");
    scratch.write("t/b/one", "1");
    scratch.write("t/b/two", "22");
    scratch.link("t/b/zlink", "one");
    scratch.write("t/big", big);
    scratch.write("t/last", "end");
    scratch.write("z.txt", "zzz");
    const auto source = offer(scratch, {scratch / "t", scratch / "z.txt"});
    const std::string stream = "alpha122" + big + "endzzz";
    REQUIRE(source->bytes() == stream.size());
    for (const std::size_t buffer : {1, 2, 7, 4096, 300'000, 1 << 20}) {
      if (buffer < 7 && stream.size() > 1000) continue;
      CHECK(read_all(*source, buffer) == stream);
    }
    auto reader = source->reader();
    CHECK(read(*reader, 0, stream.size()).piece.length == stream.size());  // all in one piece
    CHECK(read(*reader, 6, 3, 100).bytes == stream.substr(6, 3));
    CHECK(read(*reader, stream.size() - 1, 1).bytes == "z");
    CHECK(read(*reader, 100'000, 50'000, 10'000).bytes == stream.substr(100'000, 10'000));
    CHECK(read(*reader, 0, 1, 1).bytes == "a");
    CHECK(source->gone_count() == 0);
    CHECK(*source->unchanged());
  }

  TEST_CASE("ranges outside the stream are errors") {
    Scratch scratch;
    const auto source = offer(scratch, {scratch.write("f", "12345")});
    auto reader = source->reader();
    std::vector<std::byte> buffer(10);
    CHECK_FALSE(reader->read(5, 1, buffer));
    CHECK_FALSE(reader->read(4, 2, buffer));
    CHECK_FALSE(reader->read(0, 0, buffer));
    CHECK_FALSE(reader->read(1, ~std::uint64_t{0}, buffer));
    CHECK(reader->read(4, 1, buffer));
  }

  TEST_CASE("a changed file is gone for good, those around it arrive") {
    Scratch scratch;
    for (const auto* file : {"t/a", "t/b", "t/c"}) scratch.write(file, "12345");
    const auto source = offer(scratch, {scratch / "t"});
    const auto check_gone = [&](const std::string& reason) {
      auto reader = source->reader();
      CHECK(read(*reader, 0, 15).bytes == "12345");  // data stops before it
      const auto gone = read(*reader, 5, 10).piece;
      CHECK(gone.kind == Piece::Kind::gone);
      CHECK(gone.reason == reason);
      CHECK(gone.entry == 2);
      CHECK(gone.length == 5);
      CHECK(read(*reader, 7, 2).piece.length == 2);
      CHECK(read(*reader, 10, 5).bytes == "12345");
      CHECK(source->gone_count() == 1);
      CHECK_FALSE(*source->unchanged());
    };
    SUBCASE("rewritten with the same size") {
      scratch.write("t/b", "54321");
      CHECK_FALSE(*source->unchanged());
      check_gone("changed");
    }
    SUBCASE("rewritten with the same size and time") {
      struct stat st {};
      REQUIRE(::stat((scratch / "t/b").c_str(), &st) == 0);
      scratch.write("t/b", "54321");
      scratch.set_times("t/b", st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
      check_gone("changed");
    }
    SUBCASE("shrunk") {
      scratch.write("t/b", "1");
      check_gone("changed");
    }
    SUBCASE("grown") {
      scratch.write("t/b", "1234567");
      check_gone("changed");
    }
    SUBCASE("removed") {
      ::unlink((scratch / "t/b").c_str());
      check_gone("vanished");
    }
    SUBCASE("a link in its place") {
      ::unlink((scratch / "t/b").c_str());
      scratch.link("t/b", "a");
      check_gone("changed");
    }
    SUBCASE("a folder in its place") {
      ::unlink((scratch / "t/b").c_str());
      scratch.folder("t/b");
      check_gone("changed");
    }
    SUBCASE("a fifo in its place does not hang") {
      ::unlink((scratch / "t/b").c_str());
      REQUIRE(::mkfifo((scratch / "t/b").c_str(), 0600) == 0);
      check_gone("changed");
    }
  }

  TEST_CASE("what was lost stays lost for every reader, also when it comes back") {
    Scratch scratch;
    scratch.write("t/a", "12345");
    scratch.write("t/b", "12345");
    const auto source = offer(scratch, {scratch / "t"});
    auto one = source->reader();
    auto two = source->reader();
    CHECK(read(*two, 5, 5).bytes == "12345");
    ::rename((scratch / "t/b").c_str(), (scratch / "t/away").c_str());
    CHECK(read(*one, 5, 5).piece.reason == "vanished");
    ::rename((scratch / "t/away").c_str(), (scratch / "t/b").c_str());
    CHECK(read(*one, 5, 5).piece.reason == "vanished");
    CHECK(read(*two, 5, 5).piece.reason == "vanished");
    CHECK(source->gone_count() == 1);
  }

  TEST_CASE("a large file truncated half way gives no byte of the other version") {
    Scratch scratch;
    const auto file = scratch.write("big", pattern(3'000'000));
    const auto source = offer(scratch, {file});
    auto reader = source->reader();
    CHECK(read(*reader, 0, 3'000'000).bytes == pattern(3'000'000).substr(0, 1 << 20));
    REQUIRE(::truncate(file.c_str(), 1'500'000) == 0);
    const auto gone = read(*reader, 1 << 20, 1'000'000).piece;
    CHECK(gone.kind == Piece::Kind::gone);
    CHECK(gone.reason == "changed");
    CHECK(gone.length == 1'000'000);
  }

  TEST_CASE("a folder swapped for a link is not entered") {
    Scratch scratch;
    scratch.write("t/sub/f", "12345");
    scratch.write("secret/f", "99999");
    const auto source = offer(scratch, {scratch / "t"});
    ::rename((scratch / "t/sub").c_str(), (scratch / "was").c_str());
    scratch.link("t/sub", "../secret");
    CHECK(read(*source->reader(), 0, 5).piece.kind == Piece::Kind::gone);
  }

  TEST_CASE("a root that was replaced or removed gives nothing") {
    Scratch scratch;
    scratch.write("t/f", "12345");
    const auto source = offer(scratch, {scratch / "t"});
    ::rename((scratch / "t").c_str(), (scratch / "was").c_str());
    SUBCASE("by another folder with the same file in it") {
      scratch.folder("t");
      ::rename((scratch / "was/f").c_str(), (scratch / "t/f").c_str());
      CHECK(read(*source->reader(), 0, 5).piece.reason == "changed");
    }
    SUBCASE("by a link to it") {
      scratch.link("t", "was");
      CHECK(read(*source->reader(), 0, 5).piece.kind == Piece::Kind::gone);
    }
    SUBCASE("by nothing") {
      CHECK(read(*source->reader(), 0, 5).piece.reason == "vanished");
      CHECK_FALSE(*source->unchanged());
    }
  }

  TEST_CASE("a file that may no longer be read is unreadable") {
    Scratch scratch;
    const auto file = scratch.write("f", "12345");
    ::chmod(scratch.path().c_str(), 0755);
    const auto source = offer(scratch, {file});
    ::chmod(file.c_str(), 0);
    test::Unprivileged nobody;
    const auto gone = read(*source->reader(), 0, 5).piece;
    CHECK(gone.reason == "unreadable");
    CHECK(gone.text == "Permission denied");
  }

  TEST_CASE("followed links are read, and only while they lead to the same file") {
    Scratch scratch;
    scratch.write("t/a/f", "12345");
    scratch.write("t/other", "67890");
    scratch.link("t/link", "a/f");
    scratch.link("t/zdir", "a");
    const auto source = offer(scratch, {scratch / "t"}, Links::follow);
    CHECK(read_all(*source, 100) == "12345123456789012345");
    CHECK(*source->unchanged());
    ::unlink((scratch / "t/link").c_str());
    scratch.link("t/link", "other");
    CHECK_FALSE(*source->unchanged());
    CHECK(read_all(*source, 100) == "12345?????6789012345");
  }

  TEST_CASE("holes of 64 KiB and more are named, the stream stays the same") {
    Scratch scratch;
    constexpr std::uint64_t kKiB = 1024;
    const auto file = scratch.write("s/sparse");
    scratch.write("s/a", "before");
    scratch.write("s/z", "after");
    {
      const Fd fd(::open(file.c_str(), O_WRONLY));
      const std::string block = pattern(4096);
      for (const std::uint64_t at : {256 * kKiB, 256 * kKiB + 4096, 300 * kKiB, 1024 * kKiB})
        REQUIRE(::pwrite(fd.get(), block.data(), block.size(), static_cast<off_t>(at)) == 4096);
      REQUIRE(::ftruncate(fd.get(), 2048 * kKiB) == 0);
    }
    struct stat st {};
    REQUIRE(::stat(file.c_str(), &st) == 0);
    if (st.st_blocks * 512 >= st.st_size) return;  // a file system without holes
    const auto source = offer(scratch, {scratch / "s"});
    CHECK(read_all(*source, 1 << 20) == "before" + scratch.read("s/sparse") + "after");
    CHECK(read_all(*source, 5'000) == "before" + scratch.read("s/sparse") + "after");

    auto reader = source->reader();
    const auto end = source->bytes();
    CHECK(read(*reader, 0, end).bytes == "before");
    auto hole = read(*reader, 6, end - 6).piece;
    CHECK(hole.kind == Piece::Kind::zeros);
    CHECK(hole.length == 256 * kKiB);
    CHECK(hole.hole_end == 6 + 256 * kKiB);
    hole = read(*reader, 6 + kKiB, 10).piece;  // a part of a hole that was named
    CHECK(hole.kind == Piece::Kind::zeros);
    CHECK(hole.length == 10);
    CHECK(hole.hole_end == 6 + 256 * kKiB);
    // 36 KiB between two blocks are read as data; the large hole behind ends the piece
    const auto data = read(*reader, 6 + 256 * kKiB, end - 6 - 256 * kKiB);
    CHECK(data.piece.kind == Piece::Kind::data);
    CHECK(data.piece.length == 48 * kKiB);
    hole = read(*reader, 6 + 1028 * kKiB, end - 6 - 1028 * kKiB).piece;
    CHECK(hole.kind == Piece::Kind::zeros);
    CHECK(hole.length == 1020 * kKiB);
    CHECK(hole.hole_end == 6 + 2048 * kKiB);
    // another reader that is asked for the last bytes of a hole alone
    CHECK(read(*source->reader(), 6 + 2047 * kKiB, kKiB).piece.kind == Piece::Kind::zeros);
    CHECK(read(*reader, 6 + 2048 * kKiB, 5).bytes == "after");

    REQUIRE(::truncate(file.c_str(), 1024 * kKiB) == 0);
    CHECK(read(*reader, 6, 100).piece.reason == "changed");
  }

  TEST_CASE("a huge hole costs nothing") {
    Scratch scratch;
    const auto file = scratch.write("huge");
    REQUIRE(::truncate(file.c_str(), off_t{10} << 40) == 0);
    const auto source = offer(scratch, {file});
    const auto hole = read(*source->reader(), 1, (std::uint64_t{10} << 40) - 1).piece;
    CHECK(hole.kind == Piece::Kind::zeros);
    CHECK(hole.length == (std::uint64_t{10} << 40) - 1);
  }

  TEST_CASE("still_has compares digests of what is there now") {
    Scratch scratch;
    const std::string text = pattern(600'000);
    scratch.write("t/a", text);
    const auto hole = scratch.write("t/b");
    REQUIRE(::truncate(hole.c_str(), 1 << 20) == 0);
    scratch.write("t/c", "end");
    const auto source = offer(scratch, {scratch / "t"});
    const std::string stream = text + std::string(1 << 20, '\0') + "end";
    auto reader = source->reader();
    using Kind = protocol::Digest::Kind;
    for (const auto kind : {Kind::xxh3, Kind::sha256}) {
      const auto digest = [&](std::size_t at, std::size_t length) {
        return digest_of(kind, test::bytes_of(stream).subspan(at, length));
      };
      CHECK(*reader->still_has(0, stream.size(), digest(0, stream.size())));
      CHECK(*reader->still_has(599'990, 100'000, digest(599'990, 100'000)));
    }
    scratch.write("t/c", "END");
    CHECK_FALSE(
        *reader->still_has(stream.size() - 3, 3, digest_of(Kind::xxh3, test::bytes_of("end"))));
  }

  TEST_CASE("a digest that does not fit any more is another version, and that file is not sent") {
    Scratch scratch;
    scratch.write("t/a", pattern(1000));
    scratch.write("t/b", pattern(1000));
    scratch.write("t/c", pattern(1000));
    const auto source = offer(scratch, {scratch / "t"});
    const auto reader = source->reader();
    CHECK_FALSE(*reader->still_has(1100, 100, digest_of(protocol::Digest::Kind::xxh3, {})));
    CHECK(source->gone_count() == 1);
    CHECK(read(*source->reader(), 0, 1000).piece.kind == Piece::Kind::data);
    const auto lost = read(*reader, 1500, 10).piece;
    CHECK(lost.kind == Piece::Kind::gone);
    CHECK(lost.reason == "changed");
    CHECK(read(*reader, 2000, 1000).piece.kind == Piece::Kind::data);
    CHECK_FALSE(*reader->still_has(0, 3000, digest_of(protocol::Digest::Kind::xxh3, {})));
    CHECK(source->gone_count() == 1);  // it was known why the whole range cannot fit
  }

  TEST_CASE("the manifest's bytes are those of the record") {
    Scratch scratch;
    scratch.write("t/a", "1");
    const auto source = offer(scratch, {scratch / "t"});
    const auto manifest = scratch.read("record/manifest");
    auto reader = source->reader();
    std::vector<std::byte> buffer(manifest.size() + 10);
    CHECK(*reader->read_manifest(0, buffer) == manifest.size());
    CHECK(*reader->read_manifest(5, buffer) == manifest.size() - 5);
    CHECK(*reader->read_manifest(manifest.size(), buffer) == 0);
  }

  TEST_CASE("a damaged record is an error, not a lost file") {
    Scratch scratch;
    CHECK_FALSE(Source::open(scratch / "none"));
    offer(scratch, {scratch.write("f", "1")});
    const auto roots = scratch.read("record/roots");
    for (std::size_t length = 0; length < roots.size(); length += 3) {
      scratch.write("record/roots", roots.substr(0, length));
      const auto source = Source::open(scratch / "record");
      if (source) CHECK(read(*(*source)->reader(), 0, 1).piece.kind == Piece::Kind::gone);
    }
    scratch.write("record/roots", roots);
    CHECK(Source::open(scratch / "record"));
  }
}
