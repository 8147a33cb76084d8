import { META_FACT, type OutboxLimits } from "../../ports/outbox.ts";
import { type AheadRange, lengthOf, type Span, spansBeside } from "./ahead.ts";
import { addLost } from "./lost-ranges.ts";
import { type Counters, type MarkAt, settledAt, sum, withoutAhead, withSettled } from "./outbox-counters.ts";
import type { OutboxStatements, RowSpan } from "./outbox-statements.ts";

/** The most rows of a kind that one slice deletes: the event loop waits meanwhile. */
export const TRIM_ROWS_MAX = 500;
/** Rows that make room on a disk that is full, at a time: 35 KB of summaries. */
const SHED_ROWS = 50;
/** What a row of the egress log takes on the card: nine columns, six of them integers of up to 6 bytes, and `host:port`. */
export const EGRESS_ROW_BYTES = 80;

/** What one slice did. */
export interface Trimmed {
  readonly counters: Counters;
  readonly rows: number;
  readonly more: boolean;
}

/** Deletes one slice of what is beyond the limits. Inside a transaction. */
export function trimSlice(sql: OutboxStatements, before: Counters, limits: OutboxLimits): Trimmed {
  let counters = before;
  const { pendingBefore } = limits;
  if (pendingBefore !== null) counters = giveUp(sql, counters, "expired", (row) => row.madeMs < pendingBefore);
  counters = giveUp(sql, counters, "outbox-full", (_row, ahead) => counters.endBytes - ahead > limits.bytesMax);
  const givenUp = counters.settled.position - before.settled.position;
  const replayed = Math.min(Math.max(replayedUpTo(sql, counters, limits), beyondBytes(sql, counters, limits)), counters.settled.position);
  const settled = sql.deleteRows.run(replayed, TRIM_ROWS_MAX).changes;
  const egress = trimEgress(sql, limits);
  return {
    counters,
    rows: givenUp + settled + egress,
    more: givenUp >= TRIM_ROWS_MAX || settled === TRIM_ROWS_MAX || egress >= TRIM_ROWS_MAX,
  };
}

/** Deletes what makes room on a disk that is full: what is kept for replay, and when there is no more of it, what has waited longest. */
export function shedSlice(sql: OutboxStatements, before: Counters): Trimmed {
  const replayable = sql.deleteRows.run(before.settled.position, SHED_ROWS).changes;
  if (replayable > 0) return { counters: before, rows: replayable, more: true };
  const counters = giveUp(sql, before, "disk-full", () => true, SHED_ROWS);
  const rows = counters.givenUp - before.givenUp;
  return { counters, rows, more: rows > 0 };
}

/** Up to which position acknowledged rows are more than the outbox may hold, give or take a row. */
function beyondBytes(sql: OutboxStatements, counters: Counters, { bytesMax }: OutboxLimits): number {
  let upTo = 0;
  for (const row of sql.spansAfter.all(0, TRIM_ROWS_MAX)) {
    if (row.position > counters.settled.position || counters.endBytes - row.endBytes < bytesMax) break;
    upTo = row.position;
  }
  return upTo;
}

/** Drops pending rows from the oldest on, while `beyond` says so of the row and of the running total ahead of it. */
function giveUp(
  sql: OutboxStatements,
  counters: Counters,
  reason: string,
  beyond: (row: RowSpan, bytesAhead: number) => boolean,
  rowsMax = TRIM_ROWS_MAX,
): Counters {
  let upTo = counters.settled.position;
  let ahead = counters.settled.bytes;
  for (const row of sql.spansAfter.all(counters.settled.position, rowsMax)) {
    if (!beyond(row, ahead)) break;
    upTo = row.position;
    ahead = row.endBytes;
  }
  if (upTo === counters.settled.position) return counters;
  // Those that overtook a row that waits have arrived.
  const passed = counters.ahead.filter(({ from }) => from <= upTo);
  const given = spansBeside(passed, counters.settled.position, upTo);
  let { lostEarlier } = counters;
  for (const { from, to } of given) {
    for (const topic of sql.metaTopics.all(from - 1, to)) sql.deleteFact.run(`${META_FACT}${topic}`);
    lostEarlier = sum(lostEarlier, sql.salvagedBetween.get(from - 1, to) ?? 0);
  }
  const markAt: MarkAt = (before, position) => settledAt(sql, before, position);
  const after = withSettled(counters, given.map(rangeOf), markAt);
  const dropped = { fromSeq: counters.settled.seq + 1, toSeq: settledAt(sql, counters, upTo).seq, reason };
  const lost = dropped.toSeq < dropped.fromSeq ? [] : withoutAhead([dropped], passed);
  sql.deleteBetween.run(counters.settled.position, upTo);
  return { ...after, givenUp: counters.givenUp + lengthOf(given), lost: lost.reduce(addLost, counters.lost), lostEarlier };
}

const rangeOf = (span: Span): AheadRange => ({ ...span, fromSeq: null, toSeq: null, bytes: 0 });

/**
 * Up to which position rows need not be kept for replay any more: they were acknowledged before `acknowledgedBefore`, as the
 * egress log tells, for a PUBACK of yesterday says nothing about how old a message was. What the broker refused has no entry of
 * its own there: it goes with the next that has, or with age.
 */
function replayedUpTo(sql: OutboxStatements, counters: Counters, limits: OutboxLimits): number {
  const { acknowledgedBefore, pendingBefore } = limits;
  let upTo = acknowledgedBefore === null ? 0 : egressBefore(sql, acknowledgedBefore);
  if (pendingBefore === null) return upTo;
  for (const row of sql.spansAfter.all(upTo, TRIM_ROWS_MAX)) {
    if (row.position > counters.settled.position || row.madeMs >= pendingBefore) break;
    upTo = row.position;
  }
  return upTo;
}

/** Last position of the newest entry made before `at`, 0 when there is none. A binary search: entries are in order of time. */
function egressBefore(sql: OutboxStatements, at: number): number {
  let low = sql.egressFrom.get(0)?.id ?? 1;
  let high = (sql.egressLast.get() ?? 0) + 1;
  let found = 0;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const entry = sql.egressFrom.get(middle);
    if (entry !== undefined && entry.atMs < at) {
      found = Math.max(found, entry.toPosition);
      low = entry.id + 1;
    } else {
      high = middle;
    }
  }
  return found;
}

function trimEgress(sql: OutboxStatements, limits: OutboxLimits): number {
  const { egressBefore: before, egressBytesMax } = limits;
  const aged = before === null ? 0 : sql.deleteEgressOlder.run(TRIM_ROWS_MAX, before).changes;
  // As long as what left is remembered, so is what it cost.
  if (before !== null) sql.deleteLedgerBefore.run(before);
  const last = sql.egressLast.get() ?? 0;
  const rowsMax = Math.max(1, Math.floor(egressBytesMax / EGRESS_ROW_BYTES));
  return aged + sql.deleteEgressBelow.run(last - rowsMax + 1, TRIM_ROWS_MAX).changes;
}
