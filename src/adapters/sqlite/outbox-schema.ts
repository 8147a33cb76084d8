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

/** All of them, oldest first. Never change one that was released: add the next. */
export const OUTBOX_MIGRATIONS: readonly Migration[] = [FIRST];
