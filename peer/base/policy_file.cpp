#include "base/policy_file.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/settings.hpp"
#include "base/settings_file.hpp"
#include "base/text.hpp"

namespace peer::base {
namespace {

// The file as text, and what it says; kept together so that places fit.
struct File {
  std::string name;
  std::string text;
  toml::table table;

  Error not_editable() const {
    return Error(SettingsErrc::not_editable, "change the rules in " + quoted(name));
  }
  Result<void> set(std::string changed) {
    auto parsed = parse_toml(changed, name);
    if (!parsed) return not_editable();
    text = std::move(changed);
    table = *std::move(parsed);
    return {};
  }
  std::vector<PolicyRule> rules() const {
    const toml::node* node = table.get(kPolicyKey);
    return node == nullptr ? std::vector<PolicyRule>{} : read_policy(*node, name);
  }
  // The table of a rule that stands under a header of its own.
  const toml::table* rule(std::size_t index) const {
    const toml::array* tables = table.get_as<toml::array>(kPolicyKey);
    if (tables == nullptr || index >= tables->size()) return nullptr;
    const toml::table* one = tables->get(index)->as_table();
    return one == nullptr || one->is_inline() ? nullptr : one;
  }
};

Result<File> open_file(const std::string& name) {
  auto text = read_settings_text(name);
  if (!text) return std::move(text).error();
  auto table = parse_toml(*text, name);
  if (!table) return std::move(table).error();
  return File{name, *std::move(text), *std::move(table)};
}

std::string line_of(const std::string& key, const std::string& value) {
  return key + " = " + toml_string(value) + "\n";
}

struct Lines {
  std::size_t begin, end;
};

Lines lines_of(const std::string& text, const toml::key& key, const toml::node& value) {
  return {line_start(text, offset_of(text, key.source().begin)),
          next_line(text, offset_of(text, value.source().end))};
}

Result<void> remove_rule(File& file, std::size_t index) {
  const toml::table* rule = file.rule(index);
  if (rule == nullptr) return file.not_editable();
  std::vector<Lines> gone;
  const std::size_t header = offset_of(file.text, rule->source().begin);
  gone.push_back({line_start(file.text, header), next_line(file.text, header)});
  for (const auto& [key, value] : *rule) gone.push_back(lines_of(file.text, key, value));
  std::sort(gone.begin(), gone.end(), [](Lines a, Lines b) { return a.begin > b.begin; });
  std::string text = file.text;
  for (const Lines lines : gone) text.erase(lines.begin, lines.end - lines.begin);
  // One of the empty lines around it goes with it.
  const std::size_t at = gone.back().begin;
  const bool empty_before = at == 0 || (at >= 2 && text.compare(at - 2, 2, "\n\n") == 0);
  if (empty_before && at < text.size() && text[at] == '\n')
    text.erase(at, 1);
  else if (empty_before && at == text.size() && at > 0)
    text.pop_back();
  return file.set(std::move(text));
}

Result<void> remove_key(File& file, std::size_t index, const std::string& key) {
  const toml::table* rule = file.rule(index);
  if (rule == nullptr) return file.not_editable();
  const auto found = rule->find(key);
  const Lines lines = lines_of(file.text, found->first, found->second);
  return file.set(std::string(file.text).erase(lines.begin, lines.end - lines.begin));
}

Result<void> set_key(File& file, std::size_t index, const std::string& key,
                     const std::string& value) {
  const toml::table* rule = file.rule(index);
  if (rule == nullptr) return file.not_editable();
  std::string text = file.text;
  if (const toml::node* old = rule->get(key)) {
    const std::size_t begin = offset_of(text, old->source().begin);
    text.replace(begin, offset_of(text, old->source().end) - begin, toml_string(value));
    return file.set(std::move(text));
  }
  std::size_t at = next_line(text, offset_of(text, rule->source().begin));
  for (const auto& [other, node] : *rule) at = std::max(at, lines_of(text, other, node).end);
  if (text[at - 1] != '\n') text.insert(at++, 1, '\n');
  return file.set(text.insert(at, line_of(key, value)));
}

Result<void> change_rule(File& file, std::size_t index, const RuleKeys& keys) {
  std::vector<std::string> gone;
  if (const toml::table* old = file.rule(index)) {
    for (const auto& [key, node] : *old) {
      const auto kept = std::any_of(keys.begin(), keys.end(), [name = key.str()](const auto& one) {
        return one.first == name;
      });
      if (!kept) gone.emplace_back(key.str());
    }
  }
  for (const auto& [key, value] : keys)
    if (auto done = set_key(file, index, key, value); !done) return done;
  for (const std::string& key : gone)
    if (auto done = remove_key(file, index, key); !done) return done;
  return {};
}

// Before all others; the comment above the first belongs to that one. Without others at the end.
Result<void> add_rule(File& file, const RuleKeys& keys) {
  std::string rule = "[[policy]]\n";
  for (const auto& [key, value] : keys) rule += line_of(key, value);
  std::string text = file.text;
  if (file.rules().empty()) {
    if (!text.empty() && text.back() != '\n') text += '\n';
    if (!text.empty()) text += '\n';
    return file.set(text + rule);
  }
  const toml::table* first = file.rule(0);
  if (first == nullptr) return file.not_editable();
  std::size_t at = line_start(text, offset_of(text, first->source().begin));
  while (at > 0 && text[line_start(text, at - 1)] == '#') at = line_start(text, at - 1);
  return file.set(text.insert(at, rule + "\n"));
}

// Whether the change is all that has changed: what else the table holds is as it was, and so are
// the rules that were not meant.
bool is_the_change(toml::table before, toml::table after, std::vector<toml::table> expected) {
  std::vector<toml::table> found;
  if (const toml::array* tables = after.get_as<toml::array>(kPolicyKey))
    for (const toml::node& one : *tables)
      if (one.is_table()) found.push_back(*one.as_table());
  before.erase(kPolicyKey);
  after.erase(kPolicyKey);
  return before == after && found == expected;
}

std::vector<toml::table> tables_of(const File& file) {
  std::vector<toml::table> out;
  if (const toml::array* tables = file.table.get_as<toml::array>(kPolicyKey))
    for (const toml::node& one : *tables)
      if (one.is_table()) out.push_back(*one.as_table());
  return out;
}

}  // namespace

Result<void> put_policy_rule(const std::string& name, const RuleKeys& keys,
                             const RuleFilter& replaced, const RuleFilter& fits) {
  auto file = open_file(name);
  if (!file) return std::move(file).error();
  const toml::table before = file->table;
  auto expected = tables_of(*file);
  const auto rules = file->rules();
  if (expected.size() != rules.size()) return file->not_editable();
  toml::table wanted;
  for (const auto& [key, value] : keys) wanted.insert(key, value);
  const auto first = std::find_if(rules.begin(), rules.end(), fits);
  if (first != rules.end() && replaced(*first)) {
    const auto index = static_cast<std::size_t>(first - rules.begin());
    if (auto done = change_rule(*file, index, keys); !done) return done;
    expected[index] = std::move(wanted);
  } else {
    for (std::size_t i = rules.size(); i-- > 0;) {
      if (!replaced(rules[i])) continue;
      if (auto done = remove_rule(*file, i); !done) return done;
      expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (auto done = add_rule(*file, keys); !done) return done;
    expected.insert(expected.begin(), std::move(wanted));
  }
  if (!is_the_change(before, file->table, std::move(expected))) return file->not_editable();
  return write_settings_text(name, file->text);
}

Result<std::size_t> remove_policy_rules(const std::string& name, const RuleFilter& which) {
  auto file = open_file(name);
  if (!file) return std::move(file).error();
  const toml::table before = file->table;
  auto expected = tables_of(*file);
  const auto rules = file->rules();
  if (expected.size() != rules.size()) return file->not_editable();
  std::size_t removed = 0;
  for (std::size_t i = rules.size(); i-- > 0;) {
    if (!which(rules[i])) continue;
    if (auto done = remove_rule(*file, i); !done) return std::move(done).error();
    expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(i));
    ++removed;
  }
  if (removed == 0) return removed;
  if (!is_the_change(before, file->table, std::move(expected))) return file->not_editable();
  if (auto written = write_settings_text(name, file->text); !written)
    return std::move(written).error();
  return removed;
}

Result<void> name_policy_rules(const std::string& file_name, const protocol::PeerId& id,
                               const std::string& name) {
  auto file = open_file(file_name);
  if (!file) return std::move(file).error();
  const toml::table before = file->table;
  auto expected = tables_of(*file);
  const auto rules = file->rules();
  if (expected.size() != rules.size()) return file->not_editable();
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].id != id || !expected[i].contains("name")) continue;
    if (auto done = set_key(*file, i, "name", name); !done) return done;
    expected[i].insert_or_assign("name", name);
  }
  if (file->table == before) return {};
  if (!is_the_change(before, file->table, std::move(expected))) return file->not_editable();
  return write_settings_text(file_name, file->text);
}

}  // namespace peer::base
