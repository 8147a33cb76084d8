import type { LostRange, OutboxStanding } from "../../ports/outbox.ts";
import { StoreError } from "./database.ts";
import { type HighWater, highWaterCrc, messageBytes, restoredRow } from "./outbox-row.ts";
import type { OutboxStatements } from "./outbox-statements.ts";

/** Where the queue stands. Held in memory; at start it is found from the last row and the high-water mark. */
export interface Counters {
  readonly lastPosition: number;
  readonly lastSeq: number;
  /** Topic and payload bytes of all rows ever written. */
  readonly endBytes: number;
  readonly settled: HighWater;
  readonly lost: readonly LostRange[];
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
    const intact = restoredRow(row);
    if (intact === null) continue;
    endBytes ??= row.endBytes;
    if (intact.seq === null) {
      doubtful--;
      continue;
    }
    doubtful -= intact.position - settled.position;
    lastSeq = intact.seq;
    break;
  }
  // A row beyond the last intact summary that cannot be read may have been one: its number is never given again.
  lastSeq += doubtful;
  return { lastPosition, lastSeq, endBytes: endBytes ?? settled.bytes, settled, lost: sql.lost.all(), givenUp: 0 };
}

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

/** Number of the first intact summary after `position`, or null. */
export function summaryAfter(sql: OutboxStatements, position: number): number | null {
  let rows = sql.summariesAfter.all(position, SEARCH_ROWS);
  while (rows.length > 0) {
    for (const row of rows) {
      const seq = restoredRow(row)?.seq ?? null;
      if (seq !== null) return seq;
    }
    rows = sql.summariesAfter.all(rows.at(-1)?.position ?? position, SEARCH_ROWS);
  }
  return null;
}

/** Number of the last intact summary at or below `position`, or null. */
export function summaryDownFrom(sql: OutboxStatements, position: number): number | null {
  for (const row of rowsDown(sql, position)) {
    const seq = restoredRow(row)?.seq ?? null;
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
export function rewoundTo(sql: OutboxStatements, { settled }: Counters, fromSeq: number): { mark: HighWater; seq: number } | null {
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
  if (low >= settled.position || seq === null) return null;
  const message = restoredRow(oldest);
  const bytes = sql.endBytesAt.get(low) ?? oldest.endBytes - (message === null ? 0 : messageBytes(message));
  return { mark: { position: low, seq: seq - 1, bytes: Math.min(bytes, settled.bytes) }, seq };
}

/** Writes what has changed and is not found in the rows. Inside a transaction. */
export function saveCounters(sql: OutboxStatements, before: Counters, after: Counters): void {
  if (after.settled !== before.settled) sql.setStanding.run({ ...after.settled, crc: highWaterCrc(after.settled) });
  if (after.lost === before.lost) return;
  sql.clearLost.run();
  for (const range of after.lost) sql.addLost.run(range);
}

/** The counters in the words of the port. */
export function standingOf({ lastPosition, lastSeq, endBytes, settled, lost, givenUp }: Counters, isShort: boolean): OutboxStanding {
  return {
    lastSeq,
    lastPosition,
    acknowledgedPosition: settled.position,
    // Numbers have no gaps, so the next one after the last settled is the oldest that waits.
    firstUnackedSeq: settled.seq < lastSeq ? settled.seq + 1 : null,
    pendingRows: lastPosition - settled.position,
    pendingBytes: endBytes - settled.bytes,
    lost,
    givenUp,
    isShort,
  };
}
