import type { Migration } from "./migrate.ts";

/**
 * First schema of node.db.
 *
 * - `outbox.end_bytes` is the running total of topic and payload bytes up to and including the row: with it, what is pending is
 *   a subtraction at any time, and nothing is ever counted by scanning.
 * - `standing` is the high-water mark: every row up to `position` is settled; `seq` and `bytes` are the last number and the
 *   running total there. Acknowledging writes this row and one of `egress`, however many messages it settles.
 * - No index besides the keys: each would cost more flash than all the rest (hot-path reference §5).
 * - `egress` is append-only; rows go by age and size only, the oldest first.
 */
const FIRST: Migration = `
CREATE TABLE store (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  instance TEXT NOT NULL,
  run      INTEGER NOT NULL,
  clean    INTEGER NOT NULL CHECK (clean IN (0, 1))
) STRICT;

CREATE TABLE outbox (
  position  INTEGER PRIMARY KEY,
  seq       INTEGER,
  made_ms   INTEGER NOT NULL,
  topic     TEXT NOT NULL,
  payload   BLOB NOT NULL,
  retain    INTEGER NOT NULL CHECK (retain IN (0, 1)),
  expiry_s  INTEGER,
  end_bytes INTEGER NOT NULL,
  crc       INTEGER NOT NULL
) STRICT;

CREATE TABLE standing (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  position INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  bytes    INTEGER NOT NULL,
  crc      INTEGER NOT NULL
) STRICT;

CREATE TABLE mark (
  stream        TEXT PRIMARY KEY,
  closed_to_ms  INTEGER NOT NULL,
  last_start_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE fact (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lost (
  from_seq INTEGER PRIMARY KEY,
  to_seq   INTEGER NOT NULL,
  reason   TEXT NOT NULL
) STRICT;

CREATE TABLE egress (
  id            INTEGER PRIMARY KEY,
  at_ms         INTEGER NOT NULL,
  address       TEXT NOT NULL,
  from_position INTEGER NOT NULL,
  to_position   INTEGER NOT NULL,
  from_seq      INTEGER,
  to_seq        INTEGER,
  rows          INTEGER NOT NULL,
  bytes         INTEGER NOT NULL
) STRICT;

CREATE TRIGGER egress_is_append_only BEFORE UPDATE ON egress BEGIN
  SELECT raise(ABORT, 'the egress log is append-only');
END;
`;

/**
 * What is released about people.
 *
 * - `ledger`: budget spent, a row for each run of windows that were charged alike. A release moves `to_ms` of one row: a year of 20
 *   streams is a few hundred rows, not 700,000. Whole numbers only: `epsilon_micro` is in millionths.
 * - `change`: what was agreed on with these people changed. `hash` is the SHA-256 over the hash before, the time and the text, so that
 *   a row that was altered or taken out shows.
 */
const PRIVACY: Migration = `
CREATE TABLE ledger (
  stream        TEXT NOT NULL,
  from_ms       INTEGER NOT NULL,
  to_ms         INTEGER NOT NULL,
  account       TEXT NOT NULL,
  window_ms     INTEGER NOT NULL,
  epsilon_micro INTEGER NOT NULL,
  crc           INTEGER NOT NULL,
  PRIMARY KEY (stream, from_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE change (
  id    INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  text  TEXT NOT NULL,
  hash  TEXT NOT NULL
) STRICT;

CREATE TRIGGER change_is_append_only_1 BEFORE UPDATE ON change BEGIN
  SELECT raise(ABORT, 'the egress log is append-only');
END;
CREATE TRIGGER change_is_append_only_2 BEFORE DELETE ON change BEGIN
  SELECT raise(ABORT, 'the egress log is append-only');
END;
`;

/** On which machine the store was written last: SHA-256 of its name under that of the store, or null where machines have no names. */
const INSTANCE: Migration = `
ALTER TABLE store ADD COLUMN machine TEXT;
`;

/**
 * A CRC for marks and facts, as rows of the outbox have one: a damaged mark must not let a window be released a second time. The
 * function is of checked-rows.ts. A row without a CRC counts as damaged.
 */
const CHECKED: Migration = `
ALTER TABLE mark ADD COLUMN crc INTEGER;
ALTER TABLE fact ADD COLUMN crc INTEGER;
UPDATE mark SET crc = stoep_crc32(stream || ' ' || closed_to_ms || ' ' || coalesce(last_start_ms, 'null'));
UPDATE fact SET crc = stoep_crc32(key || ' ' || value);
`;

/**
 * Ranges of rows behind the high-water mark that are settled: when the broker refuses one sensor, the others go on. Written together with
 * the entry of the egress log, and gone as the mark passes them. Without trouble the table is empty.
 */
const AHEAD: Migration = `
CREATE TABLE ahead (
  from_position INTEGER PRIMARY KEY,
  to_position   INTEGER NOT NULL,
  from_seq      INTEGER,
  to_seq        INTEGER,
  bytes         INTEGER NOT NULL,
  crc           INTEGER NOT NULL
) STRICT;
`;

/** All of them, oldest first. Never change one that was released: add the next. */
export const OUTBOX_MIGRATIONS: readonly Migration[] = [FIRST, PRIVACY, INSTANCE, CHECKED, AHEAD];
