#include <algorithm>
#include <utility>

#include "async/run_on.hpp"
#include "base/text.hpp"
#include "node/taking.hpp"
#include "node/wire_text.hpp"
#include "storage/disk_error.hpp"
#include "storage/space_book.hpp"
#include "storage/staging.hpp"

/// What makes a transfer stand still, and what lets it go on.
namespace peer::node {

using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kRemedyLooks{5};
constexpr std::chrono::seconds kDiskRetry{60};
constexpr std::chrono::seconds kSoonRetry{2};  ///< what was opened is gone, or there was no memory
constexpr std::chrono::seconds kFolderLooks{5};   ///< whether the folder that receives is there
constexpr std::uint64_t kRecordRoom = 64 * 1024;  ///< free again, for a record to go on

bool is_space_trouble(const std::error_code& code) {
  return code == std::errc::no_space_on_device ||
         code == std::error_code(EDQUOT, std::generic_category());
}

bool is_gone(const std::error_code& code) {
  return code == std::errc::no_such_file_or_directory || storage::is_errno(code, ESTALE);
}

bool names(const Error& error, const std::string& folder) {
  return error.context.find(base::escaped(folder)) != std::string::npos;
}

}  // namespace

void Taking::resume() {
  *paused_ = false;
  bad_blocks_ = 0;
  folder_away_ = drive_away_ = false;
  told_.reset();
  offer_->trouble.reset();
  services_.changed.notify_all();
  wake_.notify_all();
}

void Taking::pause() {
  *paused_ = true;
  told_.emplace();
  told_->id = offer_->row.id;
  told_->code = protocol::wire_code(protocol::Errc::paused);
  offer_->trouble = told_;
  offer_->trouble_is_ours = true;
  tell_trouble();
  services_.changed.notify_all();
}

void Taking::disk_trouble(const Error& failed) {
  if (failed.code == std::errc::state_not_recoverable) {
    list_damaged_ = true;
    return stop();
  }
  if (*paused_ && offer_->trouble) return;
  *paused_ = true;
  Error error = failed;
  const bool in_records = names(error, offer_->folder + "/");
  folder_away_ = storage::is_drive_away(error.code);
  if (is_gone(error.code) && intake_ && !in_records) {
    // Perhaps the whole folder went: that is told instead of the file that was not found.
    if (auto there = intake_->still_there(); !there) {
      error = std::move(there).error();
      folder_away_ = is_gone(error.code) || storage::is_drive_away(error.code);
    }
  }
  drive_away_ = storage::is_drive_away(error.code);
  protocol::Trouble told;
  const bool space = is_space_trouble(error.code);
  told.code = protocol::wire_code(space ? protocol::Errc::no_space : protocol::Errc::disk);
  told.id = offer_->row.id;
  told.text = storage::without_path(error);  // our path is none of the giver's business
  if (space && intake_ && !in_records && storage::has_inodes(plan_.folder)) {
    const auto progress = intake_->progress();
    told.missing = progress.chosen_bytes - std::min(progress.have_bytes, progress.chosen_bytes);
  }
  OfferTrouble trouble(told);
  trouble.records = in_records;
  trouble.folder = in_records ? offer_->folder : plan_.folder;
  if (folder_away_) {
    trouble.text = tell_gone(error, told);
  } else {
    const bool named = names(error, trouble.folder);
    trouble.text =
        named ? error.text() : "in " + base::quoted(trouble.folder) + ": " + error.text();
    if (const auto remedy = storage::disk_remedy(error.code, trouble.folder); !remedy.empty())
      trouble.text += ": " + remedy;
  }
  told.text = wire_text(told.text, protocol::kMaxTextBytes);
  told_ = std::move(told);
  tell_trouble();
  offer_->trouble = std::move(trouble);
  offer_->trouble_is_ours = true;
  const bool soon = error.code == std::errc::no_such_file_or_directory ||
                    error.code == std::errc::not_enough_memory;
  offer_->trouble_since = steady_clock::now();
  retry_ = offer_->trouble_since + (soon ? kSoonRetry : kDiskRetry);
  base::log(base::Level::warning, "taking",
            "offer " + std::to_string(offer_->row.number) + " paused: " + error.text());
  services_.changed.notify_all();
}

/// Wherever that was, what is staged is looked at anew: the books of what is here may be wrong.
void Taking::ran_out_of_memory() {
  *paused_ = true;
  no_memory_ = true;
  wake_.notify_all();
}

/// What is told here of a folder that is not at its path any more, and `told` without the path.
std::string Taking::tell_gone(const Error& error, protocol::Trouble& told) const {
  const auto folder = base::quoted(plan_.folder);
  const auto accept = "peer accept " + std::to_string(offer_->row.number);
  if (drive_away_) {
    told.text = "the drive that receives is not there";
    return folder +
           " is on another disk than what has arrived: is the drive mounted? It goes on when it is "
           "back; " +
           accept + " begins anew where it is now";
  }
  if (error.code == std::errc::no_such_file_or_directory) {
    told.text = "the folder that receives was removed";
    return "the folder " + folder +
           " was removed with what had arrived: it begins anew in a new one";
  }
  told.text = "the folder that receives was renamed or replaced";
  return "the folder " + folder +
         " was renamed or replaced: it goes on when it is back. Within a minute, or at once by " +
         accept + ", it begins anew in the one of that name";
}

void Taking::tell_trouble() {
  const auto session = pair_.session;
  if (!told_ || !session || session->over()) return;
  session->talk().trouble(*told_);
  session->flush();
}

void Taking::bad_block(const Error& error) {
  base::log(base::Level::warning, "taking",
            "offer " + std::to_string(offer_->row.number) + ": " + error.text());
  if (++bad_blocks_ < kBadBlocksAllowed) return;
  failure_ = "the bytes that arrived are not those announced (" + error.text() +
             "); nothing of them was kept";
  offer_->trouble.emplace();
  offer_->trouble->code = protocol::wire_code(protocol::Errc::bad_digest);
  wake_.notify_all();
}

void Taking::giver_trouble(const protocol::Trouble& trouble) {
  if (confirming_) confirming_->ask_again();
  if (told_) return;  // nothing is wanted anyway
  *paused_ = true;
  looked_ = steady_clock::now();
  offer_->trouble = trouble;
  offer_->trouble_is_ours = false;
  services_.changed.notify_all();
}

void Taking::giver_goes_on() {
  if (!told_ && *paused_ && pair_.session) resume();
}

/// While bytes are lacking, so that not all of them come first: a folder that was renamed is held
/// open, and could be written to the end.
asio::awaitable<void> Taking::look_at_folder() {
  if (steady_clock::now() - looked_ < kFolderLooks) co_return;
  looked_ = steady_clock::now();
  auto job = [intake = intake_] { return intake->still_there(); };
  auto there = co_await async::run_on(services_.disk, std::move(job));
  if (!there && !*paused_ && !stopping_) disk_trouble(there.error());
}

/// What stopped us may be over: a full disk has room again, the giver's disk is back.
asio::awaitable<void> Taking::look_for_remedy() {
  if (!offer_->trouble || steady_clock::now() - looked_ < kRemedyLooks) co_return;
  looked_ = steady_clock::now();
  if (!offer_->trouble_is_ours) {
    if (pair_.session) resume();  // while the giver is away its last word stands
  } else if (offer_->row.paused) {
    co_return;
  } else if (folder_away_) {
    co_await look_for_folder();
  } else if (offer_->trouble->code == protocol::wire_code(protocol::Errc::no_space)) {
    std::uint64_t missing = 0;
    const auto needed = std::max<std::uint64_t>(offer_->trouble->missing, 1);
    const bool room = offer_->trouble->records
                          ? storage::free_bytes(offer_->folder) >= kRecordRoom
                          : services_.space.reserve(offer_->row.id, plan_.folder, needed, missing);
    if (room && storage::has_inodes(offer_->trouble->records ? offer_->folder : plan_.folder))
      resume();
  } else if (steady_clock::now() >= retry_ && !intake_) {
    resume();
  } else if (steady_clock::now() >= retry_) {
    again_ = true;
    stop();
  }
}

/// The same folder is back: on it goes. The drive is, mounted anew: all on it is looked at anew.
/// For a drive there is no end of waiting.
asio::awaitable<void> Taking::look_for_folder() {
  auto job = [intake = intake_, record = offer_->folder]() -> Result<void> {
    if (intake) return intake->still_there();
    auto folder = storage::Folder::open(record);
    if (!folder) return std::move(folder).error();
    return storage::Staging::drive_there(*folder);
  };
  auto there = co_await async::run_on(services_.disk, std::move(job));
  if (!folder_away_ || stopping_ || offer_->row.paused) co_return;
  if (there) {
    resume();
  } else if (storage::is_drive_away(there.error().code)) {
    co_return;
  } else if (drive_away_ || steady_clock::now() >= retry_) {
    again_ = true;
    stop();
  }
}

}  // namespace peer::node
