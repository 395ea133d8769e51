#include <algorithm>
#include <utility>

#include "node/taking.hpp"
#include "node/wire_text.hpp"
#include "storage/disk_error.hpp"

/// What makes a transfer stand still, and what lets it go on.
namespace peer::node {

using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kRemedyLooks{5};
constexpr std::chrono::seconds kDiskRetry{60};
constexpr std::chrono::seconds kSoonRetry{2};  ///< what was opened is gone, or there was no memory

bool is_space_trouble(const std::error_code& code) {
  return code == std::errc::no_space_on_device ||
         code == std::error_code(EDQUOT, std::generic_category());
}

}  // namespace

void Taking::resume() {
  *paused_ = false;
  bad_blocks_ = 0;
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

void Taking::disk_trouble(const Error& error) {
  if (error.code == std::errc::state_not_recoverable) {
    list_damaged_ = true;
    return stop();
  }
  if (*paused_ && offer_->trouble) return;
  *paused_ = true;
  protocol::Trouble trouble;
  const bool space = is_space_trouble(error.code);
  trouble.code = protocol::wire_code(space ? protocol::Errc::no_space : protocol::Errc::disk);
  trouble.id = offer_->row.id;
  trouble.text = wire_text(error.code.message(), protocol::kMaxTextBytes);
  if (space && intake_ && storage::has_inodes(plan_.folder)) {
    const auto progress = intake_->progress();
    trouble.missing = progress.chosen_bytes - std::min(progress.have_bytes, progress.chosen_bytes);
  }
  told_ = trouble;  // without our path: it is none of the giver's business
  tell_trouble();
  trouble.text = error.text();
  if (const auto remedy = storage::disk_remedy(error.code, plan_.folder); !remedy.empty())
    trouble.text += ": " + remedy;
  offer_->trouble = trouble;
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

/// What stopped us may be over: a full disk has room again, the giver's disk is back.
void Taking::look_for_remedy() {
  if (!offer_->trouble || steady_clock::now() - looked_ < kRemedyLooks) return;
  looked_ = steady_clock::now();
  if (!offer_->trouble_is_ours) {
    resume();
  } else if (offer_->row.paused) {
    return;
  } else if (offer_->trouble->code == protocol::wire_code(protocol::Errc::no_space)) {
    std::uint64_t missing = 0;
    const auto needed = std::max<std::uint64_t>(offer_->trouble->missing, 1);
    if (storage::has_inodes(plan_.folder) &&
        services_.space.reserve(offer_->row.id, plan_.folder, needed, missing))
      resume();
  } else if (steady_clock::now() >= retry_ && !intake_) {
    resume();
  } else if (steady_clock::now() >= retry_) {
    again_ = true;
    stop();
  }
}

}  // namespace peer::node
