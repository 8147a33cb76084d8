import {
  type Acknowledgement,
  isSummary,
  LOST_EARLIER_FACT,
  type LostRange,
  META_FACT,
  type OutboxRow,
  type OutboxStanding,
} from "../../ports/outbox.ts";
import { factText, setFact } from "./checked-rows.ts";
import { StoreError } from "./database.ts";
import { addLost, gaps } from "./lost-ranges.ts";
import { type HighWater, highWaterCrc, lastSeqAt, messageBytes, nextSeqAt, restoredRow } from "./outbox-row.ts";
import type { OutboxStatements } from "./outbox-statements.ts";

/** Where the queue stands. Held in memory; at start it is found from the last row and the high-water mark. */
export interface Counters {
  readonly lastPosition: number;
  readonly lastSeq: number;
  /** Topic and payload bytes of all rows ever written. */
  readonly endBytes: number;
  readonly settled: HighWater;
  readonly lost: readonly LostRange[];
  /** Summaries of earlier instances; null: nobody knows how many. */
  readonly lostEarlier: number | null;
  /** Rows that were given up since the store was opened. */
  readonly givenUp: number;
}

/** Rows a step of the searches below reads; they nearly always end with the first. */
const SEARCH_ROWS = 8;

/** Reads the counters, at a cost that does not depend on how many rows there are. Throws `STORE_DAMAGED`. */
export function loadCounters(sql: OutboxStatements): Counters {
  const settled = loadSettled(sql);
  const newest = sql.rowsDownFrom.get(Number.MAX_SAFE_INTEGER, 1);
  const lastPosition = Math.max(settled.position, newest?.position ?? 0);
  let doubtful = lastPosition - settled.position;
  let endBytes: number | null = null;
  let lastSeq = settled.seq;
  for (const row of rowsDown(sql, lastPosition)) {
    if (row.position <= settled.position) break;
    if (restoredRow(row) === null) continue;
    endBytes ??= row.endBytes;
    const seq = lastSeqAt(row);
    if (seq === null) {
      doubtful--;
      continue;
    }
    doubtful -= row.position - settled.position;
    lastSeq = seq;
    break;
  }
  // A row beyond the last intact summary that cannot be read may have been one: its number is never given again.
  lastSeq += doubtful;
  const books = { lost: sql.lost.all(), lostEarlier: lostEarlierIn(sql), givenUp: 0 };
  return { lastPosition, lastSeq, endBytes: endBytes ?? settled.bytes, settled, ...books };
}

function lostEarlierIn(sql: OutboxStatements): number | null {
  const text = factText(sql, LOST_EARLIER_FACT) ?? "0";
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** A sum of which a part may not be known. */
export const sum = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a + b);

/** The high-water mark; a damaged one costs a second sending of what is still there, never a summary. */
function loadSettled(sql: OutboxStatements): HighWater {
  const stored = sql.standing.get();
  if (stored !== undefined && highWaterCrc(stored) === stored.crc)
    return { position: stored.position, seq: stored.seq, bytes: stored.bytes };
  const first = sql.rowsAfter.get(0, 1);
  const message = first && restoredRow(first);
  const seq = summaryAfter(sql, 0);
  if (!first || !message || seq === null) throw new StoreError("STORE_DAMAGED", "neither a high-water mark nor rows to find it from");
  return { position: first.position - 1, seq: seq - 1, bytes: first.endBytes - messageBytes(message) };
}

/** The first number after `position`, as the first intact row tells that knows it, or null. */
export function summaryAfter(sql: OutboxStatements, position: number): number | null {
  let rows = sql.summariesAfter.all(position, SEARCH_ROWS);
  while (rows.length > 0) {
    for (const row of rows) {
      const seq = nextSeqAt(row);
      if (seq !== null) return seq;
    }
    rows = sql.summariesAfter.all(rows.at(-1)?.position ?? position, SEARCH_ROWS);
  }
  return null;
}

/** The last number at or below `position`, as the last intact row tells that knows it, or null. */
function summaryDownFrom(sql: OutboxStatements, position: number): number | null {
  for (const row of rowsDown(sql, position)) {
    const seq = lastSeqAt(row);
    if (seq !== null) return seq;
  }
  return null;
}

function* rowsDown(sql: OutboxStatements, position: number) {
  let rows = sql.rowsDownFrom.all(position, SEARCH_ROWS);
  while (rows.length > 0) {
    yield* rows;
    rows = sql.rowsDownFrom.all((rows.at(-1)?.position ?? 0) - 1, SEARCH_ROWS);
  }
}

/** The high-water mark as it is once every row up to `position` is settled. It never goes back. */
export function settledAt(sql: OutboxStatements, counters: Counters, position: number): HighWater {
  const { settled, lastPosition, lastSeq, endBytes } = counters;
  if (position <= settled.position) return settled;
  if (position >= lastPosition) return { position: lastPosition, seq: lastSeq, bytes: endBytes };
  const bytes = sql.endBytesAt.get(position) ?? settled.bytes;
  const next = summaryAfter(sql, position);
  return {
    position,
    seq: next === null ? lastSeq : next - 1,
    bytes: Math.min(Math.max(bytes, settled.bytes), endBytes),
  };
}

/** The high-water mark right before the first summary from `fromSeq` on that is still there; null when that one waits anyway. */
export function rewoundTo(sql: OutboxStatements, { settled, lastSeq }: Counters, fromSeq: number): { mark: HighWater; seq: number } | null {
  const oldest = sql.rowsAfter.get(0, 1);
  if (oldest === undefined || oldest.position > settled.position) return null;
  // Numbers ascend with positions, so that the place can be searched by halves.
  let low = oldest.position - 1;
  let high = settled.position;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if ((summaryAfter(sql, middle) ?? Number.POSITIVE_INFINITY) >= fromSeq) high = middle;
    else low = middle + 1;
  }
  const seq = summaryAfter(sql, low);
  if (low >= settled.position || seq === null || seq > lastSeq) return null;
  const message = restoredRow(oldest);
  const bytes = sql.endBytesAt.get(low) ?? oldest.endBytes - (message === null ? 0 : messageBytes(message));
  return { mark: { position: low, seq: seq - 1, bytes: Math.min(bytes, settled.bytes) }, seq };
}

/** Reason of a range whose rows were not what had been written. */
export const DAMAGED = "damaged";

/** The counters once rows were refused for good. */
export function withRefused(sql: OutboxStatements, counters: Counters, refused: Acknowledgement["refused"]): Counters {
  let { lost, lostEarlier } = counters;
  for (const { position, seq, reason } of refused) {
    if (seq !== null) lost = addLost(lost, { fromSeq: seq, toSeq: seq, reason });
    else lostEarlier = sum(lostEarlier, sql.salvagedBetween.get(position - 1, position) ?? 0);
  }
  return { ...counters, lost, lostEarlier };
}

/**
 * The counters once the rows in `(from, end]` that are not intact are reported as lost; they are settled once nothing waits before them.
 * They stay where they are: what they say about their number cannot be believed, but that there was one keeps it from being given again.
 */
export function withDamaged(sql: OutboxStatements, counters: Counters, from: number, end: number, intact: readonly OutboxRow[]): Counters {
  const below = Math.max(summaryDownFrom(sql, from) ?? 0, counters.settled.seq);
  const above = summaryAfter(sql, end) ?? counters.lastSeq + 1;
  const missing = gaps([below, ...intact.map((row) => row.seq).filter((seq) => seq !== null), above], DAMAGED);
  const numbered = missing.reduce((count, { fromSeq, toSeq }) => count + toSeq - fromSeq + 1, 0);
  const metas = sql.metasBetween.get(from, end) ?? 0;
  const intactMetas = intact.filter(({ seq, message }) => seq === null && !isSummary(message)).length;
  const lostMetas = metas - intactMetas;
  // What had no number here, and does not look like a meta, had been salvaged.
  const earlier = Math.max(0, end - from - intact.length - numbered - lostMetas);
  // What explains summaries is queued again, by a node that is told that something was given up.
  if (lostMetas > 0) for (const topic of sql.metaTopics.all(from, end)) sql.deleteFact.run(`${META_FACT}${topic}`);
  const givenUp = counters.givenUp + Math.max(0, lostMetas);
  const first = intact[0]?.position ?? end + 1;
  const settled = from === counters.settled.position ? settledAt(sql, counters, first - 1) : counters.settled;
  const lost = missing.reduce(addLost, counters.lost);
  return { ...counters, lost, lostEarlier: sum(counters.lostEarlier, earlier), givenUp, settled };
}

/** Writes what has changed and is not found in the rows. Inside a transaction. */
export function saveCounters(sql: OutboxStatements, before: Counters, after: Counters): void {
  if (after.settled !== before.settled) sql.setStanding.run({ ...after.settled, crc: highWaterCrc(after.settled) });
  if (after.lostEarlier !== before.lostEarlier) setFact(sql, LOST_EARLIER_FACT, String(after.lostEarlier ?? "unknown"));
  if (after.lost === before.lost) return;
  sql.clearLost.run();
  for (const range of after.lost) sql.addLost.run(range);
}

/** The counters in the words of the port. */
export function standingOf(counters: Counters, isShort: boolean): OutboxStanding {
  const { lastPosition, lastSeq, endBytes, settled, lost, lostEarlier, givenUp } = counters;
  return {
    lastSeq,
    lastPosition,
    acknowledgedPosition: settled.position,
    // Numbers have no gaps, so the next one after the last settled is the oldest that waits.
    firstUnackedSeq: settled.seq < lastSeq ? settled.seq + 1 : null,
    pendingRows: lastPosition - settled.position,
    pendingBytes: endBytes - settled.bytes,
    lost,
    lostEarlier,
    givenUp,
    isShort,
  };
}
