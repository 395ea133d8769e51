#include <algorithm>
#include <charconv>

#include "async/run_on.hpp"
#include "base/text.hpp"
#include "node/failure.hpp"
#include "node/requests.hpp"

namespace peer::node {

using base::Exit;

namespace {

constexpr std::size_t kOffersNamed = 10;  ///< where several are meant
constexpr std::size_t kTitleColumns = 40;

std::optional<std::uint64_t> as_number(const std::string& word) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (word.empty() || error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return number;
}

bool fits(const OfferRecord& offer, WantOffer want) {
  if (want == WantOffer::incoming) return !offer.given();
  if (want == WantOffer::outgoing) return offer.given();
  return true;
}

bool is_open(const OfferRecord& offer) {
  return offer.is(state::preparing) || offer.is(state::pending) || offer.is(state::active) ||
         offer.is(state::partial);
}

/// "  3  to bob: ‘photos’, 12 files, 1.5 GB"
std::string line_of(Node& node, const OfferRecord& offer) {
  const auto& what = offer.row.offer;
  std::string line = "  " + std::to_string(offer.row.number) +
                     (offer.given() ? "  to " : "  from ") +
                     base::escaped(node.contacts.called(offer.row.peer)) + ": ‘" +
                     base::escaped(what.title, kTitleColumns) + "’";
  if (offer.is(state::preparing)) return line + ", being prepared";
  return line + ", " + base::count_of(what.files, "file") + ", " + base::size_text(what.bytes);
}

}  // namespace

OfferPtr select_offer(Node& node, const std::string& selector, WantOffer want) {
  const std::string kind = want == WantOffer::incoming   ? "incoming "
                           : want == WantOffer::outgoing ? "outgoing "
                                                         : "";
  if (const auto number = as_number(selector)) {
    const auto offer = node.offers.find(*number);
    if (!offer)
      throw Failure(Exit::unknown,
                    "no open offer has the number " + selector +
                        ": peer offers lists the open ones, peer history the others");
    if (!fits(*offer, want)) {
      throw Failure(Exit::usage,
                    "offer " + selector + " is " +
                        (offer->given() ? "one you made: peer cancel " + selector + " withdraws it"
                                        : "one made to you"));
    }
    return offer;
  }
  std::optional<protocol::PeerId> peer;
  if (!selector.empty()) peer = known_peer(node, selector);
  std::vector<OfferPtr> found;
  for (const auto& [number, offer] : node.offers.open()) {
    if (is_open(*offer) && fits(*offer, want) && (!peer || offer->row.peer == *peer))
      found.push_back(offer);
  }
  const auto whose = peer ? " with " + node.contacts.called(*peer) : std::string();
  if (found.empty()) throw Failure(Exit::unknown, "no " + kind + "offer" + whose + " is open");
  if (found.size() > 1) {
    std::string lines;
    for (std::size_t i = 0; i < std::min(found.size(), kOffersNamed); ++i)
      lines += '\n' + line_of(node, *found[i]);
    if (found.size() > kOffersNamed)
      lines += "\n  and " + base::count_text(found.size() - kOffersNamed) + " more: peer offers";
    throw Failure(Exit::usage,
                  "several " + kind + "offers" + whose + " are open: give the number" + lines);
  }
  return found.front();
}

asio::awaitable<OfferPtr> select_incoming(Node& node, std::string selector) {
  const auto number = as_number(selector);
  if (!number || node.offers.find(*number))
    co_return select_offer(node, selector, WantOffer::incoming);
  auto offer = co_await select_any_offer(node, selector);
  if (offer->given())
    throw Failure(Exit::usage, "offer " + selector + " is one you made, and has ended");
  co_return offer;
}

asio::awaitable<OfferPtr> select_any_offer(Node& node, std::string selector) {
  const auto number = as_number(selector);
  if (!number || node.offers.find(*number)) co_return select_offer(node, selector, WantOffer::any);
  auto& database = *node.services.database;
  auto job = [&database, n = *number] { return database.offer(n); };
  auto row = co_await async::run_on(node.services.database_thread, std::move(job));
  if (!row) throw Failure(Exit::failed, row.error().text());
  if (!*row)
    throw Failure(Exit::unknown, "no offer has the number " + selector +
                                     ": peer offers and peer history list them");
  auto offer = std::make_shared<OfferRecord>();
  offer->row = std::move(**row);
  co_return offer;
}

}  // namespace peer::node
