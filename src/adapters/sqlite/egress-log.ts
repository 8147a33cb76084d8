import { existsSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { TERMS_FACT } from "../../ports/outbox.ts";
import { type Connection, closedOnError, StoreError, storeFault } from "./database.ts";
import { changeHash } from "./ledger-row.ts";
import { schemaVersion } from "./migrate.ts";
import { OUTBOX_MIGRATIONS } from "./outbox-schema.ts";

/** One acknowledgement of the broker: what it took, and under which address it was reached. */
export interface Departure {
  readonly id: number;
  readonly atMs: number;
  readonly address: string;
  /** Numbers of the summaries; null when there were only metas, which have none. */
  readonly fromSeq: number | null;
  readonly toSeq: number | null;
  readonly rows: number;
  readonly bytes: number;
}

/** One link of the chain of changes. */
export interface ChangeEntry {
  readonly id: number;
  readonly atMs: number;
  readonly text: string;
  readonly hash: string;
}

/** Where the chain of changes stops being what was written. `id`: the entry, null: entries are missing behind the last one. */
export interface ChainBreak {
  readonly id: number | null;
  readonly why: "altered" | "missing";
}

export type EgressLogErrorCode = "EGRESS_NO_STORE" | "EGRESS_REFUSED" | "EGRESS_UNREADABLE";

const REMEDIES: Readonly<Record<EgressLogErrorCode, string>> = {
  EGRESS_NO_STORE: "check storage.directory of FILE; a node that never ran has none yet",
  EGRESS_REFUSED: "ask as root or as the user of the service: sudo -u stoep stoep egress",
  EGRESS_UNREADABLE: "keep a copy of the file: the node moves a damaged store aside at its next start",
};

/** The log cannot be read. `remedy` is for the operator. */
export class EgressLogError extends Error {
  readonly code: EgressLogErrorCode;
  readonly remedy: string;

  constructor(code: EgressLogErrorCode, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = "EgressLogError";
    this.code = code;
    this.remedy = REMEDIES[code];
  }
}

/** Rows that are read at a time: each page is a read of its own, so that a node's checkpoint waits for one page at most. */
const PAGE_ROWS = 1_000;
/** The schema that brought the table `change` (outbox-schema.ts, PRIVACY). */
const CHANGES_SINCE_SCHEMA = 2;
const BUSY_TIMEOUT_MS = 5_000;

/** The record of what left, as an outsider reads it: beside a node that runs or does not, and without changing the store. */
export interface EgressLog {
  readonly instance: string;
  /** What left at or after `sinceMs`, in order, page by page. */
  departures(sinceMs: number): Generator<readonly Departure[], void, undefined>;
  /** Every change there ever was: the chain can only be verified whole. */
  changes(): readonly ChangeEntry[];
  /** Null when the chain is whole. */
  broken(): ChainBreak | null;
  close(): void;
}

/** Opens the egress log of a node store. Throws `EgressLogError`, or `StoreError` for a store of a later release. */
export function openEgressLog(directory: string): EgressLog {
  const path = join(directory, "node.db");
  if (!existsSync(path)) throw new EgressLogError("EGRESS_NO_STORE", `there is no ${path}`);
  const guard = guardOf(path);
  return guard(() => {
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    return closedOnError(db, () => readerOf(db, guard));
  });
}

type Guard = <T>(work: () => T) => T;

/** Turns errors of SQLite into ours. */
const guardOf =
  (path: string): Guard =>
  (work) => {
    try {
      return work();
    } catch (cause) {
      const fault = storeFault(cause, path);
      if (fault === null) throw cause;
      const detail = cause instanceof Error ? cause.message : String(cause);
      throw new EgressLogError(fault === "refused" ? "EGRESS_REFUSED" : "EGRESS_UNREADABLE", `${path}: ${detail}`, { cause });
    }
  };

function readerOf(db: Connection, guard: Guard): EgressLog {
  const schema = schemaVersion(db);
  if (schema === 0) throw new StoreError("STORE_DAMAGED", "node.db is empty");
  if (schema > OUTBOX_MIGRATIONS.length) throw new StoreError("STORE_SCHEMA_NEWER", `schema ${schema} of node.db`);
  const instance = db.prepare<[], string>("SELECT instance FROM store").pluck().get() ?? "";
  const page = db.prepare<[number, number, number], Departure>(
    `SELECT id, at_ms AS "atMs", address, from_seq AS "fromSeq", to_seq AS "toSeq", rows, bytes
     FROM egress WHERE id > ? AND at_ms >= ? ORDER BY id LIMIT ?`,
  );
  const allChanges = (): readonly ChangeEntry[] =>
    schema < CHANGES_SINCE_SCHEMA
      ? []
      : db.prepare<[], ChangeEntry>(`SELECT id, at_ms AS "atMs", text, hash FROM change ORDER BY id`).all();
  const terms = db.prepare<[string], string>("SELECT value FROM fact WHERE key = ?").pluck();
  return {
    instance,
    *departures(sinceMs) {
      for (let after = 0; ; ) {
        const rows = guard(() => page.all(after, sinceMs, PAGE_ROWS));
        if (rows.length > 0) yield rows;
        if (rows.length < PAGE_ROWS) return;
        after = rows.at(-1)?.id ?? after;
      }
    },
    changes: () => guard(allChanges),
    // One transaction: the node may write a change and its terms in between.
    broken: () => guard(db.transaction(() => breakOf(allChanges(), terms.get(TERMS_FACT) ?? null))),
    close: () => db.close(),
  };
}

/** `terms`: those that the store remembers. They were written together with a change: without it, entries were cut off at the end. */
function breakOf(changes: readonly ChangeEntry[], terms: string | null): ChainBreak | null {
  let before = "";
  for (const [index, { id, atMs, text, hash }] of changes.entries()) {
    // Ids have no gaps: rows are only ever added, one after the other.
    if (id !== index + 1) return { id: index + 1, why: "missing" };
    if (changeHash(before, atMs, text) !== hash) return { id, why: "altered" };
    before = hash;
  }
  return terms === null || changes.some(({ text }) => text === terms) ? null : { id: null, why: "missing" };
}
