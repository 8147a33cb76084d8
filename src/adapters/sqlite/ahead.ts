import { crc32 } from "node:zlib";
import { assert } from "../../core/assert.ts";

/** Settled rows behind the high-water mark, without a gap: they overtook a row that waits, because the broker does not let its sensor. */
export interface AheadRange {
  readonly from: number;
  readonly to: number;
  /** Numbers of the summaries among them; null when there are none, or none is known. */
  readonly fromSeq: number | null;
  readonly toSeq: number | null;
  /** Topic and payload bytes. */
  readonly bytes: number;
}

/** Ascending, and apart: between two of them a row waits. */
export type Ahead = readonly AheadRange[];

/** Positions without a gap, both ends included. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A row of the table `ahead`, as SQLite gives it back. */
export type AheadRow = AheadRange & { readonly crc: number };

/** CRC-32 of a row of the table: a damaged one must not let a row that waits pass for one that is settled. */
export const aheadCrc = ({ from, to, fromSeq, toSeq, bytes }: AheadRange): number => crc32(`${from} ${to} ${fromSeq} ${toSeq} ${bytes}`);

/** Adds ranges that overlap no other. What touches becomes one; what does not change stays the same object. */
export function withAhead(ahead: Ahead, added: readonly AheadRange[]): Ahead {
  const result = [...ahead];
  for (const range of added) {
    const at = placeOf(result, range.from);
    const [before, after] = [result[at - 1], result[at]];
    assert(after === undefined || range.to < after.from, "a row is settled once");
    const isBehind = before !== undefined && before.to === range.from - 1;
    const isBefore = after !== undefined && after.from === range.to + 1;
    const whole = isBehind ? joined(before, range) : range;
    result.splice(isBehind ? at - 1 : at, (isBehind ? 1 : 0) + (isBefore ? 1 : 0), isBefore ? joined(whole, after) : whole);
  }
  return result;
}

const joined = (first: AheadRange, next: AheadRange): AheadRange => ({
  from: first.from,
  to: next.to,
  fromSeq: first.fromSeq ?? next.fromSeq,
  toSeq: next.toSeq ?? first.toSeq,
  bytes: first.bytes + next.bytes,
});

/** The range that `position` is in. */
export function rangeAt(ahead: Ahead, position: number): AheadRange | undefined {
  const range = ahead[placeOf(ahead, position)];
  return range !== undefined && range.from <= position ? range : undefined;
}

/** Index of the first range that does not end before `position`. Thousands may be there. */
function placeOf(ahead: Ahead, position: number): number {
  let [low, high] = [0, ahead.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ahead[middle] as AheadRange).to < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Which of the ranges before are not there after, and which are new. */
export function changes(before: Ahead, after: Ahead): { readonly gone: readonly AheadRange[]; readonly made: readonly AheadRange[] } {
  const [gone, made]: [AheadRange[], AheadRange[]] = [[], []];
  for (let [at, next] = [0, 0]; at < before.length || next < after.length; ) {
    const [old, fresh] = [before[at], after[next]];
    if (old === fresh) [at, next] = [at + 1, next + 1];
    else if (fresh === undefined || (old !== undefined && old.from <= fresh.from)) {
      gone.push(old as AheadRange);
      at++;
    } else {
      made.push(fresh);
      next++;
    }
  }
  return { gone, made };
}

/** What of the positions after `after`, up to `upTo`, is in no range. */
export function spansBeside(ranges: readonly Span[], after: number, upTo: number): readonly Span[] {
  const spans: Span[] = [];
  let next = after + 1;
  for (const { from, to } of ranges) {
    if (from > upTo) break;
    if (from > next) spans.push({ from: next, to: from - 1 });
    next = Math.max(next, to + 1);
  }
  if (next <= upTo) spans.push({ from: next, to: upTo });
  return spans;
}

/** How many rows these are. */
export const lengthOf = (spans: readonly Span[]): number => spans.reduce((sum, { from, to }) => sum + to - from + 1, 0);
