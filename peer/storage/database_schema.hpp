#pragma once

#include <SQLiteCpp/Database.h>

namespace peer::storage {

/// In the file's header, so that `file` and we know whose it is: "peer".
inline constexpr int kApplicationId = 0x70656572;
/// PRAGMA user_version of a database that this program leaves behind; counts the migrations.
inline constexpr int kSchemaVersion = 7;

/// Brings the tables up to `version` (tests stop at an earlier one), in one transaction. Throws
/// SQLite::Exception.
void migrate(SQLite::Database& db, int version = kSchemaVersion);

}  // namespace peer::storage
