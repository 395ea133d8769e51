#pragma once

#include <string>
#include <string_view>

namespace peer::trust {

/// What is left of a name when letters that look the same are made the same: two names with one
/// skeleton can be taken for each other. Upper and lower case, Latin letters and their Cyrillic,
/// Greek and full-width doubles, digits that look like letters, marks above and below.
std::string skeleton(std::string_view name);

}  // namespace peer::trust
