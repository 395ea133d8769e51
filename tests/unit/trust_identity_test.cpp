#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <ostream>
#include <string>
#include <vector>

#include "base/certificate.hpp"
#include "trust/identity.hpp"

using peer::trust::Identity;

namespace {

struct Folder {
  std::string path;
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "peer-id-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/identity.pem"; }
};

std::string content(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void put(const std::string& file, const std::string& text) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
  ::chmod(file.c_str(), 0600);
}

}  // namespace

TEST_SUITE("identity") {
  TEST_CASE("made once, the same ever after, in a file for nobody else") {
    const Folder folder;
    const auto old_mask = ::umask(0);
    const auto made = Identity::load_or_make(folder.file());
    ::umask(old_mask);
    REQUIRE(made);
    struct stat status {};
    REQUIRE(::stat(folder.file().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    const auto loaded = Identity::load_or_make(folder.file());
    REQUIRE(loaded);
    CHECK((*loaded)->id() == (*made)->id());
    CHECK((*made)->id() == peer::base::peer_id_of((*made)->certificate()));
    const std::filesystem::directory_iterator left(folder.path);
    CHECK(std::distance(begin(left), end(left)) == 1);  // no drafts
  }

  TEST_CASE("two people are two") {
    const Folder one;
    const Folder other;
    const auto a = Identity::load_or_make(one.file());
    const auto b = Identity::load_or_make(other.file());
    REQUIRE(a);
    REQUIRE(b);
    CHECK((*a)->id() != (*b)->id());
  }

  TEST_CASE("the certificate is self-signed, v3, P-256, and its dates hold at any time") {
    const Folder folder;
    const auto made = Identity::load_or_make(folder.file());
    REQUIRE(made);
    X509* certificate = (*made)->certificate();
    CHECK(X509_get_version(certificate) == 2);
    CHECK(X509_verify(certificate, (*made)->key()) == 1);
    CHECK(EVP_PKEY_get_bits((*made)->key()) == 256);
    std::time_t early = 1;
    std::time_t late = 200'000'000'000;  // about the year 8300
    CHECK(X509_cmp_time(X509_get0_notBefore(certificate), &early) < 0);
    CHECK(X509_cmp_time(X509_get0_notAfter(certificate), &late) > 0);
  }

  TEST_CASE("a file that others can read is refused and left alone") {
    const Folder folder;
    REQUIRE(Identity::load_or_make(folder.file()));
    const auto before = content(folder.file());
    for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
      CAPTURE(mode);
      ::chmod(folder.file().c_str(), mode);
      const auto refused = Identity::load_or_make(folder.file());
      REQUIRE(!refused);
      CHECK(refused.error().text().find("chmod 600") != std::string::npos);
      CHECK(refused.error().text().find(folder.file()) != std::string::npos);
    }
    ::chmod(folder.file().c_str(), 0400);
    CHECK(Identity::load_or_make(folder.file()));
    CHECK(content(folder.file()) == before);
  }

  TEST_CASE("a damaged file is refused and never replaced") {
    const Folder folder;
    REQUIRE(Identity::load_or_make(folder.file()));
    const auto whole = content(folder.file());
    const auto certificate_at = whole.find("-----BEGIN CERTIFICATE");
    REQUIRE(certificate_at != std::string::npos);
    const std::vector<std::string> damaged{
        "",
        "nonsense",
        whole.substr(0, certificate_at),
        whole.substr(certificate_at),
        whole.substr(0, whole.size() - 40),
        std::string(65 * 1024, '\n') + whole,
    };
    for (const auto& text : damaged) {
      CAPTURE(text.size());
      put(folder.file(), text);
      CHECK(!Identity::load_or_make(folder.file()));
      CHECK(content(folder.file()) == text);
    }
  }

  TEST_CASE("a key with another's certificate is refused") {
    const Folder one;
    const Folder other;
    REQUIRE(Identity::load_or_make(one.file()));
    REQUIRE(Identity::load_or_make(other.file()));
    const auto mine = content(one.file());
    const auto theirs = content(other.file());
    put(one.file(), mine.substr(0, mine.find("-----BEGIN CERTIFICATE")) +
                        theirs.substr(theirs.find("-----BEGIN CERTIFICATE")));
    CHECK(!Identity::load_or_make(one.file()));
  }

  TEST_CASE("links, folders and other things are not read") {
    const Folder folder;
    const Folder elsewhere;
    REQUIRE(Identity::load_or_make(elsewhere.file()));
    std::filesystem::create_symlink(elsewhere.file(), folder.file());
    CHECK(!Identity::load_or_make(folder.file()));
    std::filesystem::remove(folder.file());
    std::filesystem::create_symlink(folder.path + "/nowhere", folder.file());
    CHECK(!Identity::load_or_make(folder.file()));
    CHECK(!std::filesystem::exists(folder.path + "/nowhere"));
    std::filesystem::remove(folder.file());
    std::filesystem::create_directory(folder.file());
    CHECK(!Identity::load_or_make(folder.file()));
    std::filesystem::remove(folder.file());
    REQUIRE(::mkfifo(folder.file().c_str(), 0600) == 0);
    CHECK(!Identity::load_or_make(folder.file()));  // and does not hang
  }

  TEST_CASE("a folder that is not there is an error that names the file") {
    const Folder folder;
    const auto made = Identity::load_or_make(folder.path + "/missing/identity.pem");
    REQUIRE(!made);
    CHECK(made.error().code == std::errc::no_such_file_or_directory);
    CHECK(made.error().context.find("missing/identity.pem") != std::string::npos);
  }

  TEST_CASE("many that make it at once all get the same") {
    const Folder folder;
    std::vector<std::future<peer::protocol::PeerId>> makers;
    for (int i = 0; i < 8; ++i)
      makers.push_back(std::async(std::launch::async, [&] {
        const auto made = Identity::load_or_make(folder.file());
        return made ? (*made)->id() : peer::protocol::PeerId{};
      }));
    const auto first = makers[0].get();
    CHECK(first != peer::protocol::PeerId{});
    for (std::size_t i = 1; i < makers.size(); ++i) CHECK(makers[i].get() == first);
  }
}
