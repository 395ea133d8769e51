#pragma once

#include <exception>
#include <string>
#include <utility>

#include "base/exit_code.hpp"

namespace peer::node {

/// Ends a client's request: what it is told, and its exit code. Thrown inside requests only; stops
/// at their boundary.
class Failure : public std::exception {
 public:
  Failure(base::Exit exit, std::string text) : exit_(exit), text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& text() const { return text_; }
  base::Exit exit() const { return exit_; }

 private:
  base::Exit exit_;
  std::string text_;
};

}  // namespace peer::node
