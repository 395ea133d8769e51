#include "storage/database_schema.hpp"

#include <SQLiteCpp/Transaction.h>

#include <array>
#include <cstddef>
#include <string>

namespace peer::storage {
namespace {

// From version n to n + 1 is the n-th. What has been released is never edited: a change is a new
// one. Paths and other people's texts are blobs, for they hold any bytes.
constexpr std::array<const char*, kSchemaVersion> kMigrations{
    R"sql(
CREATE TABLE contacts (
  id BLOB PRIMARY KEY CHECK (length(id) = 32),
  name TEXT NOT NULL COLLATE NOCASE,  -- empty: a blocked stranger
  verified INTEGER NOT NULL,
  trusted INTEGER NOT NULL,
  blocked INTEGER NOT NULL,
  addresses BLOB NOT NULL,            -- a list
  calls_itself BLOB NOT NULL,
  added INTEGER NOT NULL,
  last_seen INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX contacts_by_name ON contacts (name) WHERE name <> '';

CREATE TABLE offers (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL CHECK (length(id) = 16),
  peer BLOB NOT NULL CHECK (length(peer) = 32),
  direction INTEGER NOT NULL,         -- 0 given, 1 taken
  state TEXT NOT NULL,
  title BLOB NOT NULL,
  note BLOB NOT NULL,
  files INTEGER NOT NULL,
  folders INTEGER NOT NULL,
  links INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  manifest_bytes INTEGER NOT NULL,
  manifest BLOB NOT NULL CHECK (length(manifest) = 32),
  expires_in INTEGER NOT NULL,        -- seconds, as the offer said
  answers_get BLOB CHECK (length(answers_get) = 16),
  ledger_state INTEGER NOT NULL,
  round INTEGER NOT NULL,
  done_round INTEGER NOT NULL,
  say BLOB NOT NULL,
  manifest_here INTEGER NOT NULL,
  paths BLOB NOT NULL,                -- a list
  options BLOB NOT NULL,
  files_done INTEGER NOT NULL,
  bytes_done INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  outcome_text BLOB NOT NULL,
  delivered_to BLOB NOT NULL,         -- a list
  failures BLOB NOT NULL,             -- a list: entry, text, entry, text, ...
  made INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  ended INTEGER NOT NULL              -- 0: open
) STRICT;
CREATE INDEX offers_open ON offers (number) WHERE ended = 0;
CREATE INDEX offers_by_end ON offers (ended) WHERE ended <> 0;
CREATE INDEX offers_by_peer ON offers (peer, number);

CREATE TABLE shares (
  name TEXT PRIMARY KEY,
  folder BLOB NOT NULL,
  with_peers BLOB NOT NULL CHECK (length(with_peers) % 32 = 0)  -- none: all verified contacts
) STRICT;

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;
INSERT INTO counters VALUES ('offer', 0);
)sql",
    R"sql(
ALTER TABLE offers ADD COLUMN unreadable INTEGER NOT NULL DEFAULT 0;  -- given: left out for that
)sql",
    R"sql(
ALTER TABLE offers ADD COLUMN rate_limit INTEGER NOT NULL DEFAULT 0;  -- bytes a second; 0: none
)sql",
    R"sql(
ALTER TABLE offers ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;   -- by the user here
ALTER TABLE offers ADD COLUMN cleared INTEGER NOT NULL DEFAULT 0;  -- told of no more; only its id counts
ALTER TABLE contacts ADD COLUMN heard_at BLOB NOT NULL DEFAULT x'';  -- where it said it listens
)sql",
    // The addresses were a list (LENGTH:BYTES, one behind the other), the latest that answered
    // first; of the times of the others only that order is known.
    R"sql(
ALTER TABLE contacts ADD COLUMN note TEXT NOT NULL DEFAULT '';
CREATE TABLE contact_addresses (
  peer BLOB NOT NULL CHECK (length(peer) = 32),
  address TEXT NOT NULL,
  learned TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  last_answered INTEGER NOT NULL,     -- 0: never
  PRIMARY KEY (peer, address)
) STRICT, WITHOUT ROWID;
WITH RECURSIVE
  cut (peer, added, seen, place, address, rest) AS (
    SELECT id, added, last_seen, 0, x'', addresses FROM contacts
    UNION ALL
    SELECT peer, added, seen, place + 1,
      substr(rest, instr(rest, x'3a') + 1, CAST(CAST(rest AS TEXT) AS INTEGER)),
      substr(rest, instr(rest, x'3a') + 1 + CAST(CAST(rest AS TEXT) AS INTEGER))
    FROM cut WHERE instr(rest, x'3a') > 1 AND place < 16)
INSERT OR IGNORE INTO contact_addresses
  SELECT peer, CAST(address AS TEXT), 'met', added, max(seen - place + 1, 1),
    max(seen - place + 1, 1)
  FROM cut WHERE place > 0 AND address <> x'';
INSERT OR IGNORE INTO contact_addresses
  SELECT id, CAST(heard_at AS TEXT), 'heard', added, last_seen, 0
  FROM contacts WHERE heard_at <> x'';
ALTER TABLE contacts DROP COLUMN addresses;
ALTER TABLE contacts DROP COLUMN heard_at;
)sql",
    R"sql(
ALTER TABLE offers ADD COLUMN decided_by BLOB NOT NULL DEFAULT x'';  -- JSON: by a rule
CREATE TABLE policy_names (  -- whom a rule meant by a name when it was first read
  name TEXT PRIMARY KEY,
  id BLOB NOT NULL CHECK (length(id) = 32)
) STRICT;
)sql",
    R"sql(
ALTER TABLE offers ADD COLUMN spent BLOB NOT NULL DEFAULT x'';  -- where a transfer's time went
)sql",
};

}  // namespace

void migrate(SQLite::Database& db, int version) {
  const int found = db.execAndGet("PRAGMA user_version").getInt();
  if (found >= version) return;
  SQLite::Transaction transaction(db);
  for (auto i = static_cast<std::size_t>(found); i < static_cast<std::size_t>(version); ++i)
    db.exec(kMigrations[i]);
  db.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
  db.exec("PRAGMA user_version = " + std::to_string(version));
  transaction.commit();
}

}  // namespace peer::storage
