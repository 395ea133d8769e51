#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peer::cli {

/// A QR code's modules: `dark[y * width + x]`, without a quiet zone.
struct QrCode {
  std::size_t width = 0;
  std::vector<bool> dark;
};

/// Modules of light around a code that the standard asks for.
inline constexpr std::size_t kQuietZone = 4;

/// Whether this program was built with libqrencode.
bool has_qr();
/// Nothing if the text is too long for any code, or without libqrencode.
std::optional<QrCode> qr_code(std::string_view text);

/// Lines for a terminal, two rows of modules each, with the quiet zone, black on white whatever the
/// terminal's own colours are.
std::vector<std::string> qr_lines(const QrCode& code);
inline std::size_t qr_columns(const QrCode& code) { return code.width + 2 * kQuietZone; }

}  // namespace peer::cli
