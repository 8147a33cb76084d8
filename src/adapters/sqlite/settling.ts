import { assert } from "../../core/assert.ts";
import type { Acknowledgement, LostRange, SentRow, SettledRow } from "../../ports/outbox.ts";
import { type AheadRange, rangeAt } from "./ahead.ts";
import { addLost, isLost, withoutLost } from "./lost-ranges.ts";
import { type Counters, type MarkAt, sum, withSettled } from "./outbox-counters.ts";
import type { HighWater } from "./outbox-row.ts";
import type { OutboxStatements } from "./outbox-statements.ts";

/**
 * Writes the entries of the egress log; the mark, what is settled ahead of it, and the losses are in the counters that come back. Inside
 * a transaction.
 */
export function settle(sql: OutboxStatements, counters: Counters, { sent, refused }: Acknowledgement, markAt: MarkAt): Counters {
  const isNews = ({ position }: SettledRow): boolean => {
    assert(position <= counters.lastPosition, "only what was written can be acknowledged");
    return position > counters.settled.position && rangeAt(counters.ahead, position) === undefined;
  };
  const [sentNow, refusedNow] = [sent.filter(isNews), refused.filter(isNews)];
  const after = withSettled(counters, [...sentNow, ...refusedNow].map(rangeOf), markAt);
  let { lost, lostEarlier } = after;
  for (const { position, seq, reason } of refusedNow) {
    if (seq !== null) lost = addLost(lost, { fromSeq: seq, toSeq: seq, reason });
    else lostEarlier = sum(lostEarlier, sql.salvagedBetween.get(position - 1, position) ?? 0);
  }
  // What was given up while it was under way left nevertheless. Without a number that cannot be told from what is in the log already.
  const arrivedLate = sent.filter((row) => !isNews(row) && (row.seq === null || isLost(counters.lost, row.seq)));
  // The log is in order of time.
  for (const run of runsOf([...sentNow, ...arrivedLate]).toSorted((a, b) => lastAt(a) - lastAt(b))) {
    addEgress(sql, run, counters.settled, after.settled);
    lost = withoutRun(lost, run);
  }
  return { ...after, lost, lostEarlier };
}

const rangeOf = ({ position, seq, bytes }: SettledRow): AheadRange => ({ from: position, to: position, fromSeq: seq, toSeq: seq, bytes });

/** Rows that one entry of the log can tell of: to one address, and no number between theirs left out. */
interface Run {
  readonly address: string;
  readonly rows: SentRow[];
  fromSeq: number | null;
  toSeq: number | null;
}

function runsOf(rows: readonly SentRow[]): readonly Run[] {
  const runs: Run[] = [];
  for (const row of rows.toSorted((a, b) => a.position - b.position)) {
    const { address, seq } = row;
    const run = runs.at(-1);
    const isNext = run !== undefined && (seq === null || run.toSeq === null || seq === run.toSeq + 1);
    if (!isNext || run.address !== address) runs.push({ address, rows: [row], fromSeq: seq, toSeq: seq });
    else {
      run.rows.push(row);
      run.fromSeq ??= seq;
      run.toSeq = seq ?? run.toSeq;
    }
  }
  return runs;
}

const lastAt = ({ rows }: Run): number => rows.reduce((last, { at }) => Math.max(last, at), 0);

function addEgress(sql: OutboxStatements, run: Run, before: HighWater, after: HighWater): void {
  const { address, rows, fromSeq, toSeq } = run;
  sql.addEgress.run({
    atMs: lastAt(run),
    address,
    // How the mark moved: what is kept for a replay is kept from when the mark passed it.
    fromPosition: Math.min(before.position + 1, after.position),
    toPosition: after.position,
    fromSeq,
    toSeq,
    rows: rows.length,
    bytes: rows.reduce((bytes, row) => bytes + row.bytes, 0),
  });
}

const withoutRun = (lost: readonly LostRange[], { fromSeq, toSeq }: Run): readonly LostRange[] =>
  fromSeq === null || toSeq === null ? lost : withoutLost(lost, fromSeq, toSeq);
