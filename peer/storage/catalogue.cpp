#include "storage/catalogue.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <cassert>
#include <cstring>
#include <type_traits>

#include "storage/folder.hpp"
#include "storage/record_file.hpp"

namespace peer::storage {
namespace {

using protocol::Entry;
using protocol::Kind;

/// One entry in `catalogue`; native byte order, as all of these files stay on their machine. Its
/// path and, right behind, its target lie in `names`.
struct Record {
  std::uint64_t offset;  ///< in the stream
  std::uint64_t size;
  std::uint64_t allocated;
  std::int64_t mtime;
  std::uint64_t name_check;  ///< XXH3-64 of path and target
  std::uint64_t inode;
  std::int64_t ctime;
  std::uint64_t name_at;  ///< offset in `names`
  std::uint16_t path_bytes;
  std::uint16_t target_bytes;
  std::uint16_t mode;
  std::uint8_t kind;
  std::uint8_t unused;
};
static_assert(sizeof(Record) == 72 && std::is_trivially_copyable_v<Record>);

/// What `catalogue` begins with; written last.
struct Header {
  std::uint64_t magic;
  std::uint64_t entries;
  std::uint64_t bytes;       ///< of the stream
  std::uint64_t name_bytes;  ///< of `names`
  std::uint64_t check;       ///< XXH3-64 of all records
};
static_assert(sizeof(Header) == 40 && std::is_trivially_copyable_v<Header>);

constexpr std::uint64_t kMagic = 0x32676f6c61746163;  // "catalog2" where the low byte comes first

struct FreeXxh3 {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};
using Check = std::unique_ptr<XXH3_state_t, FreeXxh3>;

Check new_check() {
  Check check(XXH3_createState());
  if (!check || XXH3_64bits_reset(check.get()) != XXH_OK) throw std::bad_alloc();
  return check;
}

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <class T>
T value_at(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

}  // namespace

struct CatalogueWriter::Impl {
  AppendFile records;
  AppendFile names;
  Check check = new_check();
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
};

CatalogueWriter::CatalogueWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CatalogueWriter::CatalogueWriter(CatalogueWriter&&) noexcept = default;
CatalogueWriter& CatalogueWriter::operator=(CatalogueWriter&&) noexcept = default;
CatalogueWriter::~CatalogueWriter() = default;

Result<CatalogueWriter> CatalogueWriter::create(const std::string& folder) {
  auto at = make_record_folder(folder);
  if (!at) return std::move(at).error();
  auto records = AppendFile::create(*at, kCatalogueFile);
  if (!records) return std::move(records).error();
  auto names = AppendFile::create(*at, kNamesFile);
  if (!names) return std::move(names).error();
  auto impl = std::make_unique<Impl>(Impl{std::move(*records), std::move(*names)});
  if (auto r = impl->records.append(bytes_of(Header{})); !r) return std::move(r).error();
  return CatalogueWriter(std::move(impl));
}

Result<void> CatalogueWriter::add(const Entry& entry, const SourceStamp& stamp) {
  assert(entry.path.size() <= protocol::kMaxPathBytes);
  assert(entry.target.size() <= protocol::kMaxTargetBytes);
  Record record{};
  record.offset = impl_->bytes;
  record.size = entry.size;
  record.allocated = entry.allocated;
  record.mtime = entry.mtime;
  std::string names;
  (names += entry.path) += entry.target;
  record.name_check = XXH3_64bits(names.data(), names.size());
  record.inode = stamp.inode;
  record.ctime = stamp.ctime;
  record.name_at = impl_->names.size();
  record.path_bytes = static_cast<std::uint16_t>(entry.path.size());
  record.target_bytes = static_cast<std::uint16_t>(entry.target.size());
  record.mode = static_cast<std::uint16_t>(entry.mode);
  record.kind = static_cast<std::uint8_t>(entry.kind);
  XXH3_64bits_update(impl_->check.get(), &record, sizeof record);
  impl_->entries += 1;
  impl_->bytes += entry.size;
  if (auto r = impl_->names.append(names); !r) return r;
  return impl_->records.append(bytes_of(record));
}

Result<void> CatalogueWriter::finish() {
  if (auto r = impl_->names.flush(); !r) return r;
  if (auto r = impl_->records.flush(); !r) return r;
  const Header header{kMagic, impl_->entries, impl_->bytes, impl_->names.size(),
                      XXH3_64bits_digest(impl_->check.get())};
  return impl_->records.rewrite_front(bytes_of(header));
}

namespace {

/// The two files, open; shared by a catalogue and its cursors.
struct Files {
  Fd records;
  Fd names;
  std::uint64_t record_bytes = 0;  ///< of the whole file, header included
  std::uint64_t name_bytes = 0;
  std::string shown;
  protocol::StreamIndex index;
};

class FileCursor final : public Catalogue::Cursor {
 public:
  explicit FileCursor(std::shared_ptr<const Files> files)
      : files_(std::move(files)),
        records_(files_->records.get(), files_->record_bytes, files_->shown + "/" + kCatalogueFile),
        names_(files_->names.get(), files_->name_bytes, files_->shown + "/" + kNamesFile) {}

  Result<bool> next(PlacedEntry& out) override {
    if (at_ >= files_->index.entries()) return false;
    auto record = this->record(at_);
    if (!record) return std::move(record).error();
    const auto length = std::size_t{record->path_bytes} + std::size_t{record->target_bytes};
    auto names = names_.view(record->name_at, length);
    if (!names) return std::move(names).error();
    if (record->path_bytes == 0 || XXH3_64bits(*names, length) != record->name_check)
      return damaged(files_->shown + "/" + kNamesFile);
    const char* text = reinterpret_cast<const char*>(*names);
    out.entry.path.assign(text, record->path_bytes);
    out.entry.target.assign(text + record->path_bytes, record->target_bytes);
    out.entry.kind = static_cast<Kind>(record->kind);
    out.entry.size = record->size;
    out.entry.allocated = record->allocated;
    out.entry.mode = record->mode;
    out.entry.mtime = record->mtime;
    out.stamp = {record->inode, record->ctime};
    out.offset = record->offset;
    out.index = at_++;
    return true;
  }

  Result<void> to_entry(std::uint64_t index) override {
    if (index > files_->index.entries())
      return Error(std::make_error_code(std::errc::invalid_argument),
                   "entry " + std::to_string(index) + " of " + files_->shown);
    at_ = index;
    return {};
  }

  Result<void> to_offset(std::uint64_t offset) override {
    if (offset >= files_->index.bytes())
      return Error(std::make_error_code(std::errc::invalid_argument),
                   "offset " + std::to_string(offset) + " of " + files_->shown);
    for (auto entry = files_->index.floor(offset).entry;; ++entry) {
      auto record = this->record(entry);
      if (!record) return std::move(record).error();
      if (offset < record->offset + record->size) {
        at_ = entry;
        return {};
      }
    }
  }

 private:
  Result<Record> record(std::uint64_t index) {
    auto bytes = records_.view(sizeof(Header) + index * sizeof(Record), sizeof(Record));
    if (!bytes) return std::move(bytes).error();
    return value_at<Record>(*bytes);
  }

  std::shared_ptr<const Files> files_;
  WindowReader records_;
  WindowReader names_;
  std::uint64_t at_ = 0;
};

class FileCatalogue final : public Catalogue {
 public:
  explicit FileCatalogue(std::shared_ptr<const Files> files) : files_(std::move(files)) {
    index_ = files_->index;
  }
  std::unique_ptr<Cursor> cursor() const override { return std::make_unique<FileCursor>(files_); }

 private:
  std::shared_ptr<const Files> files_;
};

Result<Fd> open_sized(const Folder& folder, const char* name, std::uint64_t& size) {
  auto fd = folder.file(name, O_RDONLY);
  if (!fd) return fd;
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return errno_error("look at", folder.shown(), errno);
  size = static_cast<std::uint64_t>(st.st_size);
  return fd;
}

/// Judges header and records, and fills the index from them.
Result<void> read_index(Files& files) {
  WindowReader reader(files.records.get(), files.record_bytes, files.shown + "/" + kCatalogueFile);
  auto front = reader.view(0, sizeof(Header));
  if (!front) return std::move(front).error();
  const auto header = value_at<Header>(*front);
  const auto room = files.record_bytes - sizeof(Header);
  if (header.magic != kMagic || header.name_bytes != files.name_bytes ||
      room % sizeof(Record) != 0 || header.entries != room / sizeof(Record))
    return damaged(files.shown);

  constexpr std::uint64_t kAtOnce = kWindowBytes / sizeof(Record);
  const Check check = new_check();
  for (std::uint64_t entry = 0; entry < header.entries;) {
    const auto count = std::min(kAtOnce, header.entries - entry);
    const auto length = static_cast<std::size_t>(count * sizeof(Record));
    auto bytes = reader.view(sizeof(Header) + entry * sizeof(Record), length);
    if (!bytes) return std::move(bytes).error();
    XXH3_64bits_update(check.get(), *bytes, length);
    for (std::uint64_t i = 0; i < count; ++i)
      files.index.append(
          value_at<std::uint64_t>(*bytes + i * sizeof(Record) + offsetof(Record, size)));
    entry += count;
  }
  if (XXH3_64bits_digest(check.get()) != header.check || files.index.bytes() != header.bytes)
    return damaged(files.shown);
  return {};
}

}  // namespace

Result<std::shared_ptr<const Catalogue>> Catalogue::open(const std::string& folder) {
  auto at = Folder::open(folder);
  if (!at) return record_error(std::move(at).error());
  auto files = std::make_shared<Files>();
  files->shown = folder;
  auto records = open_sized(*at, kCatalogueFile, files->record_bytes);
  if (!records) return record_error(std::move(records).error());
  files->records = std::move(*records);
  auto names = open_sized(*at, kNamesFile, files->name_bytes);
  if (!names) return record_error(std::move(names).error());
  files->names = std::move(*names);
  if (auto r = read_index(*files); !r) return std::move(r).error();
  return std::shared_ptr<const Catalogue>(std::make_shared<FileCatalogue>(std::move(files)));
}

}  // namespace peer::storage
