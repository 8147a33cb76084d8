import { LOST_EARLIER_FACT, type LostRange, META_FACT, type OutboxRow, type OutboxStanding } from "../../ports/outbox.ts";
import { type Ahead, type AheadRange, aheadCrc, changes, lengthOf, spansBeside, withAhead } from "./ahead.ts";
import { factText, setFact } from "./checked-rows.ts";
import { StoreError } from "./database.ts";
import { addLost, gaps, withoutLost } from "./lost-ranges.ts";
import { type HighWater, highWaterCrc, lastSeqAt, messageBytes, nextSeqAt, restoredRow } from "./outbox-row.ts";
import type { OutboxStatements } from "./outbox-statements.ts";

/** Where the queue stands. Held in memory; at start it is found from the last row and the high-water mark. */
export interface Counters {
  readonly lastPosition: number;
  readonly lastSeq: number;
  /** Topic and payload bytes of all rows ever written. */
  readonly endBytes: number;
  readonly settled: HighWater;
  /** What is settled behind the mark. */
  readonly ahead: Ahead;
  readonly lost: readonly LostRange[];
  /** Summaries of earlier instances; null: nobody knows how many. */
  readonly lostEarlier: number | null;
  /** Damaged rows up to here are counted in it: a replay finds them again. */
  readonly lostEarlierTo: number;
  /** Rows that were given up since the store was opened. */
  readonly givenUp: number;
}

/** Rows a step of the searches reads; they nearly always end with the first. */
export const SEARCH_ROWS = 2;

/** Reads the counters, at a cost that does not depend on how many rows there are. Throws `STORE_DAMAGED`. */
export function loadCounters(sql: OutboxStatements): Counters {
  const settled = loadSettled(sql);
  const ahead = loadAhead(sql, settled.position);
  const newest = sql.rowsDownFrom.get(Number.MAX_SAFE_INTEGER, 1);
  const lastPosition = Math.max(settled.position, newest?.position ?? 0, ahead.at(-1)?.to ?? 0);
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
  const books = { lost: sql.lost.all(), ...lostEarlierIn(sql), givenUp: 0 };
  return { lastPosition, lastSeq, endBytes: endBytes ?? settled.bytes, settled, ahead, ...books };
}

/** A damaged range costs a second sending, as a damaged mark does. */
function loadAhead(sql: OutboxStatements, settledPosition: number): Ahead {
  let next = settledPosition + 1;
  return sql.ahead.all().flatMap(({ crc, ...range }) => {
    if (aheadCrc(range) !== crc || range.from < next) return [];
    next = range.to + 1;
    return [range];
  });
}

/** How many, and up to where damaged rows are counted; an older release wrote the number alone. */
function lostEarlierIn(sql: OutboxStatements): Pick<Counters, "lostEarlier" | "lostEarlierTo"> {
  const [count = "", upTo = "0"] = (factText(sql, LOST_EARLIER_FACT) ?? "0").split(" ");
  return { lostEarlier: /^\d+$/.test(count) ? Number(count) : null, lostEarlierTo: Number(upTo) || 0 };
}

/** A sum of which a part may not be known. */
export const sum = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a + b);

/** The high-water mark; a damaged one costs a second sending of what is still there, never a summary. */
function loadSettled(sql: OutboxStatements): HighWater {
  const stored = sql.standing.get();
  if (stored !== undefined && highWaterCrc(stored) === stored.crc)
    return { position: stored.position, seq: stored.seq, bytes: stored.bytes };
  const [first] = sql.rowsAfter(0, 1);
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
  const seq = Math.max(settled.seq, summaryDownFrom(sql, position) ?? 0, lastSeq - numbersBehind(sql, position, lastSeq));
  return { position, seq, bytes: Math.min(Math.max(bytes, settled.bytes), endBytes) };
}

/** How many numbers there may be behind `position`: a row that cannot be read may have one, ahead of the next that says its own. */
function numbersBehind(sql: OutboxStatements, position: number, lastSeq: number): number {
  let unreadable = 0;
  for (let after = position; ; ) {
    const rows = sql.rowsAfter(after, SEARCH_ROWS);
    for (const row of rows) {
      const seq = nextSeqAt(row);
      unreadable += row.position - after - 1;
      if (seq !== null) return lastSeq - seq + 1 + unreadable;
      if (restoredRow(row) === null) unreadable++;
      after = row.position;
    }
    if (rows.length === 0) return unreadable;
  }
}

/** Finds the high-water mark as it is once every row up to `position` is settled. */
export type MarkAt = (counters: Counters, position: number) => HighWater;

/** The counters once these are settled, with ranges that lie apart from those that were. */
export function withSettled(counters: Counters, added: readonly AheadRange[], markAt: MarkAt): Counters {
  if (added.length === 0) return counters;
  const ahead = withAhead(counters.ahead, added);
  const [first] = ahead;
  if (first === undefined || first.from > counters.settled.position + 1) return { ...counters, ahead };
  return { ...counters, settled: markAt(counters, first.to), ahead: ahead.slice(1) };
}

/** Reason of a range whose rows were not what had been written. */
export const DAMAGED = "damaged";

/**
 * The counters once the rows in `(from, end]` that are neither intact nor settled are reported as lost, and settled. They stay where they
 * are: what they say about their number cannot be believed, but that there was one keeps it from being given again.
 */
export function withDamaged(sql: OutboxStatements, counters: Counters, from: number, end: number, intact: readonly OutboxRow[]): Counters {
  const settledThere = counters.ahead.filter((range) => range.from <= end && range.to > from);
  const there = [...settledThere, ...intact.map(({ position }) => ({ from: position, to: position }))];
  const gone = spansBeside(
    there.sort((a, b) => a.from - b.from),
    from,
    end,
  );
  if (gone.length === 0) return counters;
  const below = Math.max(summaryDownFrom(sql, from) ?? 0, counters.settled.seq);
  const above = summaryAfter(sql, end) ?? counters.lastSeq + 1;
  const between = gaps([below, ...intact.map((row) => row.seq).filter((seq) => seq !== null), above], DAMAGED);
  const missing = withoutAhead(between, settledThere);
  const numbered = missing.reduce((count, { fromSeq, toSeq }) => count + toSeq - fromSeq + 1, 0);
  const lostMetas = gone.reduce((count, span) => count + (sql.metasBetween.get(span.from - 1, span.to) ?? 0), 0);
  // What had no number here, and does not look like a meta, had been salvaged.
  const earlier = Math.max(0, lengthOf(gone) - numbered - lostMetas);
  const isCounted = end <= counters.lostEarlierTo;
  // What explains summaries is queued again, by a node that is told that something was given up.
  for (const span of gone) for (const topic of sql.metaTopics.all(span.from - 1, span.to)) sql.deleteFact.run(`${META_FACT}${topic}`);
  const settled = gone.map((span) => ({ ...span, fromSeq: null, toSeq: null, bytes: 0 }));
  return {
    ...withSettled(counters, settled, (before, position) => settledAt(sql, before, position)),
    lost: missing.reduce(addLost, counters.lost),
    lostEarlier: isCounted ? counters.lostEarlier : sum(counters.lostEarlier, earlier),
    lostEarlierTo: isCounted || earlier === 0 ? counters.lostEarlierTo : end,
    givenUp: counters.givenUp + lostMetas,
  };
}

/** The ranges of numbers without those that are settled ahead of the mark. */
export const withoutAhead = (ranges: readonly LostRange[], ahead: Ahead): readonly LostRange[] =>
  ahead.reduce((rest, { fromSeq, toSeq }) => (fromSeq === null || toSeq === null ? rest : withoutLost(rest, fromSeq, toSeq)), ranges);

/** Writes what has changed and is not found in the rows. Inside a transaction. */
export function saveCounters(sql: OutboxStatements, before: Counters, after: Counters): void {
  if (after.settled !== before.settled) sql.setStanding.run({ ...after.settled, crc: highWaterCrc(after.settled) });
  saveAhead(sql, before, after);
  if (after.lostEarlier !== before.lostEarlier || after.lostEarlierTo !== before.lostEarlierTo)
    setFact(sql, LOST_EARLIER_FACT, `${after.lostEarlier ?? "unknown"} ${after.lostEarlierTo}`);
  if (after.lost === before.lost) return;
  sql.clearLost.run();
  for (const range of after.lost) sql.addLost.run(range);
}

/** Numbers have no gaps: the next one after the last settled is the oldest that waits, if it has not overtaken a row that has none. */
function firstWaiting({ settled, ahead, lastSeq }: Counters): number | null {
  let seq = settled.seq + 1;
  for (const { fromSeq, toSeq } of ahead) {
    if (fromSeq !== null && fromSeq > seq) break;
    seq = Math.max(seq, (toSeq ?? 0) + 1);
  }
  return seq <= lastSeq ? seq : null;
}

function saveAhead(sql: OutboxStatements, before: Counters, after: Counters): void {
  const isRewound = after.settled.position < before.settled.position;
  if (isRewound) sql.clearAhead.run();
  else if (after.settled !== before.settled) sql.deleteAheadTo.run(after.settled.position);
  if (after.ahead === before.ahead) return;
  const { gone, made } = changes(isRewound ? [] : before.ahead, after.ahead);
  for (const { from } of gone) sql.deleteAhead.run(from);
  for (const range of made) sql.setAhead.run({ ...range, crc: aheadCrc(range) });
}

/** The counters in the words of the port. */
export function standingOf(counters: Counters, isShort: boolean): OutboxStanding {
  const { lastPosition, lastSeq, endBytes, settled, ahead, lost, lostEarlier, givenUp } = counters;
  return {
    lastSeq,
    lastPosition,
    acknowledgedPosition: settled.position,
    aheadRanges: ahead.length,
    aheadTo: ahead.at(-1)?.to ?? settled.position,
    firstUnackedSeq: firstWaiting(counters),
    pendingRows: lastPosition - settled.position - lengthOf(ahead),
    // Bytes of what was damaged since are not known any more.
    pendingBytes: Math.max(0, endBytes - settled.bytes - ahead.reduce((sum, { bytes }) => sum + bytes, 0)),
    queueBytes: endBytes - settled.bytes,
    lost,
    lostEarlier,
    givenUp,
    isShort,
  };
}
