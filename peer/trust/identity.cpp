#include "trust/identity.hpp"

#include <fcntl.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/certificate.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "trust/secret.hpp"

namespace peer::trust {

namespace {

constexpr std::size_t kMaxFileBytes = 64 * 1024;  ///< ours has about 700

enum class Fault { damaged = 1, readable, foreign, not_a_file, crypto };

class FaultCategory : public std::error_category {
 public:
  const char* name() const noexcept override { return "identity"; }
  std::string message(int fault) const override {
    switch (static_cast<Fault>(fault)) {
      case Fault::damaged:
        return "it does not hold a P-256 key and its certificate; restore it from a backup, or "
               "move "
               "it away to become a new peer that nobody knows yet";
      case Fault::readable:
        return "others can read this secret; if nobody has, chmod 600 it";
      case Fault::foreign:
        return "it belongs to another user";
      case Fault::not_a_file:
        return "it is no regular file";
      case Fault::crypto:
        return "OpenSSL failed";
    }
    return "unknown fault";
  }
};

std::error_code fault(Fault f) {
  static const FaultCategory category;
  return {static_cast<int>(f), category};
}

std::error_code system_error() { return {errno, std::generic_category()}; }

struct Closer {
  int fd;
  explicit Closer(int f) : fd(f) {}
  Closer(const Closer&) = delete;
  Closer& operator=(const Closer&) = delete;
  ~Closer() {
    if (fd >= 0) ::close(fd);
  }
};

template <auto Function>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    Function(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;

// Reading

Result<void> check_file(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return fault(Fault::not_a_file);
  if (status.st_uid != ::geteuid()) return fault(Fault::foreign);
  if ((status.st_mode & 077) != 0) return fault(Fault::readable);
  if (static_cast<std::size_t>(status.st_size) > kMaxFileBytes) return fault(Fault::damaged);
  return {};
}

Result<Secret> read_secret(const std::string& file) {
  const Closer in(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (in.fd < 0 && errno == ELOOP) return fault(Fault::not_a_file);
  if (in.fd < 0) return system_error();
  struct stat status {};
  if (::fstat(in.fd, &status) != 0) return system_error();
  if (auto checked = check_file(status); !checked) return std::move(checked).error();
  Secret secret;
  secret.bytes.resize(static_cast<std::size_t>(status.st_size));
  std::size_t have = 0;
  while (have < secret.bytes.size()) {
    const auto got = ::read(in.fd, secret.bytes.data() + have, secret.bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error();
    if (got == 0) return fault(Fault::damaged);
    have += static_cast<std::size_t>(got);
  }
  return secret;
}

/// Instead of asking on the terminal.
int no_password(char*, int, int, void*) { return 0; }

bool is_p256(const EVP_PKEY* key) {
  std::array<char, 64> group{};
  std::size_t size = 0;
  return EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1 &&
         std::string_view(group.data(), size) == "prime256v1";
}

Result<std::pair<Key, Certificate>> parse(const Secret& secret) {
  const auto size = static_cast<int>(secret.bytes.size());
  const auto open = [&] { return Bio(BIO_new_mem_buf(secret.bytes.data(), size)); };
  // Each look skips blocks of other kinds, so that their order does not matter.
  const Bio for_key = open();
  const Bio for_certificate = open();
  if (!for_key || !for_certificate) return fault(Fault::crypto);
  Key key(PEM_read_bio_PrivateKey(for_key.get(), nullptr, no_password, nullptr));
  Certificate certificate(PEM_read_bio_X509(for_certificate.get(), nullptr, no_password, nullptr));
  const bool whole = key && certificate && is_p256(key.get()) &&
                     X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!whole) return fault(Fault::damaged);
  return std::pair(std::move(key), std::move(certificate));
}

// Making

bool set_serial(X509* certificate) {
  std::array<std::byte, 16> random{};
  base::random_bytes(random);
  random[0] = (random[0] & std::byte{0x7F}) | std::byte{0x40};  // positive, always 16 bytes
  auto* number = BN_bin2bn(reinterpret_cast<const unsigned char*>(random.data()),
                           static_cast<int>(random.size()), nullptr);
  if (number == nullptr) return false;
  const bool ok = BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return ok;
}

/// Every date is within these.
bool set_dates(X509* certificate) {
  return ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "700101000000Z") == 1 &&
         ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") == 1;
}

bool set_name(X509* certificate) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>("peer");
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1;
}

Certificate make_certificate(EVP_PKEY* key) {
  Certificate certificate(X509_new());
  if (!certificate) return nullptr;
  X509* x = certificate.get();
  constexpr long kVersion3 = 2;
  const bool ok = X509_set_version(x, kVersion3) == 1 && set_serial(x) && set_dates(x) &&
                  set_name(x) && X509_set_pubkey(x, key) == 1 &&
                  X509_sign(x, key, EVP_sha256()) > 0;
  if (!ok) return nullptr;
  return certificate;
}

Result<Secret> make_secret() {
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return fault(Fault::crypto);
  const Certificate certificate = make_certificate(key.get());
  const Bio out(BIO_new(BIO_s_secmem()));
  const bool ok = certificate && out &&
                  PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                                nullptr) == 1 &&
                  PEM_write_bio_X509(out.get(), certificate.get()) == 1;
  ERR_clear_error();
  if (!ok) return fault(Fault::crypto);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  Secret secret;
  secret.bytes.assign(data, static_cast<std::size_t>(size));
  return secret;
}

std::error_code write_new(const std::string& file, const Secret& secret) {
  const Closer out(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                          S_IRUSR | S_IWUSR));
  if (out.fd < 0) return system_error();
  if (::fchmod(out.fd, S_IRUSR | S_IWUSR) != 0) return system_error();
  std::string_view left = secret.bytes;
  while (!left.empty()) {
    const auto put = ::write(out.fd, left.data(), left.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error();
    left.remove_prefix(static_cast<std::size_t>(put));
  }
  return ::fsync(out.fd) == 0 ? std::error_code() : system_error();
}

/// Renames unless `to` exists (EEXIST).
std::error_code rename_without_replacing(const std::string& from, const std::string& to) {
#ifdef RENAME_NOREPLACE
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return system_error();
#endif
  // A file system without that: link() does not replace either.
  if (::link(from.c_str(), to.c_str()) != 0) return system_error();
  ::unlink(from.c_str());
  return {};
}

std::error_code sync_folder_of(const std::string& file) {
  const auto slash = file.rfind('/');
  std::string folder = ".";
  if (slash != std::string::npos) folder = file.substr(0, slash + 1);
  const Closer in(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (in.fd < 0) return system_error();
  return ::fsync(in.fd) == 0 ? std::error_code() : system_error();
}

std::error_code make_file(const std::string& file) {
  auto secret = make_secret();
  if (!secret) return secret.error().code;
  const std::string draft = file + ".new-" + base::random_instance().text();
  std::error_code error = write_new(draft, *secret);
  if (!error) error = rename_without_replacing(draft, file);
  if (error) ::unlink(draft.c_str());
  if (error == std::errc::file_exists) return {};  // another process was first
  if (!error) error = sync_folder_of(file);
  return error;
}

}  // namespace

Result<std::shared_ptr<const Identity>> Identity::load_or_make(const std::string& file) {
  auto secret = read_secret(file);
  if (!secret && secret.error().code == std::errc::no_such_file_or_directory) {
    if (const auto error = make_file(file); error)
      return Error(error, "make identity " + base::quoted(file));
    secret = read_secret(file);
  }
  const std::string what = "read identity " + base::quoted(file);
  if (!secret) return std::move(secret).error().within(what);
  auto parsed = parse(*secret);
  if (!parsed) return std::move(parsed).error().within(what);
  const std::shared_ptr<Identity> identity(new Identity);
  identity->key_ = parsed->first.release();
  identity->certificate_ = parsed->second.release();
  identity->id_ = base::peer_id_of(identity->certificate_);
  return std::shared_ptr<const Identity>(identity);
}

Identity::~Identity() {
  EVP_PKEY_free(key_);
  X509_free(certificate_);
}

}  // namespace peer::trust
