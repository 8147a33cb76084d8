import { type Ahead, rangeAt } from "./ahead.ts";
import { type Counters, SEARCH_ROWS, summaryAfter } from "./outbox-counters.ts";
import { messageBytes, restoredRow } from "./outbox-row.ts";
import type { OutboxStatements } from "./outbox-statements.ts";

/** Where everything waits again from, and the first number there. */
export interface Rewound {
  readonly counters: Counters;
  readonly position: number;
  readonly seq: number;
}

/** What was settled waits again from the first summary from `fromSeq` on that is still there; null when that one and all behind it wait. */
export function rewoundTo(sql: OutboxStatements, counters: Counters, fromSeq: number): Rewound | null {
  const { settled, lastSeq } = counters;
  const end = counters.ahead.at(-1)?.to ?? settled.position;
  const [oldest] = sql.rowsAfter(0, 1);
  if (oldest === undefined || oldest.position > end) return null;
  // Numbers ascend with positions, so that the place can be searched by halves.
  let low = oldest.position - 1;
  let high = end;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if ((summaryAfter(sql, middle) ?? Number.POSITIVE_INFINITY) >= fromSeq) high = middle;
    else low = middle + 1;
  }
  low = behindUnreadable(sql, low);
  const seq = summaryAfter(sql, low);
  if (low >= end || seq === null || seq > lastSeq) return null;
  const at = { position: low, seq };
  if (low >= settled.position) return { ...at, counters: { ...counters, ahead: aheadUpTo(sql, counters.ahead, low, seq) } };
  const message = restoredRow(oldest);
  const bytes = sql.endBytesAt.get(low) ?? oldest.endBytes - (message === null ? 0 : messageBytes(message));
  const mark = { position: low, seq: seq - 1, bytes: Math.min(bytes, settled.bytes) };
  return { ...at, counters: { ...counters, settled: mark, ahead: [] } };
}

/** The position behind rows that cannot be read, and are settled as lost already: a replay does not count them once more. */
function behindUnreadable(sql: OutboxStatements, position: number): number {
  let end = position;
  for (;;) {
    const rows = sql.rowsAfter(end, SEARCH_ROWS);
    for (const row of rows) {
      if (restoredRow(row) !== null) return row.position - 1;
      end = row.position;
    }
    if (rows.length === 0) return end;
  }
}

/** The ranges up to `position`; `nextSeq`: the first number behind it. */
function aheadUpTo(sql: OutboxStatements, ahead: Ahead, position: number, nextSeq: number): Ahead {
  const whole = ahead.filter(({ to }) => to <= position);
  const cut = rangeAt(ahead, position);
  if (cut === undefined || cut.to === position) return whole;
  const bytes = (sql.endBytesAt.get(position) ?? 0) - (sql.endBytesAt.get(cut.from - 1) ?? 0);
  const isNumbered = cut.fromSeq !== null && cut.fromSeq < nextSeq;
  const numbers = isNumbered ? { fromSeq: cut.fromSeq, toSeq: nextSeq - 1 } : { fromSeq: null, toSeq: null };
  return [...whole, { from: cut.from, to: position, ...numbers, bytes: Math.min(Math.max(bytes, 0), cut.bytes) }];
}
