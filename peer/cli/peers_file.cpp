#include "cli/peers_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.hpp"
#include "cli/attach.hpp"
#include "cli/command_error.hpp"
#include "cli/contacts_file.hpp"
#include "cli/fd.hpp"
#include "cli/json_fields.hpp"
#include "cli/output.hpp"
#include "cli/peer_rows.hpp"

namespace peer::cli {
namespace {

constexpr std::size_t kPageBytes = 100'000;   ///< of contacts in one message
constexpr std::uint64_t kImportedNamed = 20;  ///< contacts of whom there is something to say

[[noreturn]] void file_failed(const std::string& what, const std::string& file, int error) {
  throw CommandError(ExitCode::failed,
                     what + " " + base::quoted(file) + ": " + std::strerror(error) +
                         (error == EEXIST ? ": nothing is written over; name another file" : ""));
}

/// A new file, private; an existing one is never written over.
void write_file(const std::string& file, const std::string& text) {
  const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.get() < 0) file_failed("write the contacts to", file, errno);
  for (std::size_t at = 0; at < text.size();) {
    const auto n = ::write(fd.get(), text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      ::unlink(file.c_str());
      file_failed("write the contacts to", file, error);
    }
    at += static_cast<std::size_t>(n);
  }
}

std::string read_all(int fd, const std::string& shown) {
  std::string text;
  std::string part(std::size_t{64} << 10, '\0');
  while (text.size() <= kMaxContactsFileBytes) {
    const auto n = ::read(fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) file_failed("read the contacts from", shown, errno);
    if (n == 0) break;
    text.append(part, 0, static_cast<std::size_t>(n));
  }
  return text;
}

std::string read_file(const std::string& file) {
  if (file == "-") return read_all(STDIN_FILENO, "standard input");
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) file_failed("read the contacts from", file, errno);
  return read_all(fd.get(), file);
}

void answer_page(Client& client, const Json& question, const std::vector<Json>& contacts) {
  Json page = Json::array();
  std::size_t bytes = 0;
  const auto from = number_of(question, "from");
  const auto most = number_of(question, "most");
  for (auto i = from; i < contacts.size() && page.size() < most && bytes < kPageBytes; ++i) {
    bytes += contacts[i].dump().size();
    page.push_back(contacts[i]);
  }
  client.answer(question, std::move(page));
}

/// What is worth a line of one contact.
std::string imported_text(const Json& one) {
  const std::string name = "‘" + base::escaped(text_of(one, "name")) + "’";
  const std::string here = base::escaped(text_of(one, "here"));
  const std::string outcome = text_of(one, "outcome");
  if (outcome == "name_taken")
    return name + " was left out: that is the name of another contact here, " + here;
  if (outcome == "blocked") return name + " was left out: this peer is blocked here";
  if (outcome == "itself") return name + " was left out: that is this peer itself";
  if (outcome == "verified") return "verified now: " + here;
  if (outcome == "known" && here != base::escaped(text_of(one, "name")))
    return name + " is your contact " + here + " and keeps that name" +
           (flag_of(one, "verified") ? "" : ", not verified");
  const std::string like = text_of(one, "looks_like");
  if (!like.empty())
    return "careful: " + name + " looks like your contact " + base::escaped(like) +
           ", who is somebody else";
  return {};
}

}  // namespace

ExitCode export_peers(const Common& common, const std::string& file) {
  Attachment attachment;
  attachment.command = "peers";
  Attached attached = attach(common, attachment);
  const auto peers = fetch_peers(*attached.client);
  const auto text = contacts_text(peers);
  std::size_t contacts = 0;
  std::size_t blocked = 0;
  for (const Json& peer : peers) {
    if (!flag_of(peer, "contact")) continue;
    ++(flag_of(peer, "blocked") ? blocked : contacts);
  }
  if (file.empty() || file == "-") {
    print(std::string_view(text).substr(0, text.size() - 1));
  } else {
    write_file(file, text);
  }
  const std::string left =
      blocked > 0 ? "; " + base::count_of(blocked, "blocked one") + " left out" : "";
  say(base::count_of(contacts, "contact") + " written" + left);
  return ExitCode::done;
}

ExitCode import_peers(const Common& common, const std::string& file, bool verified) {
  std::vector<Json> contacts;
  try {
    contacts = read_contacts(read_file(file), verified);
  } catch (const CommandError& error) {
    throw CommandError(error.code(), "import " + base::quoted(file) + ": " + error.what());
  }
  Attachment attachment;
  attachment.command = "peers";
  Attached attached = attach(common, attachment);
  std::uint64_t lines = 0;
  const auto handle = [&](const Json& message) {
    if (text_of(message, "kind") == "contacts")
      return answer_page(*attached.client, message, contacts);
    if (text_of(message, "event") != "imported") return;
    if (common.json) return print_row("imported", message);
    const auto text = imported_text(message);
    if (!text.empty() && ++lines <= kImportedNamed) say(text);
  };
  Json counts;
  try {
    counts = attached.client->call(Json::object({{"do", "import"}}), handle);
  } catch (const NodeGone&) {
    throw;
  } catch (const CommandError& error) {
    throw CommandError(error.code(), "import " + base::quoted(file) + ": " + error.what());
  }
  const auto left = number_of(counts, "name_taken") + number_of(counts, "blocked");
  if (lines > kImportedNamed)
    say("and " + base::count_text(lines - kImportedNamed) + " more like these");
  const auto verified_now = number_of(counts, "verified");
  say(base::count_of(number_of(counts, "added"), "contact") + " added" +
      (verified ? "" : ", not verified") + ", " +
      base::count_text(number_of(counts, "known") + verified_now) + " known already" +
      (verified_now > 0 ? " (" + base::count_text(verified_now) + " of them verified now)" : "") +
      (left > 0 ? ", " + base::count_text(left) + " left out" : ""));
  return left > 0 ? ExitCode::partly : ExitCode::done;
}

}  // namespace peer::cli
