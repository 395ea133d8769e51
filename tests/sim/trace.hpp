#pragma once

#include <string>
#include <string_view>

#include "protocol/ledger.hpp"

namespace peer::sim {

/// What a schedule does, a line each, on standard error.
class Trace {
 public:
  explicit Trace(bool on) : on_(on) {}
  explicit operator bool() const { return on_; }
  void line(protocol::Time now, const std::string& text) const;
  /// The messages of framed `bytes`, without raw bytes.
  void messages(protocol::Time now, const std::string& who, std::string_view bytes) const;

 private:
  bool on_;
};

inline const char* name_of(std::size_t side) { return side == 0 ? "alice" : "bob"; }

}  // namespace peer::sim
