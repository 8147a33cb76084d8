import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import Database from "better-sqlite3";
import { type EpochMs, epochMs } from "../../core/units/time.ts";
import type { NewRow, Outbox } from "../../ports/outbox.ts";
import type { Connection } from "./database.ts";
import { type HighWater, highWaterCrc, restoredRow, type StoredRow } from "./outbox-row.ts";
import { STORED_ROW } from "./outbox-statements.ts";

/** Rows of one commit. */
const SLICE_ROWS = 50;
/** The most rows that are taken over, the newest: they have no numbers in the new store, which is searched for the next one behind them. */
export const SALVAGE_ROWS_MAX = 10_000;
/** Reads that may fail one after the other before the rest is given up: a page holds about three rows. */
const FAILURES_MAX = 20_000;
const DONE = "done";

/** What became of a store that was put aside. */
export interface Salvaged {
  readonly path: string;
  /** Summaries that waited there, and wait here now, byte for byte. */
  readonly rows: number;
  /** Positions that should have had one, and could not be read or were not what had been written; null: nobody knows how many. */
  readonly damaged: number | null;
}

/**
 * Takes the summaries that waited in a damaged store over into the one that took its place: those that are what had been written, which
 * their CRC says, and nothing else. Summaries only: readings are never in such a file, and metas the new store queues itself. They are
 * read where the table has them, never from pages that were freed. How far it is stands in a fact, so that a kill does not send them
 * once more. Null: there is nothing to salvage. Rejects with `OutboxError`.
 */
export async function salvage(directory: string, outbox: Outbox, breathe: () => Promise<void>): Promise<Salvaged | null> {
  const path = quarantinedIn(directory);
  if (path === null) return null;
  const key = `salvaged:${basename(path)}`;
  const before = (await outbox.recall(key)) ?? "";
  if (before === DONE) return null;
  const wreck = openWreck(path);
  const note = (text: string, rows: readonly NewRow[], madeAt: EpochMs) =>
    outbox.commit({ rows, marks: new Map(), facts: new Map([[key, text]]), madeAt });
  if (wreck === null) {
    await note(DONE, [], epochMs(0));
    return { path, rows: 0, damaged: null };
  }
  try {
    let rows = 0;
    let intact = 0;
    const begin = Math.max(wreck.settled, wreck.last - SALVAGE_ROWS_MAX);
    for (let cursor = Math.max(begin, Number(before) || 0); cursor < wreck.last; ) {
      const slice = wreck.after(cursor);
      const good = slice.rows.flatMap((row) => restoredRow(row) ?? []);
      const summaries = good.filter(({ seq }) => seq !== null).map(({ message }) => ({ message, seq: null }));
      intact += good.length;
      rows += summaries.length;
      cursor = slice.cursor;
      const madeAt = slice.rows.at(-1)?.madeMs;
      if (summaries.length > 0) await note(String(cursor), summaries, epochMs(typeof madeAt === "number" && madeAt > 0 ? madeAt : 0));
      await breathe();
    }
    await note(DONE, [], epochMs(0));
    return { path, rows, damaged: wreck.last - begin - intact };
  } finally {
    wreck.close();
  }
}

/** The damaged store that was put aside last. */
function quarantinedIn(directory: string): string | null {
  const names = readdirSync(directory).filter((name) => /^node\.db\.corrupt-\d+$/.test(name));
  const last = names.sort((a, b) => Number(a.split("-")[1]) - Number(b.split("-")[1])).at(-1);
  return last === undefined ? null : join(directory, last);
}

interface Wreck {
  /** Up to here everything was settled, as far as that can be known. */
  readonly settled: number;
  readonly last: number;
  after(position: number): { readonly rows: readonly StoredRow[]; readonly cursor: number };
  close(): void;
}

/** Null when nothing can be read at all. */
function openWreck(path: string): Wreck | null {
  let db: Connection | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    const page = db.prepare<[number, number], StoredRow>(`SELECT ${STORED_ROW} FROM outbox WHERE position > ? ORDER BY position LIMIT ?`);
    const last = db.prepare<[], number>("SELECT position FROM outbox ORDER BY position DESC LIMIT 1").pluck().get() ?? 0;
    const open = db;
    return { settled: settledIn(db), last, after: (position) => sliceAfter(page, position, last), close: () => open.close() };
  } catch {
    db?.close();
    return null;
  }
}

function settledIn(db: Connection): number {
  try {
    const mark = db.prepare<[], HighWater & { crc: number }>("SELECT position, seq, bytes, crc FROM standing").get();
    return mark !== undefined && highWaterCrc(mark) === mark.crc ? mark.position : 0;
  } catch {
    return 0; // Sent twice rather than not at all.
  }
}

/** Rows behind a position, and up to where they reach; over a place that cannot be read it goes position by position. */
function sliceAfter(page: { all(after: number, limit: number): StoredRow[] }, position: number, last: number) {
  let cursor = position;
  for (let failures = 0; cursor < last && failures < FAILURES_MAX; failures++) {
    try {
      const rows = page.all(cursor, failures === 0 ? SLICE_ROWS : 1);
      const end = rows.at(-1)?.position;
      return { rows, cursor: typeof end === "number" && end > cursor ? end : last };
    } catch {
      // The first failure may be of any of many rows: then they are read one at a time.
      if (failures > 0) cursor++;
    }
  }
  return { rows: [], cursor: last };
}
