#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

namespace peer {

/// What went wrong: a code for programs, and for people what was attempted, on what ("write ‘a.iso’
/// at 1 GiB").
struct Error {
  std::error_code code;
  std::string context;

  Error(std::error_code c, std::string what = {}) : code(c), context(std::move(what)) {}

  /// "context: reason", or the reason alone.
  std::string text() const {
    return context.empty() ? code.message() : context + ": " + code.message();
  }

  /// The same error seen from one level up: "outer: context".
  Error within(const std::string& outer) && {
    context = context.empty() ? outer : outer + ": " + context;
    return std::move(*this);
  }
};

/// A value or an Error. The shape of std::expected, which the clang used for fuzzing cannot read
/// yet.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}
  Result(std::error_code code) : v_(std::in_place_index<1>, Error(code)) {}

  explicit operator bool() const noexcept { return v_.index() == 0; }
  T& operator*() & { return std::get<0>(v_); }
  const T& operator*() const& { return std::get<0>(v_); }
  T&& operator*() && { return std::get<0>(std::move(v_)); }
  T* operator->() { return &std::get<0>(v_); }
  const T* operator->() const { return &std::get<0>(v_); }
  Error& error() & { return std::get<1>(v_); }
  const Error& error() const& { return std::get<1>(v_); }
  Error&& error() && { return std::get<1>(std::move(v_)); }

 private:
  std::variant<T, Error> v_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  Result(std::error_code code) : error_(Error(code)) {}

  explicit operator bool() const noexcept { return !error_; }
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace peer
