#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/requests.hpp"

namespace peer::node {

using base::Exit;
using Json = nlohmann::json;

namespace {

/// Whose offers a watcher is shown.
struct Filter {
  bool strangers = false;
  std::optional<protocol::PeerId> peer;

  bool fits(Node& node, const OfferRecord& offer) const {
    if (peer) return offer.row.peer == *peer;
    return strangers || node.contacts.is_contact(offer.row.peer);
  }
};

Filter filter_of(Node& node, const std::string& from) {
  Filter filter;
  if (from.empty() || from == "anyone") {
    filter.strangers = true;
  } else if (from != "contacts") {
    filter.peer = known_peer(node, from);
  }
  return filter;
}

/// Counts a client that takes strangers' offers for as long as it lives.
class WatchingAnyone {
 public:
  WatchingAnyone(Exchange& exchange, bool counts) : exchange_(exchange), counts_(counts) {
    exchange_.watching_anyone += counts_;
  }
  WatchingAnyone(const WatchingAnyone&) = delete;
  ~WatchingAnyone() { exchange_.watching_anyone -= counts_; }

 private:
  Exchange& exchange_;
  int counts_;
};

class Watch {
 public:
  Watch(Node& node, Request& request, Filter filter, bool console)
      : node_(node),
        request_(request),
        filter_(std::move(filter)),
        console_(console),
        decided_(node.exchange.decided_by_rules().count) {}

  asio::awaitable<void> run() {
    while (!request_.stopped()) {
      withdraw();
      co_await show_pending();
      follow_decided();
      show_progress();
      co_await node_.services.changed.wait_for(kProgressEvery);
    }
  }

 private:
  /// Those that were shown and are no longer waiting for an answer.
  void withdraw() {
    std::erase_if(shown_, [&](const OfferPtr& offer) {
      if (offer->is(state::pending) && !offer->ended()) return false;
      Json fields;
      fields["number"] = offer->row.number;
      fields["state"] = offer->row.state;
      request_.event("withdrawn", std::move(fields));
      followed_.emplace(offer, std::string());
      return true;
    });
  }

  asio::awaitable<void> show_pending() {
    std::vector<OfferPtr> fresh;
    for (const auto& [number, offer] : node_.offers.open()) {
      if (!offer->given() && offer->is(state::pending) && !offer->deciding &&
          filter_.fits(node_, *offer) && !shown_.contains(offer))
        fresh.push_back(offer);
    }
    std::ranges::stable_sort(fresh, [&](const auto& a, const auto& b) {
      return node_.contacts.is_contact(a->row.peer) && !node_.contacts.is_contact(b->row.peer);
    });
    for (const auto& offer : fresh) {
      shown_.insert(offer);
      const auto plan = node_.exchange.default_plan();
      Json fields;
      try {
        auto seen = co_await node_.exchange.review(offer, plan);
        fields["review"] = review_json(seen, plan);
      } catch (const Failure& failure) {
        base::log(base::Level::warning, "watch", failure.text());
      }
      if (!offer->is(state::pending)) continue;  // decided while we looked
      fields["offer"] = offer_json(node_, *offer);
      request_.event("offer", std::move(fields));
    }
  }

  /// What rules have decided since the last look; it may have ended meanwhile.
  void follow_decided() {
    const auto& decided = node_.exchange.decided_by_rules();
    const auto fresh = std::min<std::uint64_t>(
        decided.count - std::exchange(decided_, decided.count), decided.latest.size());
    for (auto it = decided.latest.end() - static_cast<std::ptrdiff_t>(fresh);
         it != decided.latest.end(); ++it)
      if (filter_.fits(node_, **it)) followed_.emplace(*it, std::string());
  }

  void show_progress() {
    const auto now = std::chrono::steady_clock::now();
    const bool tick = now - last_ >= kProgressEvery;
    if (tick) last_ = now;
    for (const auto& [number, offer] : node_.offers.open()) {
      const bool ours = offer->given() ? console_ : filter_.fits(node_, *offer);
      if (ours && (offer->is(state::active) || (console_ && offer->given())))
        followed_.emplace(offer, std::string());
    }
    for (auto it = followed_.begin(); it != followed_.end();) {
      const auto& offer = it->first;
      const auto state = shown_state_of(node_, *offer);
      const bool moves = tick && offer->is(state::active);
      if (moves || state != it->second)
        request_.event("progress", Json{{"offer", offer_json(node_, *offer)}});
      it->second = state;
      it = offer->ended() ? followed_.erase(it) : std::next(it);
    }
  }

  Node& node_;
  Request& request_;
  Filter filter_;
  bool console_;
  std::set<OfferPtr> shown_;
  std::map<OfferPtr, std::string> followed_;
  std::uint64_t decided_;  ///< by rules, that were seen
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace

asio::awaitable<Json> do_watch(Node& node, Request& request) {
  const auto& arguments = request.arguments();
  const auto from = bytes_of(arguments, "from");
  auto filter = filter_of(node, from);
  WatchingAnyone counted(node.exchange, from == "anyone");
  Watch watch(node, request, std::move(filter), flag_of(arguments, "console"));
  co_await watch.run();
  co_return Json::object();
}

}  // namespace peer::node
