import type { LostRange } from "../../ports/outbox.ts";

/** The most ranges that are kept apart: they are all in every status message. */
export const LOST_RANGES_MAX = 32;

/** Reason of a range that was folded from ranges with different reasons. */
export const SEVERAL = "several";

/**
 * Adds a range: sorted, apart, neighbours of one reason merged. Beyond `LOST_RANGES_MAX` the two oldest become one that spans
 * them, so that too much may be reported as lost after much trouble, and never too little. The same list when nothing changes.
 */
export function addLost(ranges: readonly LostRange[], added: LostRange): readonly LostRange[] {
  if (ranges.some((range) => range.fromSeq <= added.fromSeq && added.toSeq <= range.toSeq)) return ranges;
  const result: LostRange[] = [];
  for (const range of [...ranges, added].sort((a, b) => a.fromSeq - b.fromSeq)) {
    const last = result.at(-1);
    if (last !== undefined && touches(last, range)) result[result.length - 1] = union(last, range);
    else result.push(range);
  }
  const [oldest, second, ...rest] = result;
  return result.length > LOST_RANGES_MAX && oldest && second ? [union(oldest, second), ...rest] : result;
}

/** Whether two ranges, the earlier first, must or should be one. */
function touches(first: LostRange, next: LostRange): boolean {
  return next.fromSeq <= first.toSeq || (next.fromSeq === first.toSeq + 1 && next.reason === first.reason);
}

function union(first: LostRange, next: LostRange): LostRange {
  const reason = first.reason === next.reason ? first.reason : SEVERAL;
  return { fromSeq: first.fromSeq, toSeq: Math.max(first.toSeq, next.toSeq), reason };
}

/** The numbers between consecutive `seqs` that are missing: `[3, 4, 8]` gives 5 to 7. */
export function gaps(seqs: readonly number[], reason: string): LostRange[] {
  const found: LostRange[] = [];
  for (const [index, seq] of seqs.entries()) {
    const previous = seqs[index - 1];
    if (previous !== undefined && seq > previous + 1) found.push({ fromSeq: previous + 1, toSeq: seq - 1, reason });
  }
  return found;
}

/** Whether a range names this number. */
export const isLost = (ranges: readonly LostRange[], seq: number): boolean =>
  ranges.some(({ fromSeq, toSeq }) => fromSeq <= seq && seq <= toSeq);

/** The ranges without these numbers, which arrived; the same list when none names one. */
export function withoutLost(ranges: readonly LostRange[], fromSeq: number, toSeq: number): readonly LostRange[] {
  if (!ranges.some((range) => range.fromSeq <= toSeq && fromSeq <= range.toSeq)) return ranges;
  const rest = ranges.flatMap((range) => {
    if (range.fromSeq > toSeq || fromSeq > range.toSeq) return [range];
    const below = { ...range, toSeq: fromSeq - 1 };
    const above = { ...range, fromSeq: toSeq + 1 };
    return [below, above].filter((part) => part.fromSeq <= part.toSeq);
  });
  return rest.reduce<readonly LostRange[]>(addLost, []);
}
