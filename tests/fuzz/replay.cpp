#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz.hpp"

namespace {

std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The input as it is, cut at every byte, and with every byte changed.
void try_around(std::vector<std::uint8_t> input) {
  constexpr std::uint8_t kChanges[] = {0x01, 0x20, 0x80};
  for (std::size_t size = 0; size <= input.size(); ++size)
    LLVMFuzzerTestOneInput(input.data(), size);
  for (std::uint8_t& byte : input) {
    for (const std::uint8_t change : kChanges) {
      byte ^= change;
      LLVMFuzzerTestOneInput(input.data(), input.size());
      byte ^= change;
    }
  }
}

}  // namespace

/// Runs a fuzz target over the files of the folders given, without a fuzzer.
int main(int argc, char** argv) {
  int count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& file : std::filesystem::directory_iterator(argv[i])) {
      if (!file.is_regular_file()) continue;
      try_around(read_file(file.path()));
      ++count;
    }
  }
  std::printf("%d inputs\n", count);
  return count > 0 ? 0 : 1;
}
