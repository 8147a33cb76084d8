import { ChunkReader } from "../../core/reading/record.ts";
import type { Connection } from "./database.ts";

/** Counted up with each change of the schema below, and of the record in `core/reading/record.ts`. */
export const LIVE_VERSION = 6;

/**
 * Schema of live.db. It is never migrated: a file of another version is discarded, for it holds readings of minutes.
 *
 * `chunk.id` is given by the store and never reused while it is open, since whoever walks over chunks may delete some and add
 * others in between; AUTOINCREMENT would write one page more with each chunk. `window_start_ms` is null while the wall clock is
 * not trusted. The index costs one entry a flush, not one a reading. `drawn` notes for which windows noise was drawn; it goes with
 * their readings. `stream.meaning` is the SHA-256 of what the readings of this number mean. `binding` names the node store that
 * the readings belong to; `run` and `position` are how far that was when it last committed.
 */
export const LIVE_SCHEMA = `
CREATE TABLE binding (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  instance TEXT NOT NULL,
  boot     TEXT NOT NULL,
  run      INTEGER NOT NULL,
  position INTEGER NOT NULL
) STRICT;

CREATE TABLE stream (
  idx     INTEGER PRIMARY KEY,
  id      TEXT NOT NULL,
  meaning TEXT NOT NULL,
  UNIQUE (id, meaning)
) STRICT;

CREATE TABLE chunk (
  id              INTEGER PRIMARY KEY,
  sensitivity     TEXT NOT NULL,
  window_ms       INTEGER NOT NULL,
  window_start_ms INTEGER,
  from_ms         REAL NOT NULL,
  to_ms           REAL NOT NULL,
  data            BLOB NOT NULL
) STRICT;
CREATE TABLE drawn (
  sensitivity     TEXT NOT NULL,
  window_ms       INTEGER NOT NULL,
  window_start_ms INTEGER NOT NULL,
  stream          INTEGER NOT NULL,
  PRIMARY KEY (sensitivity, window_ms, window_start_ms, stream)
) STRICT, WITHOUT ROWID;
CREATE INDEX chunk_class ON chunk (window_ms, window_start_ms, from_ms, sensitivity);
CREATE INDEX chunk_of_people ON chunk (from_ms) WHERE sensitivity <> 'environmental';
`;

/** The same readings as rows, for people and tests. TEMP, so that nothing of it is in the file. */
const READING_VIEW = `
CREATE TEMP VIEW reading AS
SELECT stream.id AS stream, r.at_ms, r.value, r.covers_ms, r.cell, r.marks,
       chunk.sensitivity, chunk.window_ms, chunk.window_start_ms
FROM chunk, unpack(chunk.data) AS r JOIN stream ON stream.idx = r.stream
`;

/** Makes readings rows that people and tests can ask for. */
export function defineReadings(db: Connection): void {
  db.table("unpack", {
    columns: ["stream", "at_ms", "value", "covers_ms", "cell", "marks"],
    parameters: ["data"],
    *rows(data: unknown) {
      const records = new ChunkReader(data as Uint8Array);
      for (let at = 0; at < records.count; at++) {
        yield [records.stream(at), records.atMs(at), records.value(at), records.coversMs(at), records.cell(at), records.marks(at)];
      }
    },
  });
  db.exec(READING_VIEW);
}
