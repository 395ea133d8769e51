#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "protocol/result.hpp"

namespace peer::storage {

/// An open SQLite database of this program with its kept statements. One thread.
class Connection {
 public:
  /// Creates the file if it is missing, checks it, brings its tables up to date. Errors as
  /// Database::open().
  static Result<std::unique_ptr<Connection>> open(const std::string& file);

  /// Runs `work`, which may throw SQLite::Exception; `purpose` ("save the contact ‘bob’") becomes
  /// the error's context, with the file.
  template <class Work>
  auto attempt(std::string_view purpose, Work work) -> Result<std::invoke_result_t<Work>> {
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
        work();
        return {};
      } else {
        return work();
      }
    } catch (const SQLite::Exception& exception) {
      return error(purpose, exception);
    }
  }

  /// A statement of its own for each `sql`, compiled once. The text must live as long as the
  /// program.
  SQLite::Statement& prepared(const char* sql);

  /// Begun; undone unless it is committed.
  SQLite::Transaction transaction() { return SQLite::Transaction(db_); }

  /// While this lives, a commit is on the disk when it returns. Made outside of transactions.
  class FullSync {
   public:
    explicit FullSync(Connection& connection);
    FullSync(const FullSync&) = delete;
    FullSync& operator=(const FullSync&) = delete;
    ~FullSync();

   private:
    Connection& connection_;
  };

 private:
  explicit Connection(const std::string& file);
  Result<void> check();
  void set_up();
  Error error(std::string_view purpose, const SQLite::Exception& exception) const;

  std::string file_;
  SQLite::Database db_;
  std::map<const char*, SQLite::Statement> statements_;
};

/// One use of a kept statement: values in their order, then rows. When it goes, the statement is
/// free again. Throws SQLite::Exception.
class Query {
 public:
  Query(Connection& connection, const char* sql) : statement_(connection.prepared(sql)) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() { statement_.tryReset(); }

  Query& number(std::uint64_t value);  ///< kept as a signed one of the same bits
  Query& number(std::int64_t value);
  Query& truth(bool value) { return number(std::uint64_t{value ? 1U : 0U}); }
  Query& text(const std::string& value);  ///< any bytes, though other programs expect UTF-8
  Query& blob(std::string_view bytes);    ///< never NULL, empty or not
  Query& blob(std::span<const std::byte> bytes);
  Query& list(const std::vector<std::string>& values);
  Query& null();

  void run();  ///< for statements without rows
  bool row();  ///< the next one, or false

  // The row's columns, in their order. A value that this program cannot have written throws
  // SQLITE_CORRUPT.
  std::uint64_t number();
  std::int64_t signed_number() { return static_cast<std::int64_t>(number()); }
  bool truth() { return number() != 0; }
  std::string bytes();  ///< of a text or a blob
  std::vector<std::string> list();
  bool is_null() const;  ///< the column whose turn it is
  void skip() { ++column_; }
  template <std::size_t N>
  void id(std::array<std::byte, N>& out) {
    fixed(out);
  }

 private:
  void fixed(std::span<std::byte> out);

  SQLite::Statement& statement_;
  int next_ = 1;    // parameter
  int column_ = 0;  // of the row
};

}  // namespace peer::storage
