import type { LostRange } from "../../ports/outbox.ts";
import type { AheadRow } from "./ahead.ts";
import type { FactRow, MarkRow } from "./checked-rows.ts";
import type { Connection } from "./database.ts";
import type { LedgerRow } from "./ledger-row.ts";
import { type HighWater, rowOf, type StoredColumns, type StoredRow } from "./outbox-row.ts";

/** The columns of a `StoredRow`, in the order of `StoredColumns`. */
export const STORED_ROW = `position, seq, made_ms AS "madeMs", topic, payload, retain, expiry_s AS "expirySeconds",
  end_bytes AS "endBytes", crc`;

/** The columns of an `AheadRow`. */
export const AHEAD_ROW = `from_position AS "from", to_position AS "to", from_seq AS "fromSeq", to_seq AS "toSeq", bytes, crc`;

export interface EgressRow {
  readonly atMs: number;
  readonly address: string;
  readonly fromPosition: number;
  readonly toPosition: number;
  readonly fromSeq: number | null;
  readonly toSeq: number | null;
  readonly rows: number;
  readonly bytes: number;
}

/** The columns of a row that limits are about. */
export type RowSpan = Pick<StoredRow, "position" | "madeMs" | "endBytes">;

/** Everything that the outbox ever asks SQLite, prepared. Each statement touches a bounded number of rows. */
export const prepareOutbox = (db: Connection) => ({ ...prepareQueue(db), ...prepareBooks(db), ...prepareEgress(db) });

function prepareQueue(db: Connection) {
  // A backlog is read like this: rows as objects take half as long again.
  const columnsAfter = db
    .prepare<[number, number], StoredColumns>(`SELECT ${STORED_ROW} FROM outbox WHERE position > ? ORDER BY position LIMIT ?`)
    .raw();
  return {
    addRow: db.prepare<[...StoredColumns]>(
      `INSERT INTO outbox (position, seq, made_ms, topic, payload, retain, expiry_s, end_bytes, crc)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    rowsAfter: (position: number, rowsMax: number): readonly StoredRow[] => columnsAfter.all(position, rowsMax).map(rowOf),
    summariesAfter: db.prepare<[number, number], StoredRow>(
      `SELECT ${STORED_ROW} FROM outbox WHERE position > ? AND seq IS NOT NULL ORDER BY position LIMIT ?`,
    ),
    rowsDownFrom: db.prepare<[number, number], StoredRow>(
      `SELECT ${STORED_ROW} FROM outbox WHERE position <= ? ORDER BY position DESC LIMIT ?`,
    ),
    spansAfter: db.prepare<[number, number], RowSpan>(
      `SELECT position, made_ms AS "madeMs", end_bytes AS "endBytes" FROM outbox WHERE position > ? ORDER BY position LIMIT ?`,
    ),
    endBytesAt: db.prepare<[number], number>("SELECT end_bytes FROM outbox WHERE position <= ? ORDER BY position DESC LIMIT 1").pluck(),
    metaTopics: db
      .prepare<[number, number], string>("SELECT DISTINCT topic FROM outbox WHERE position > ? AND position <= ? AND seq IS NULL")
      .pluck(),
    /** Summaries without a number here: they were salvaged. Those that were salvaged before rows told it have none at all. */
    salvagedBetween: db
      .prepare<[number, number], number>(
        `SELECT count(*) FROM outbox WHERE position > ? AND position <= ? AND (seq IS NULL OR seq < 0) AND topic GLOB '*/summary'`,
      )
      .pluck(),
    metasBetween: db
      .prepare<[number, number], number>("SELECT count(*) FROM outbox WHERE position > ? AND position <= ? AND topic GLOB '*/meta'")
      .pluck(),
    deleteBetween: db.prepare<[number, number]>("DELETE FROM outbox WHERE position > ? AND position <= ?"),
    deleteRows: db.prepare<[number, number]>(
      "DELETE FROM outbox WHERE position IN (SELECT position FROM outbox WHERE position <= ? ORDER BY position LIMIT ?)",
    ),

    standing: db.prepare<[], HighWater & { crc: number }>("SELECT position, seq, bytes, crc FROM standing"),
    setStanding: db.prepare<[HighWater & { crc: number }]>(
      "INSERT OR REPLACE INTO standing (one, position, seq, bytes, crc) VALUES (1, :position, :seq, :bytes, :crc)",
    ),
    ahead: db.prepare<[], AheadRow>(`SELECT ${AHEAD_ROW} FROM ahead ORDER BY from_position`),
    setAhead: db.prepare<[AheadRow]>(
      `INSERT OR REPLACE INTO ahead (from_position, to_position, from_seq, to_seq, bytes, crc)
       VALUES (:from, :to, :fromSeq, :toSeq, :bytes, :crc)`,
    ),
    deleteAhead: db.prepare<[number]>("DELETE FROM ahead WHERE from_position = ?"),
    deleteAheadTo: db.prepare<[number]>("DELETE FROM ahead WHERE from_position <= ?"),
    clearAhead: db.prepare("DELETE FROM ahead"),
  };
}

/** Marks, facts, the ledger and its changes, and what was lost. */
function prepareBooks(db: Connection) {
  return {
    marks: db.prepare<[], MarkRow>(`SELECT stream, closed_to_ms AS "closedTo", last_start_ms AS "lastStart", crc FROM mark`),
    setMark: db.prepare<[string, number, number | null, number | null]>(
      "INSERT OR REPLACE INTO mark (stream, closed_to_ms, last_start_ms, crc) VALUES (?, ?, ?, ?)",
    ),
    clearMarks: db.prepare("DELETE FROM mark"),
    fact: db.prepare<[string], FactRow>("SELECT key, value, crc FROM fact WHERE key = ?"),
    facts: db.prepare<[], FactRow>("SELECT key, value, crc FROM fact"),
    setFact: db.prepare<[string, string, number | null]>("INSERT OR REPLACE INTO fact (key, value, crc) VALUES (?, ?, ?)"),
    deleteFact: db.prepare<[string]>("DELETE FROM fact WHERE key = ?"),
    clearFacts: db.prepare("DELETE FROM fact"),

    ledger: db.prepare<[], LedgerRow>(
      `SELECT stream, account, window_ms AS "windowMs", epsilon_micro AS "epsilonMicro", from_ms AS "fromMs", to_ms AS "toMs", crc
       FROM ledger`,
    ),
    setLedger: db.prepare<[LedgerRow]>(
      `INSERT OR REPLACE INTO ledger (stream, account, window_ms, epsilon_micro, from_ms, to_ms, crc)
       VALUES (:stream, :account, :windowMs, :epsilonMicro, :fromMs, :toMs, :crc)`,
    ),
    deleteLedgerBefore: db.prepare<[number]>("DELETE FROM ledger WHERE to_ms < ?"),
    lastChangeHash: db.prepare<[], string>("SELECT hash FROM change ORDER BY id DESC LIMIT 1").pluck(),
    addChange: db.prepare<[number, string, string]>("INSERT INTO change (at_ms, text, hash) VALUES (?, ?, ?)"),

    lost: db.prepare<[], LostRange>(`SELECT from_seq AS "fromSeq", to_seq AS "toSeq", reason FROM lost ORDER BY from_seq`),
    clearLost: db.prepare("DELETE FROM lost"),
    addLost: db.prepare<[LostRange]>("INSERT INTO lost (from_seq, to_seq, reason) VALUES (:fromSeq, :toSeq, :reason)"),
  };
}

function prepareEgress(db: Connection) {
  return {
    addEgress: db.prepare<[EgressRow]>(
      `INSERT INTO egress (at_ms, address, from_position, to_position, from_seq, to_seq, rows, bytes)
       VALUES (:atMs, :address, :fromPosition, :toPosition, :fromSeq, :toSeq, :rows, :bytes)`,
    ),
    egressFrom: db.prepare<[number], { id: number; atMs: number; toPosition: number }>(
      `SELECT id, at_ms AS "atMs", to_position AS "toPosition" FROM egress WHERE id >= ? ORDER BY id LIMIT 1`,
    ),
    egressLast: db.prepare<[], number>("SELECT id FROM egress ORDER BY id DESC LIMIT 1").pluck(),
    deleteEgressOlder: db.prepare<[number, number]>(
      "DELETE FROM egress WHERE id IN (SELECT id FROM egress ORDER BY id LIMIT ?) AND at_ms < ?",
    ),
    deleteEgressBelow: db.prepare<[number, number]>(
      "DELETE FROM egress WHERE id IN (SELECT id FROM egress WHERE id < ? ORDER BY id LIMIT ?)",
    ),
  };
}

export type OutboxStatements = ReturnType<typeof prepareOutbox>;
