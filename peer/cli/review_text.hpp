#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace peer::cli {

using Json = nlohmann::json;

/// For output that is no terminal: nothing is cut.
inline constexpr std::size_t kAnyWidth = 1000;

/// What a person is shown before answering an offer: who, title, note; then review_lines(). Each
/// line fits `columns`; at most `rows` lines, the totals last and never left out.
std::vector<std::string> question_lines(const Json& offer, const Json& review, std::size_t columns,
                                        std::size_t rows);

/// A REVIEW (node/LOCAL.md) in lines: largest entries, hidden and executable ones, clashes, what
/// cannot be stored, then totals, place and space.
/// `rest_word` is how to take only what is not there yet.
std::vector<std::string> review_lines(const Json& review, std::size_t columns,
                                      const std::string& rest_word = "--on-clash skip");

/// Whether some of the files are there already, so that taking only the rest means something.
bool has_rest(const Json& review);

}  // namespace peer::cli
