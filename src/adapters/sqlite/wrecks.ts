import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import Database from "better-sqlite3";
import { OutboxError, SALVAGED_FACT } from "../../ports/outbox.ts";
import { type AheadRow, aheadCrc, rangeAt } from "./ahead.ts";
import { type FactRow, isIntactFact } from "./checked-rows.ts";
import type { Connection } from "./database.ts";
import { type HighWater, highWaterCrc, restoredRow, type StoredRow } from "./outbox-row.ts";
import { AHEAD_ROW, STORED_ROW } from "./outbox-statements.ts";

/** Rows that are read, and committed, at a time. */
const SLICE_ROWS = 100;
/** Reads of a slice where rows must be tried one by one. */
const READS_MAX = 200;
/** Rows at the end of the table that are looked at for one that is what had been written. */
const END_ROWS = 50;

/**
 * A damaged store cannot be read just now, for a reason that may pass: the card gave an error, there is no room or no memory. What is
 * damaged stays damaged, and is no such reason.
 */
export class UnreadableNow extends OutboxError {
  constructor(path: string, cause: Error) {
    super("OUTBOX_IO", { cause });
    this.message = `${basename(path)} cannot be read now: ${cause.message}`;
    this.name = "UnreadableNow";
  }
}

// https://www.sqlite.org/rescode.html; with their extended codes.
const CARD = /^SQLITE_IOERR/;
const PASSING = /^SQLITE_(CANTOPEN|BUSY|LOCKED|FULL|NOMEM|READONLY|PROTOCOL|PERM|AUTH)/;

/** How the stores are read. */
export interface Reading {
  /** Whether errors of the card, too, are waited for: thrown as `UnreadableNow`. If not, they count as damage. */
  readonly isPatient: boolean;
}

/** Returns when what could not be read is damaged. */
function mustBeDamage(error: unknown, path: string, { isPatient }: Reading): void {
  if (error instanceof UnreadableNow) throw error;
  const code = error instanceof Database.SqliteError ? error.code : null;
  const isPassing = code === null || PASSING.test(code) || (isPatient && CARD.test(code));
  if (isPassing && error instanceof Error) throw new UnreadableNow(path, error);
}

/** Stores that were put aside and are still there, the oldest first. */
export function wrecksIn(directory: string): readonly string[] {
  const names = readdirSync(directory).filter((name) => /^node\.db\.corrupt-\d+$/.test(name));
  return names.sort((a, b) => numberOf(a) - numberOf(b)).map((name) => join(directory, name));
}

const numberOf = (path: string): number => Number(path.split("-").at(-1));

/** Key of the fact that says how far the salvage of a wreck came. */
export const salvagedKey = (path: string): string => `${SALVAGED_FACT}${basename(path)}`;

/** What the fact is when nothing is left to be done with the wreck. */
export const DONE = "done";

/** How far the salvage of a wreck came, as the stores know that were damaged since: the fact was in one of them. Null: none knows. */
export function earlierProgress(path: string, reading: Reading): string | null {
  const later = wrecksIn(dirname(path)).filter((other) => numberOf(other) > numberOf(path));
  for (const other of later.reverse()) {
    const text = factIn(other, salvagedKey(path), reading);
    if (text !== null) return text;
  }
  return null;
}

function factIn(path: string, key: string, reading: Reading): string | null {
  const db = opened(path, reading);
  try {
    const row = db?.prepare<[string], FactRow>("SELECT key, value, crc FROM fact WHERE key = ?").get(key);
    return row !== undefined && isIntactFact(row) ? row.value : null;
  } catch (error) {
    mustBeDamage(error, path, reading);
    return null;
  } finally {
    db?.close();
  }
}

function opened(path: string, reading: Reading): Connection | null {
  try {
    return new Database(path, { readonly: true, fileMustExist: true });
  } catch (error) {
    mustBeDamage(error, path, reading);
    return null;
  }
}

/** Rows that are what had been written, ascending, and the position up to which there are no others that can be read. */
export interface Slice {
  readonly rows: readonly StoredRow[];
  readonly cursor: number;
}

/** The queue of a damaged store. */
export interface Wreck {
  /** Up to here everything was settled, as far as that can be known. */
  readonly settled: number;
  /** Null: the end of the table cannot be read, and the rest is read up to there. */
  readonly last: number | null;
  /** Whether a row behind `settled` had been settled nevertheless, as far as that can be known. */
  isSettled(position: number): boolean;
  after(position: number): Slice;
  close(): void;
}

/** Null when nothing can be read at all. */
export function openWreck(path: string, reading: Reading): Wreck | null {
  const db = opened(path, reading);
  if (db === null) return null;
  const damage = (error: unknown): void => mustBeDamage(error, path, reading);
  try {
    const page = db.prepare<[number, number, number], StoredRow>(
      `SELECT ${STORED_ROW} FROM outbox WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
    );
    const last = lastIn(db, damage);
    const read = (after: number, rowsMax: number) => page.all(after, last ?? Number.MAX_SAFE_INTEGER, rowsMax);
    const after = (position: number) => sliceAfter(read, position, last, damage);
    const ahead = aheadIn(db, damage);
    const isSettled = (position: number): boolean => rangeAt(ahead, position) !== undefined;
    const wreck = { settled: settledIn(db, damage), last, isSettled, after, close: () => db.close() };
    // With neither an end nor a row there is nothing to go by.
    if (last !== null || wreck.after(wreck.settled).rows.length > 0) return wreck;
    db.close();
    return null;
  } catch (error) {
    db.close();
    damage(error);
    return null;
  }
}

/** Throws what is no damage. */
type Damage = (error: unknown) => void;

/** The last position; the number of a damaged row is not believed, but that there is one. */
function lastIn(db: Connection, damage: Damage): number | null {
  try {
    const rows = db.prepare<[number], StoredRow>(`SELECT ${STORED_ROW} FROM outbox ORDER BY position DESC LIMIT ?`).all(END_ROWS);
    const damaged = rows.findIndex((row) => restoredRow(row) !== null);
    return damaged > 0 ? (rows[damaged]?.position ?? 0) + damaged : (rows[0]?.position ?? 0);
  } catch (error) {
    damage(error);
    return null;
  }
}

function settledIn(db: Connection, damage: Damage): number {
  try {
    const mark = db.prepare<[], HighWater & { crc: number }>("SELECT position, seq, bytes, crc FROM standing").get();
    if (mark !== undefined && highWaterCrc(mark) === mark.crc) return mark.position;
  } catch (error) {
    // As good as one that is not what had been written.
    damage(error);
  }
  return beforeFirst(db, damage);
}

/** A store of an older release has no such table: that is as good as an empty one. */
function aheadIn(db: Connection, damage: Damage): readonly AheadRow[] {
  try {
    const rows = db.prepare<[], AheadRow>(`SELECT ${AHEAD_ROW} FROM ahead ORDER BY from_position`).all();
    return rows.filter((row) => aheadCrc(row) === row.crc);
  } catch (error) {
    damage(error);
    return [];
  }
}

/** Sent twice rather than not at all: with no mark, all that is there waits. */
function beforeFirst(db: Connection, damage: Damage): number {
  try {
    const first = db.prepare<[], number>("SELECT position FROM outbox ORDER BY position LIMIT 1").pluck().get();
    return first === undefined ? 0 : Math.max(0, first - 1);
  } catch (error) {
    damage(error);
    return 0;
  }
}

type Read = (after: number, rowsMax: number) => readonly StoredRow[];

/**
 * The next rows; over a place that cannot be read it goes position by position. Only the position of an intact row is believed, and only
 * when it is ahead: in a damaged tree rows come twice, and in any order.
 */
function sliceAfter(read: Read, position: number, last: number | null, damage: Damage): Slice {
  const end = last ?? Number.MAX_SAFE_INTEGER;
  try {
    const found = read(position, SLICE_ROWS);
    const rows: StoredRow[] = [];
    for (const row of found) if (row.position > (rows.at(-1)?.position ?? position) && restoredRow(row) !== null) rows.push(row);
    return { rows, cursor: found.length < SLICE_ROWS ? end : (rows.at(-1)?.position ?? Math.min(position + SLICE_ROWS, end)) };
  } catch (error) {
    damage(error);
    return oneByOne(read, position, end, damage);
  }
}

function oneByOne(read: Read, position: number, end: number, damage: Damage): Slice {
  const rows: StoredRow[] = [];
  let cursor = position;
  for (let reads = 0; reads < READS_MAX && rows.length < SLICE_ROWS && cursor < end; reads++) {
    try {
      const [row] = read(cursor, 1);
      if (row === undefined) return { rows, cursor: end };
      const isSound = row.position > cursor && restoredRow(row) !== null;
      if (isSound) rows.push(row);
      cursor = isSound ? row.position : cursor + 1;
    } catch (error) {
      damage(error);
      cursor++;
    }
  }
  return { rows, cursor };
}
