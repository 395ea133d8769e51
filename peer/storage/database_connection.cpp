#include "storage/database_connection.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/text.hpp"
#include "storage/database.hpp"
#include "storage/database_schema.hpp"

namespace peer::storage {
namespace {

// How long another program that reads this database, a backup say, may keep us waiting.
constexpr int kBusyMilliseconds = 5'000;
// Up to this size the whole file is checked when it is opened; that takes some tens of
// milliseconds.
constexpr std::uint64_t kCheckedWholeBytes = 8 * 1024 * 1024;

class Category : public std::error_category {
 public:
  const char* name() const noexcept override { return "database"; }
  std::string message(int code) const override {
    switch (static_cast<DatabaseErrc>(code)) {
      case DatabaseErrc::damaged:
        return "the file is damaged or no database of peer; it was left as it is";
      case DatabaseErrc::later_version:
        return "a later version of peer made it; it was left as it is";
      case DatabaseErrc::name_taken:
        return "another contact has this name";
    }
    return ::sqlite3_errstr(code);
  }
};

const Category& category() {
  static const Category instance;
  return instance;
}

std::error_code code_of(const SQLite::Exception& exception) {
  const int extended = exception.getExtendedErrorCode();
  const int code = extended > 0 ? extended : exception.getErrorCode();
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DatabaseErrc::damaged;
    case SQLITE_FULL:
      return std::make_error_code(std::errc::no_space_on_device);
    default:
      return {code, category()};
  }
}

Error system_error(const char* what, const std::string& file) {
  const int code = errno;
  return Error(std::error_code(code, std::generic_category()),
               std::string(what).append(" ").append(base::quoted(file)));
}

Error opening(DatabaseErrc code, const std::string& file) {
  return Error(code, "open the database " + base::quoted(file));
}

bool exists(const std::string& file) {
  struct stat found {};
  return ::lstat(file.c_str(), &found) == 0;
}

void sync_folder_of(const std::string& file) {
  const std::string folder = file.substr(0, file.rfind('/') + 1);
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

// Gives `made` its final name, never over another file.
bool put_in_place(const std::string& made, const std::string& file) {
  if (::link(made.c_str(), file.c_str()) == 0 || errno == EEXIST) {
    ::unlink(made.c_str());
    return true;
  }
  // No hard links on this file system.
  return !exists(file) && ::rename(made.c_str(), file.c_str()) == 0;
}

// Makes a whole database beside the file and only then gives it its name: an empty file under that
// name can then only be a damaged one.
Result<void> create(const std::string& file) {
  // A log without its database would be played into the new one.
  if (exists(file + "-wal")) return opening(DatabaseErrc::damaged, file);
  const std::string made = file + ".new";
  if (exists(made) && ::unlink(made.c_str()) != 0) return system_error("replace", made);
  const int fd = ::open(made.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return system_error("create the database", made);
  ::close(fd);
  try {
    SQLite::Database db(made, SQLite::OPEN_READWRITE, kBusyMilliseconds);
    db.exec("PRAGMA synchronous = FULL");
    migrate(db);
  } catch (const SQLite::Exception& exception) {
    return Error(code_of(exception), "create the database " + base::quoted(file));
  }
  if (!put_in_place(made, file)) return system_error("create the database", file);
  sync_folder_of(file);
  return {};
}

// The file is ours, whole enough to be asked, and for nobody else's eyes.
Result<void> check_file(const std::string& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return system_error("open the database", file);
  if (!S_ISREG(found.st_mode) || found.st_size == 0) return opening(DatabaseErrc::damaged, file);
  if (found.st_uid != ::geteuid()) {
    errno = EPERM;
    return system_error("use another user's database", file);
  }
  if ((found.st_mode & 0077) != 0 && ::chmod(file.c_str(), 0600) != 0)
    return system_error("keep others out of the database", file);
  return {};
}

void checkpoint_when_closed(SQLite::Database& db, bool wanted) {
  ::sqlite3_db_config(db.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, wanted ? 0 : 1, nullptr);
}

[[noreturn]] void throw_corrupt() {
  throw SQLite::Exception("a value that cannot be", SQLITE_CORRUPT);
}

}  // namespace

std::error_code make_error_code(DatabaseErrc code) { return {static_cast<int>(code), category()}; }

Connection::Connection(const std::string& file)
    : file_(file), db_(file, SQLite::OPEN_READWRITE, kBusyMilliseconds) {}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& file) {
  if (!exists(file))
    if (auto created = create(file); !created) return std::move(created).error();
  if (auto checked = check_file(file); !checked) return std::move(checked).error();
  std::unique_ptr<Connection> out;
  try {
    out.reset(new Connection(file));
  } catch (const SQLite::Exception& exception) {
    return Error(code_of(exception), "open the database " + base::quoted(file));
  }
  if (auto checked = out->check(); !checked) return std::move(checked).error();
  auto ready = out->attempt("open", [&out] { out->set_up(); });
  if (!ready) return std::move(ready).error();
  return out;
}

// Nothing is written here, and nothing when the connection closes after a failure.
Result<void> Connection::check() {
  checkpoint_when_closed(db_, false);
  struct Facts {
    bool ours = false;
    bool whole = true;
    int version = 0;
  };
  auto facts = attempt("open", [this] {
    Facts out;
    out.version = db_.execAndGet("PRAGMA user_version").getInt();
    out.ours = db_.execAndGet("PRAGMA application_id").getInt() == kApplicationId;
    const std::int64_t pages = db_.execAndGet("PRAGMA page_count").getInt64();
    const std::int64_t page_bytes = db_.execAndGet("PRAGMA page_size").getInt64();
    if (static_cast<std::uint64_t>(pages * page_bytes) <= kCheckedWholeBytes)
      out.whole = db_.execAndGet("PRAGMA integrity_check(1)").getString() == "ok";
    return out;
  });
  if (!facts) return std::move(facts).error();
  if (!facts->ours || !facts->whole || facts->version < 1)
    return opening(DatabaseErrc::damaged, file_);
  if (facts->version > kSchemaVersion) return opening(DatabaseErrc::later_version, file_);
  return {};
}

void Connection::set_up() {
  checkpoint_when_closed(db_, true);
  db_.exec("PRAGMA journal_mode = WAL");
  db_.exec("PRAGMA synchronous = FULL");
  migrate(db_);
  db_.exec("PRAGMA synchronous = NORMAL");
  db_.exec("PRAGMA foreign_keys = ON");
}

Error Connection::error(std::string_view purpose, const SQLite::Exception& exception) const {
  std::string context(purpose);
  context.append(" (database ").append(base::quoted(file_)).append(")");
  return Error(code_of(exception), std::move(context));
}

SQLite::Statement& Connection::prepared(const char* sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end())
    found = statements_.emplace(sql, SQLite::Statement(db_, sql)).first;
  return found->second;
}

Connection::FullSync::FullSync(Connection& connection) : connection_(connection) {
  connection_.db_.exec("PRAGMA synchronous = FULL");
}

Connection::FullSync::~FullSync() { connection_.db_.tryExec("PRAGMA synchronous = NORMAL"); }

Query& Query::number(std::uint64_t value) { return number(static_cast<std::int64_t>(value)); }

Query& Query::number(std::int64_t value) {
  statement_.bind(next_++, value);
  return *this;
}

Query& Query::text(const std::string& value) {
  statement_.bind(next_++, value);
  return *this;
}

Query& Query::blob(std::string_view bytes) {
  // A null pointer would be bound as NULL.
  statement_.bind(next_++, bytes.empty() ? "" : bytes.data(), static_cast<int>(bytes.size()));
  return *this;
}

Query& Query::blob(std::span<const std::byte> bytes) {
  return blob(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

// A list of byte strings: each one's length in decimal, a colon, the bytes.
Query& Query::list(const std::vector<std::string>& values) {
  std::string packed;
  for (const std::string& value : values)
    packed.append(std::to_string(value.size())).append(":").append(value);
  return blob(packed);
}

Query& Query::null() {
  statement_.bind(next_++);
  return *this;
}

void Query::run() { statement_.exec(); }

bool Query::row() {
  column_ = 0;
  return statement_.executeStep();
}

std::uint64_t Query::number() {
  return static_cast<std::uint64_t>(statement_.getColumn(column_++).getInt64());
}

std::string Query::bytes() { return statement_.getColumn(column_++).getString(); }

std::vector<std::string> Query::list() {
  constexpr std::size_t kMaxLengthDigits = 10;
  const std::string packed = bytes();
  std::vector<std::string> out;
  for (std::size_t at = 0; at < packed.size();) {
    const std::size_t colon = packed.find(':', at);
    if (colon == packed.npos || colon == at || colon - at > kMaxLengthDigits) throw_corrupt();
    std::size_t length = 0;
    for (; at < colon; ++at) {
      if (packed[at] < '0' || packed[at] > '9') throw_corrupt();
      length = length * 10 + static_cast<std::size_t>(packed[at] - '0');
    }
    if (length > packed.size() - colon - 1) throw_corrupt();
    out.push_back(packed.substr(colon + 1, length));
    at = colon + 1 + length;
  }
  return out;
}

bool Query::is_null() const { return statement_.getColumn(column_).isNull(); }

void Query::fixed(std::span<std::byte> out) {
  const SQLite::Column column = statement_.getColumn(column_++);
  const void* data = column.getBlob();
  if (data == nullptr || static_cast<std::size_t>(column.getBytes()) != out.size()) throw_corrupt();
  std::memcpy(out.data(), data, out.size());
}

}  // namespace peer::storage
