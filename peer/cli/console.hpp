#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/client.hpp"
#include "cli/question.hpp"

namespace peer::cli {

/// Asks about incoming offers on the terminal, one at a time, contacts' first. What is decided is
/// sent to the node at once; transfers are followed elsewhere.
class Console {
 public:
  /// Accepts: sends `accept` for an offer with these further fields.
  using Accept = std::function<void(std::uint64_t number, Json fields)>;
  Console(Client& client, const Common& common, Accept accept);

  void add(const Json& offer, const Json& review);
  /// The offer was answered or ended elsewhere, and is in `state` now.
  void remove(std::uint64_t number, const std::string& state);
  bool asking() const { return asking_; }

 private:
  struct Question {
    Json offer;
    Json review;
    std::uint64_t listed = 0;  ///< entries of its list that were shown
  };

  std::uint64_t number() const;
  Allowed allowed() const;
  bool still(std::uint64_t number) const;
  void next();
  void ask();
  void ask_keys();
  void answered(std::optional<std::string> line);
  void decide(Answer answer);
  void accept(Json fields);
  void reject(bool block);
  void finished();
  void show_list(std::function<void()> then);
  void show_page(const std::vector<Json>& page, bool more);
  void ask_choice();
  void chosen(const std::string& line);
  void ask_name();
  void named(const std::string& line, const std::string& suggested);
  void name_contact(const std::string& name);

  Client& client_;
  const Common& common_;
  Accept accept_;
  std::deque<Question> queue_;  ///< the first is the one being asked
  bool asking_ = false;
  bool input_ended_ = false;
};

}  // namespace peer::cli
