#include "cli/qr.hpp"

#ifdef PEER_QR
#include <qrencode.h>

#include <memory>
#endif

namespace peer::cli {

namespace {

// Of the 256 colours: the basic sixteen are what the user's theme makes of them.
constexpr std::string_view kBlackOnWhite = "\x1b[38;5;16;48;5;231m";
constexpr std::string_view kPlain = "\x1b[0m";

}  // namespace

#ifdef PEER_QR

bool has_qr() { return true; }

std::optional<QrCode> qr_code(std::string_view text) {
  constexpr int kSmallestVersion = 0;  // that holds it
  const std::unique_ptr<QRcode, decltype(&QRcode_free)> made(
      QRcode_encodeData(static_cast<int>(text.size()),
                        reinterpret_cast<const unsigned char*>(text.data()), kSmallestVersion,
                        QR_ECLEVEL_M),
      &QRcode_free);
  if (!made) return std::nullopt;
  QrCode code;
  code.width = static_cast<std::size_t>(made->width);
  for (std::size_t i = 0; i < code.width * code.width; ++i)
    code.dark.push_back((made->data[i] & 1) != 0);
  return code;
}

#else

bool has_qr() { return false; }

std::optional<QrCode> qr_code(std::string_view) { return std::nullopt; }

#endif

std::vector<std::string> qr_lines(const QrCode& code) {
  const std::size_t side = code.width + 2 * kQuietZone;
  const auto dark = [&](std::size_t x, std::size_t y) {
    const bool inside = x >= kQuietZone && y >= kQuietZone && x < kQuietZone + code.width &&
                        y < kQuietZone + code.width;
    return inside && code.dark[(y - kQuietZone) * code.width + x - kQuietZone];
  };
  std::vector<std::string> lines;
  for (std::size_t y = 0; y < side; y += 2) {
    std::string line(kBlackOnWhite);
    for (std::size_t x = 0; x < side; ++x) {
      const bool upper = dark(x, y);
      const bool lower = dark(x, y + 1);
      line += upper && lower ? "█" : upper ? "▀" : lower ? "▄" : " ";
    }
    lines.push_back(line.append(kPlain));
  }
  return lines;
}

}  // namespace peer::cli
