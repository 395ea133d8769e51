// One file over a few TLS 1.3 connections with as little as can be done: AES-128-GCM, a digest of
// every block on both sides, no names, no journal, no staging. What a program that does more can be
// held against.
//
//   ideal take PORT LANES FILE     listens on 127.0.0.1, says "ready", writes FILE, ends when all
//   lanes have ended ideal give PORT LANES FILE     sends FILE, ends when the taker has said that
//   it has everything
//
// g++ -O2 -std=c++20 ideal.cpp -lssl -lcrypto -lxxhash -pthread
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kBlock = 256 * 1024;

// Goes before every block; a size of 0 says that this lane has no more.
struct Header {
  std::uint64_t offset;
  std::uint64_t size;
  XXH128_hash_t digest;
};

[[noreturn]] void fail(char const* what) {
  std::perror(what);
  std::exit(1);
}

void check(bool good, char const* what) {
  if (!good) fail(what);
}

// A context for both roles; the taker's has a key and a certificate made on the spot, which the
// giver does not look at.
SSL_CTX* context(bool server) {
  auto* ctx = SSL_CTX_new(TLS_method());
  check(ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
            SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256"),
        "TLS");
  if (!server) return ctx;
  auto* key = EVP_EC_gen("P-256");
  auto* cert = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 24 * 3600);
  check(key && X509_set_pubkey(cert, key) && X509_sign(cert, key, EVP_sha256()), "key");
  check(SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1,
        "certificate");
  return ctx;
}

void read_all(SSL* tls, void* to, std::size_t size) {
  for (auto* at = static_cast<char*>(to); size;) {
    auto const n = SSL_read(tls, at, static_cast<int>(size));
    check(n > 0, "read from the other side");
    at += n;
    size -= static_cast<std::size_t>(n);
  }
}

void write_all(SSL* tls, void const* from, std::size_t size) {
  check(SSL_write(tls, from, static_cast<int>(size)) == static_cast<int>(size),
        "write to the other side");
}

void take(SSL* tls, int file) {
  std::vector<char> block(kBlock);
  for (Header header; read_all(tls, &header, sizeof header), header.size;) {
    check(header.size <= kBlock, "block");
    read_all(tls, block.data(), header.size);
    check(XXH128_isEqual(XXH3_128bits(block.data(), header.size), header.digest), "digest");
    check(pwrite(file, block.data(), header.size, static_cast<off_t>(header.offset)) ==
              static_cast<ssize_t>(header.size),
          "write the file");
  }
  write_all(tls, "k", 1);
}

void give(SSL* tls, int file, std::uint64_t size, std::atomic<std::uint64_t>& next) {
  std::vector<char> block(sizeof(Header) + kBlock);
  for (;;) {
    auto const offset = next.fetch_add(kBlock);
    Header header{offset, offset < size ? std::min<std::uint64_t>(kBlock, size - offset) : 0, {}};
    if (header.size) {
      auto* bytes = block.data() + sizeof header;
      check(pread(file, bytes, header.size, static_cast<off_t>(offset)) ==
                static_cast<ssize_t>(header.size),
            "read the file");
      header.digest = XXH3_128bits(bytes, header.size);
    }
    std::memcpy(block.data(), &header, sizeof header);
    write_all(tls, block.data(), sizeof header + header.size);
    if (!header.size) break;
  }
  char answer;
  read_all(tls, &answer, 1);
}

}  // namespace

int main(int argc, char** argv) {
  check(argc == 5, "ideal take|give PORT LANES FILE");
  bool const taking = std::string(argv[1]) == "take";
  auto const lanes = std::atoi(argv[3]);
  auto const file = taking ? open(argv[4], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)
                           : open(argv[4], O_RDONLY | O_CLOEXEC);
  check(file >= 0, argv[4]);
  struct stat st {};
  check(fstat(file, &st) == 0, "stat");

  auto* ctx = context(taking);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto const listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int const on = 1;
  if (taking) {
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    check(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
              listen(listener, lanes) == 0,
          "listen");
    std::puts("ready");
    std::fflush(stdout);
  }

  std::atomic<std::uint64_t> next = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < lanes; ++i) {
    auto const s = taking ? accept(listener, nullptr, nullptr)
                          : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(s >= 0, "socket");
    check(taking || connect(s, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
          "connect");
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    threads.emplace_back([&, s] {
      auto* tls = SSL_new(ctx);
      check(SSL_set_fd(tls, s) == 1 && (taking ? SSL_accept(tls) : SSL_connect(tls)) == 1,
            "TLS handshake");
      taking ? take(tls, file) : give(tls, file, static_cast<std::uint64_t>(st.st_size), next);
      SSL_shutdown(tls);
      SSL_free(tls);
      close(s);
    });
  }
  for (auto& t : threads) t.join();
  check(close(file) == 0, "close the file");
}
