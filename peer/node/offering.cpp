#include "node/offering.hpp"

#include <ctime>
#include <filesystem>
#include <utility>

#include "async/run_on.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "node/failure.hpp"
#include "node/wire_text.hpp"

namespace peer::node {

using base::Exit;

namespace {

std::string title_of(const storage::ScanOptions& options) {
  std::string title;
  if (!options.names.empty()) {
    title = options.names.front();
  } else {
    auto path = std::filesystem::path(options.paths.front()).lexically_normal();
    if (path.filename().empty()) path = path.parent_path();
    title = path.filename().string();
  }
  const auto others = options.paths.size() - 1;
  return others == 0 ? title : title + " and " + base::count_text(others) + " more";
}

/// Of a walk that found nothing which can be offered.
std::string why_nothing(const storage::ScanReport& report) {
  if (!report.unreadable.empty()) {
    const auto& one = report.unreadable.front();
    return base::quoted(one.path) + " cannot be read (" + one.why + "): peer must be allowed to";
  }
  if (!report.left_out.empty()) {
    const auto& one = report.left_out.front();
    return base::quoted(one.path) + " is left out (" + one.why + ")";
  }
  return "none of the files, folders and links found was chosen by --only and --except";
}

/// A record is never written to again, so that its files may be shared.
Result<void> copy_record(const std::string& from, const std::string& to) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::create_directory(to, error);
  if (error) return Error(error, "make " + to);
  fs::permissions(to, fs::perms::owner_all, error);
  for (const auto& file : fs::directory_iterator(from, error)) {
    const auto name = to + "/" + file.path().filename().string();
    std::error_code failed;
    fs::create_hard_link(file.path(), name, failed);
    if (failed) fs::copy_file(file.path(), name, failed);
    if (failed) return Error(failed, "copy into " + name);
  }
  if (error) return Error(error, "look into " + from);
  return {};
}

}  // namespace

asio::awaitable<Scanned> scan_for_offer(Services& services, storage::ScanOptions options,
                                        storage::ScanProgress& progress) {
  Scanned scanned;
  scanned.options = std::move(options);
  const auto& paths = scanned.options.paths;
  if (paths.size() != 1 || !services.home.is_spooled(paths.front())) {
    scanned.options.never.push_back(services.home.data_folder);
    scanned.options.never.push_back(services.home.state_folder);
  }
  scanned.folder = services.home.offers + "/scan-" + base::random_offer_id().text();
  const auto* what = &scanned;
  auto* shown = &progress;
  auto job = [what, shown] { return storage::scan(what->options, what->folder, *shown); };
  auto report = co_await async::run_on(services.disk, std::move(job));
  if (!report) {
    discard(services, scanned);
    const auto& error = report.error();
    const bool missing = error.code == std::errc::no_such_file_or_directory ||
                         error.code == std::errc::not_a_directory;
    throw Failure(
        missing                                     ? Exit::unknown
        : error.code == std::errc::invalid_argument ? Exit::usage
                                                    : Exit::failed,
        error.context.empty() ? "look through what is offered: " + error.text() : error.text());
  }
  scanned.report = std::move(*report);
  if (scanned.report.totals.entries() == 0) {
    discard(services, scanned);
    throw Failure(Exit::unknown, "there is nothing to offer: " + why_nothing(scanned.report));
  }
  co_return scanned;
}

void discard(Services& services, const Scanned& scanned) {
  asio::post(services.disk, [folder = scanned.folder] {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  });
}

asio::awaitable<OfferPtr> make_offer(Services& services, Offers& offers, Exchange& exchange,
                                     protocol::PeerId peer, const Scanned& scanned,
                                     OfferWords words) {
  const auto& totals = scanned.report.totals;
  storage::OfferRow row;
  row.id = base::random_offer_id();
  row.peer = peer;
  row.direction = protocol::Direction::given;
  row.state = state::preparing;
  row.paths = scanned.options.paths;
  row.unreadable = scanned.report.unreadable_count;
  row.expires = std::time(nullptr) + words.expires.count();
  auto& what = row.offer;
  what.id = row.id;
  what.title = wire_text(words.title.empty() ? title_of(scanned.options) : words.title,
                         protocol::kMaxTitleBytes);
  what.note = wire_text(words.note, protocol::kMaxNoteBytes);
  what.files = totals.files;
  what.folders = totals.folders;
  what.links = totals.links;
  what.bytes = totals.bytes;
  what.manifest_bytes = scanned.report.manifest_bytes;
  what.manifest = scanned.report.manifest;
  what.expires = static_cast<std::uint64_t>(words.expires.count());
  what.get = words.get;
  auto offer = co_await offers.add(std::move(row));
  auto job = [from = scanned.folder, to = offer->folder] { return copy_record(from, to); };
  auto copied = co_await async::run_on(services.disk, std::move(job));
  if (!copied) {
    offers.end(offer, state::failed, copied.error().text());
    throw Failure(Exit::failed, "keep the offer's record in " + base::quoted(offer->folder) + ": " +
                                    copied.error().text());
  }
  // Nobody is told of an offer that a crash could make us forget.
  offer->row.state = state::pending;
  offers.save(offer);
  co_await services.saved();
  exchange.give(offer);
  co_return offer;
}

asio::awaitable<OfferPtr> same_offer(Services& services, Offers& offers, protocol::PeerId peer,
                                     const Scanned& scanned) {
  for (const auto& [number, offer] : offers.open()) {
    const auto& row = offer->row;
    const bool alike =
        offer->given() && row.peer == peer && row.paths == scanned.options.paths &&
        row.offer.manifest == scanned.report.manifest &&
        (offer->is(state::pending) || offer->is(state::active) || offer->is(state::partial));
    if (!alike) continue;
    const auto candidate = offer;
    auto job = [folder = candidate->folder]() -> Result<bool> {
      auto source = storage::Source::open(folder);
      if (!source) return std::move(source).error();
      return (*source)->unchanged();
    };
    auto unchanged = co_await async::run_on(services.disk, std::move(job));
    if (unchanged && *unchanged && !candidate->ended()) co_return candidate;
    co_return nullptr;
  }
  co_return nullptr;
}

}  // namespace peer::node
