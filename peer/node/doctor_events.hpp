#pragma once

#include <asio/awaitable.hpp>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "base/exit_code.hpp"
#include "doctor/check.hpp"
#include "node/requests.hpp"

namespace peer::node {

/// Tells a client of `doctor` what was found, as it is found.
class CheckEvents {
 public:
  explicit CheckEvents(Request& request) : request_(request) {}

  void tell(const doctor::Check& check);
  std::size_t problems() const { return problems_; }
  nlohmann::json result(base::Exit exit) const;

 private:
  Request& request_;
  std::size_t problems_ = 0;
};

/// `doctor` with a peer (requests_doctor_peer.cpp). Throws Failure (exits 2, 10).
asio::awaitable<nlohmann::json> doctor_peer(Node& node, Request& request, std::string word);

}  // namespace peer::node
