#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/policy_rule.hpp"
#include "protocol/result.hpp"

/// Changing the rules in the settings file; everything else in it stays as the person wrote it, and
/// nothing is written unless reading it again gives just the change that was meant
/// (SettingsErrc::not_editable).
namespace peer::base {

using RuleFilter = std::function<bool(const PolicyRule&)>;
/// A [[policy]] table: its keys and their texts.
using RuleKeys = std::vector<std::pair<std::string, std::string>>;

/// Makes `rule` the first that fits: in the place of the first rule in `fits` if that is one in
/// `replaced`, its comments kept; else before all others, and those in `replaced` go.
Result<void> put_policy_rule(const std::string& file, const RuleKeys& rule,
                             const RuleFilter& replaced, const RuleFilter& fits);
/// How many there were. Comments on lines of their own stay.
Result<std::size_t> remove_policy_rules(const std::string& file, const RuleFilter& which);

/// The `name` that rules with an ID have for people to read, where they have one.
Result<void> name_policy_rules(const std::string& file, const protocol::PeerId& id,
                               const std::string& name);

}  // namespace peer::base
