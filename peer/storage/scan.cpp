#include "storage/scan.hpp"

#include "base/text.hpp"
#include "storage/offer_writer.hpp"
#include "storage/record_file.hpp"
#include "storage/roots.hpp"
#include "storage/scan_walk.hpp"

namespace peer::storage {
namespace {

Result<void> judge_globs(const std::vector<std::string>& globs) {
  for (const auto& glob : globs) {
    if (auto text = glob_error(glob); !text.empty())
      return Error(std::make_error_code(std::errc::invalid_argument),
                   "pattern " + base::quoted(glob) + ": " + text);
  }
  return {};
}

}  // namespace

Result<ScanReport> scan(const ScanOptions& options, const std::string& folder,
                        ScanProgress& progress) {
  if (auto r = judge_globs(options.selection.only); !r) return std::move(r).error();
  if (auto r = judge_globs(options.selection.except); !r) return std::move(r).error();
  auto roots = find_roots(options.paths, options.names, options.beneath);
  if (!roots) return std::move(roots).error();
  roots->following = options.links == Links::follow;

  auto record = make_record_folder(folder);
  if (!record) return std::move(record).error();
  auto writer = OfferWriter::create(folder);
  if (!writer) return std::move(writer).error();
  ScanReport report;
  ScanWalk walk(options, *writer, report, progress);
  for (const auto& root : roots->all)
    if (auto r = walk.root(root); !r) return std::move(r).error();
  if (auto r = writer->finish(); !r) return std::move(r).error();
  if (auto r = roots->write(*record); !r) return std::move(r).error();

  report.totals = writer->totals();
  report.manifest_bytes = writer->manifest_bytes();
  report.manifest = writer->digest();
  return report;
}

}  // namespace peer::storage
