import { existsSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { OutboxRow, OutboxStanding } from "../../ports/outbox.ts";
import { rangeAt } from "./ahead.ts";
import { damagedRows } from "./checked-rows.ts";
import { type Connection, closedOnError, StoreError } from "./database.ts";
import { ledgerReading } from "./ledger-row.ts";
import { schemaVersion } from "./migrate.ts";
import { loadCounters, standingOf } from "./outbox-counters.ts";
import { restoredRow } from "./outbox-row.ts";
import { OUTBOX_MIGRATIONS } from "./outbox-schema.ts";
import { prepareOutbox } from "./outbox-statements.ts";

/** Rows that are read at a time: each page is a read of its own, so that a node's checkpoint waits for one page at most. */
const PAGE_ROWS = 500;
const BUSY_TIMEOUT_MS = 5_000;

/** A row as an outsider reads it; without a message when it is not what was written. */
export interface ReadRow {
  readonly position: number;
  readonly madeMs: number;
  readonly intact: OutboxRow | null;
}

/** The outbox as an outsider reads it: beside a node that runs or does not, and without changing it. */
export interface OutboxReader {
  readonly instance: string;
  readonly standing: OutboxStanding;
  /** Whether nothing is to be done with this row any more. */
  isSettled(position: number): boolean;
  /** `ok`, or what SQLite finds wrong with the file. Takes time in proportion to its size. */
  structure(): string;
  /** Rows of the small tables that are not what was written. */
  damaged(): { readonly marks: number; readonly facts: number; readonly ledger: number };
  /** Rows behind a position, in order, page by page. */
  rows(afterPosition: number): Generator<readonly ReadRow[], void, undefined>;
  close(): void;
}

/** Opens the outbox of a node store. Throws `StoreError`, or what SQLite says of a file that cannot be had. */
export function openOutboxReader(directory: string): OutboxReader {
  const path = join(directory, "node.db");
  if (!existsSync(path)) throw new StoreError("STORE_ABSENT", `there is no ${path}`);
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  return closedOnError(db, () => readerOf(db));
}

function readerOf(db: Connection): OutboxReader {
  const schema = schemaVersion(db);
  if (schema > OUTBOX_MIGRATIONS.length) throw new StoreError("STORE_SCHEMA_NEWER", `schema ${schema} of node.db`);
  if (schema < OUTBOX_MIGRATIONS.length) throw new StoreError("STORE_SCHEMA_OLDER", `schema ${schema} of node.db`);
  const sql = prepareOutbox(db);
  const counters = loadCounters(sql);
  return {
    instance: db.prepare<[], string>("SELECT instance FROM store").pluck().get() ?? "",
    standing: standingOf(counters, false),
    isSettled: (position) => position <= counters.settled.position || rangeAt(counters.ahead, position) !== undefined,
    structure: () => String(db.pragma("integrity_check(1)", { simple: true })),
    damaged: () => ({ ...damagedRows(sql), ledger: ledgerReading(sql.ledger.all()).damaged }),
    *rows(afterPosition) {
      for (let after = afterPosition; ; ) {
        const stored = sql.rowsAfter(after, PAGE_ROWS);
        if (stored.length > 0) yield stored.map((row) => ({ position: row.position, madeMs: row.madeMs, intact: restoredRow(row) }));
        if (stored.length < PAGE_ROWS) return;
        after = stored.at(-1)?.position ?? after;
      }
    },
    close: () => db.close(),
  };
}
