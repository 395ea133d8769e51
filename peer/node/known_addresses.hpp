#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/database.hpp"
#include "trust/names.hpp"

/// Where one contact can be dialled: what is kept, and in which order it is tried. Values; no clock
/// of its own.
namespace peer::node {

using storage::AddressRow;
using storage::Learned;
using storage::UnixTime;

/// Of one contact, besides those that its user gave, which nothing throws out.
inline constexpr std::size_t kMaxKnownAddresses = 16;
/// Of these, where it never answered and only said that it listens: somebody who moves about leaves
/// one at every place, and behind address translation none of them leads anywhere.
inline constexpr std::size_t kMaxHeardAddresses = 2;
/// That a user may give for one contact.
inline constexpr std::size_t kMaxGivenAddresses = 64;

const AddressRow* find_address(const std::vector<AddressRow>& known, std::string_view text);

/// The contact was seen there: `answered` if we dialled and it showed its certificate. How an
/// address is known only ever gets better. Beyond the bounds those go that answered longest ago.
void learn(std::vector<AddressRow>& known, const std::string& text, Learned how, bool answered,
           UnixTime now);

/// Whether to dial it without a reason of its own: there is any that its user or itself named, or
/// that has led to it once. A file of contacts makes nobody dial what it says.
bool worth_a_session(const std::vector<AddressRow>& known);

/// Whether another may be given.
bool may_be_given(const std::vector<AddressRow>& known, std::string_view text);

/// Where to dial, in this order, each once: where it is heard nearby now, best first; then what is
/// known, the latest that answered first, and those where it has not answered yet by how they were
/// learned. Within both IPv6, IPv4 and names take turns, for one of them may lead nowhere today.
std::vector<trust::Address> dialling_order(const std::vector<std::string>& nearby,
                                           std::vector<AddressRow> known);

}  // namespace peer::node
