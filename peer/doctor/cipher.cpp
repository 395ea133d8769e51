#include "doctor/cipher.hpp"

#include <openssl/evp.h>

#include <array>
#include <chrono>
#include <memory>
#include <vector>

#include "base/text.hpp"

namespace peer::doctor {

namespace {

constexpr std::chrono::milliseconds kMeasured{100};
constexpr int kRecordBytes = 16 * 1024;
constexpr std::uint64_t kGigabit = 125'000'000;  ///< bytes a second

}  // namespace

std::uint64_t cipher_rate() {
  using Clock = std::chrono::steady_clock;
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  const std::array<unsigned char, 16> key{};
  const std::array<unsigned char, 12> nonce{};
  std::array<unsigned char, 16> tag{};
  std::vector<unsigned char> in(kRecordBytes);
  std::vector<unsigned char> out(kRecordBytes);
  if (!context ||
      EVP_EncryptInit_ex(context.get(), EVP_aes_128_gcm(), nullptr, key.data(), nonce.data()) != 1)
    return 0;
  std::uint64_t bytes = 0;
  const auto began = Clock::now();
  auto now = began;
  while (now < began + kMeasured) {
    int length = 0;
    const bool fine =
        EVP_EncryptInit_ex(context.get(), nullptr, nullptr, nullptr, nonce.data()) == 1 &&
        EVP_EncryptUpdate(context.get(), out.data(), &length, in.data(), kRecordBytes) == 1 &&
        EVP_EncryptFinal_ex(context.get(), out.data(), &length) == 1 &&
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(tag.size()),
                            tag.data()) == 1;
    if (!fine) return 0;
    bytes += kRecordBytes;
    now = Clock::now();
  }
  const std::chrono::duration<double> took = now - began;
  return static_cast<std::uint64_t>(static_cast<double>(bytes) / took.count());
}

Check cipher_check(std::uint64_t bytes_per_second) {
  Check check;
  check.name = "cipher";
  check.facts["bytes_per_second"] = bytes_per_second;
  if (bytes_per_second == 0) {
    check.state = Check::State::problem;
    check.text = "OpenSSL does not encrypt with AES-128-GCM here";
    check.remedy =
        "no connection can be made; is OpenSSL installed whole? (openssl speed -evp "
        "aes-128-gcm)";
    return check;
  }
  check.text = "one core encrypts " + base::rate_text(static_cast<double>(bytes_per_second)) +
               " (AES-128-GCM)";
  if (bytes_per_second < kGigabit) {
    check.state = Check::State::note;
    check.text += ": less than a gigabit network carries";
  }
  return check;
}

}  // namespace peer::doctor
