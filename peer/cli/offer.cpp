#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/attach.hpp"
#include "cli/command_error.hpp"
#include "cli/commands.hpp"
#include "cli/follow.hpp"
#include "cli/json_fields.hpp"
#include "cli/paths.hpp"
#include "protocol/limits.hpp"

namespace peer::cli {
namespace {

const Spec& spec() {
  static const Spec instance{
      "offer",
      "offer PEER[,PEER]... PATH... [options]",
      "Offer files and folders to a peer, or to several, and follow the transfer to its end. The "
      "other side sees who asks, what and how much, and says yes or no. An offer to somebody who "
      "is away waits here, over restarts too, and goes out when both are there. The same offer "
      "given "
      "again goes on where it was. A link given as PATH is followed; links below a folder are "
      "kept. A PATH of - offers "
      "standard input under the name given with --as.",
      {{"as", "NAME", "another name for what is offered (one PATH)"},
       {"note", "TEXT", "a word to the other side"},
       {"only", "GLOB", kOnlyHelp, true},
       {"except", "GLOB", "leave out what matches; may be repeated", true},
       {"links", "WHICH",
        "links below: inside (default: as links, those that stay in the offer), all (every one as "
        "a link), or follow (what they lead to, if it lies in the offer; others are left out)"},
       {"expires", "T", "how long the offer stands (default: 30d)"},
       {"again", nullptr, "a new offer, even if the same one is open"},
       limit_option(),
       no_wait_option(),
       dry_run_option()},
      "peer offer bob photos/ notes.md\n"
      "peer offer bob,carol minutes.pdf --no-wait\n"
      "peer offer 192.168.1.7 disk.img --note 'the one you asked for'\n"
      "peer offer bob src --except '*.o' --except .git\n"
      "tar c db | peer offer bob - --as db.tar",
      "0 everything was taken, or what the other side chose of it\n"
      "3 the other side rejected or cancelled\n"
      "4 an address where nobody answers\n"
      "5 the other side is not who it should be\n"
      "8 something wanted did not arrive, or not all of several peers took it\n"
      "9 expired, or --timeout is over\n"
      "10 no such peer or path",
      2};
  return instance;
}

std::vector<std::string> offered_paths(const Arguments& arguments, bool spooled) {
  std::vector<std::string> paths(arguments.words().begin() + 1, arguments.words().end());
  if (arguments.given("as")) {
    if (paths.size() > 1) arguments.fail("--as goes with one PATH");
    check_root_name(arguments, arguments.bytes("as"));
  }
  if (spooled) {
    if (paths.size() > 1) arguments.fail("- cannot be offered together with other paths");
    if (!arguments.given("as")) arguments.fail("- needs a name: --as NAME");
    return {};
  }
  std::set<std::string> names;
  for (std::string& path : paths) {
    path = existing_path(path);
    const std::string name = last_part(path);
    if (name.empty() && !arguments.given("as"))
      arguments.fail("the root folder has no name: --as NAME");
    if (!names.insert(name).second)
      arguments.fail("two of the paths would both arrive as " + base::quoted(name) +
                     ": offer them one by one, one of them with --as");
  }
  return paths;
}

/// The peers of "bob,carol".
Json peer_words(const Arguments& arguments) {
  const std::string list = arguments.word(0);
  Json words = Json::array();
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (end == begin) arguments.fail(base::quoted(list) + ": a peer is missing beside a comma");
    words.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

Json request_from(const Arguments& arguments) {
  Json body = {{"do", "offer"},
               {"peers", peer_words(arguments)},
               {"again", arguments.flag("again")},
               {"wait", !arguments.flag("no-wait")},
               {"yes", arguments.common().yes},
               {"dry_run", arguments.flag("dry-run")}};
  if (arguments.given("as")) body["as"] = bytes_value(arguments.bytes("as"));
  const std::string note = arguments.text("note");
  if (note.size() > protocol::kMaxNoteBytes)
    arguments.fail("--note takes at most " + base::count_text(protocol::kMaxNoteBytes) + " bytes");
  if (!note.empty()) body["note"] = note;
  check_globs(arguments);
  body["only"] = bytes_values(arguments.list("only"));
  body["except"] = bytes_values(arguments.list("except"));
  constexpr std::array<std::string_view, 3> kLinks = {"inside", "all", "follow"};
  const std::string links = arguments.given("links") ? arguments.text("links") : "inside";
  if (std::find(kLinks.begin(), kLinks.end(), links) == kLinks.end())
    arguments.fail("--links is one of inside, all, follow");
  body["links"] = links;
  auto expires = std::optional<std::chrono::seconds>(protocol::kDefaultExpiry);
  if (arguments.given("expires")) expires = base::parse_duration(arguments.text("expires"));
  if (!expires || expires->count() <= 0 || *expires > protocol::kMaxExpiry)
    arguments.fail("--expires takes a time like 45s, 10m, 2h, 30d or 1w, at most 365d");
  body["expires"] = expires->count();
  if (const auto limit = arguments.limit()) body["limit"] = *limit;
  return body;
}

/// A spooled copy of standard input, taken away again unless the offer was made.
class Spooled {
 public:
  explicit Spooled(std::string path) : path_(std::move(path)) {}
  Spooled(const Spooled&) = delete;
  ~Spooled() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }
  void keep() { path_.clear(); }

 private:
  std::string path_;
};

}  // namespace

ExitCode run_offer(std::span<char*> args) {
  const auto arguments = Arguments::parse(spec(), args);
  if (!arguments) return ExitCode::done;
  const Common& common = arguments->common();
  Json body = request_from(*arguments);
  const auto& words = arguments->words();
  const bool from_stdin = std::find(words.begin() + 1, words.end(), "-") != words.end();
  std::vector<std::string> paths = offered_paths(*arguments, from_stdin);

  Attachment attachment;
  attachment.command = "offer";
  if (!from_stdin) {
    body["paths"] = bytes_values(paths);
    Attached attached = attach(common, attachment);
    require_lasting(*arguments, attached);
    return follow(attached, common, std::move(body));
  }
  Spooled spooled(spool_stdin(common.home()));
  body["paths"] = bytes_values({spooled.path()});
  Attached attached = attach(common, attachment);
  require_lasting(*arguments, attached);
  const bool dry_run = arguments->flag("dry-run");
  return follow(attached, common, std::move(body), [&] {
    if (!dry_run) spooled.keep();
  });
}

}  // namespace peer::cli
