#include "node/known_addresses.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "protocol/limits.hpp"

namespace peer::node {

namespace {

enum class Family : std::uint8_t { name, v4, v6 };

Family family_of(const trust::Address& address) {
  if (address.host.find(':') != std::string::npos) return Family::v6;
  const bool numbers = address.host.find_first_not_of("0123456789.") == std::string::npos;
  return numbers ? Family::v4 : Family::name;
}

/// The next is the first of another family than the one before, if there is one; behind a name,
/// which may be of either, the first.
std::vector<trust::Address> in_turns(std::vector<trust::Address> left) {
  std::vector<trust::Address> out;
  auto before = Family::name;
  while (!left.empty()) {
    auto next = std::ranges::find_if(left, [&](const trust::Address& address) {
      return before == Family::name || family_of(address) != before;
    });
    if (next == left.end()) next = left.begin();
    before = family_of(*next);
    out.push_back(std::move(*next));
    left.erase(next);
  }
  return out;
}

void add_parsed(std::vector<trust::Address>& out, const std::string& text) {
  auto address = trust::parse_address(text, protocol::kDefaultPort);
  if (address && std::ranges::find(out, *address) == out.end()) out.push_back(*std::move(address));
}

bool only_heard(const AddressRow& row) {
  return row.learned == Learned::heard && row.last_answered == 0;
}

template <class Which>
void keep_best(std::vector<AddressRow>& known, std::size_t most, const AddressRow& newest,
               Which which) {
  const auto worth = [&](const AddressRow& row) {
    return std::tuple(row.text == newest.text, row.last_answered, row.last_seen);
  };
  while (static_cast<std::size_t>(std::ranges::count_if(known, which)) > most) {
    auto worst = known.end();
    for (auto it = known.begin(); it != known.end(); ++it)
      if (which(*it) && (worst == known.end() || worth(*it) < worth(*worst))) worst = it;
    known.erase(worst);
  }
}

}  // namespace

const AddressRow* find_address(const std::vector<AddressRow>& known, std::string_view text) {
  const auto it = std::ranges::find(known, text, &AddressRow::text);
  return it == known.end() ? nullptr : &*it;
}

void learn(std::vector<AddressRow>& known, const std::string& text, Learned how, bool answered,
           UnixTime now) {
  if (text.empty()) return;
  auto it = std::ranges::find(known, text, &AddressRow::text);
  if (it == known.end()) {
    known.push_back({text, how, now, now, 0});
    it = std::prev(known.end());
  }
  it->learned = std::min(it->learned, how);
  it->last_seen = now;
  if (answered) it->last_answered = now;
  const AddressRow newest = *it;
  keep_best(known, kMaxHeardAddresses, newest, only_heard);
  keep_best(known, kMaxKnownAddresses, newest,
            [](const AddressRow& row) { return row.learned != Learned::given; });
}

bool worth_a_session(const std::vector<AddressRow>& known) {
  return !std::ranges::all_of(known, [](const AddressRow& row) {
    return row.learned >= Learned::imported && row.last_answered == 0;
  });
}

bool may_be_given(const std::vector<AddressRow>& known, std::string_view text) {
  const auto* row = find_address(known, text);
  const bool is_given = row && row->learned == Learned::given;
  const auto given = std::ranges::count(known, Learned::given, &AddressRow::learned);
  return is_given || static_cast<std::size_t>(given) < kMaxGivenAddresses;
}

std::vector<trust::Address> dialling_order(const std::vector<std::string>& nearby,
                                           std::vector<AddressRow> known) {
  std::ranges::stable_sort(known, [](const AddressRow& a, const AddressRow& b) {
    if (a.last_answered != b.last_answered) return a.last_answered > b.last_answered;
    if (a.learned != b.learned) return a.learned < b.learned;
    return a.last_seen > b.last_seen;
  });
  std::vector<trust::Address> here;
  std::vector<trust::Address> kept;
  for (const auto& text : nearby) add_parsed(here, text);
  for (const auto& row : known) add_parsed(kept, row.text);
  std::erase_if(kept, [&](const auto& one) { return std::ranges::find(here, one) != here.end(); });
  auto order = in_turns(std::move(here));
  for (auto& address : in_turns(std::move(kept))) order.push_back(std::move(address));
  return order;
}

}  // namespace peer::node
