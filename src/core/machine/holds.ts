/** What `Holds` looks at. */
interface Held {
  readonly position: number;
  readonly lane?: string;
}

/** An ACL may be mended without us: asking once a minute is enough. */
export const HOLD_MS = 60_000;
/**
 * How far others may get ahead of the first row that is held. What they settled is remembered one by one until then, about 100 bytes
 * each, and is sent again after a crash.
 */
export const HOLD_SPAN_MAX = 10_000;
/** Rows of held lanes that are kept at hand: where they are in the queue, without their payloads. */
const HELD_ROWS_MAX = HOLD_SPAN_MAX;

/** Which lanes wait because the broker does not let them; the others go on. */
export interface Holds {
  /** This row, and what comes after it in its lane, waits. */
  hold(row: Held, nowMs: number): void;
  /** This row alone waits, until `freeRows` at the latest. */
  holdRow(row: Held, nowMs: number): void;
  freeRows(): void;
  isHeld(lane: string): boolean;
  /** Index of the first row that may go now, or -1. `waiting`: ascending by position. */
  nextIn(waiting: readonly Held[], nowMs: number): number;
  /** How many of these are held, as of the last `nextIn`. */
  countIn(waiting: readonly Held[]): number;
  /** Whether so many are held that no more are to be read. */
  isFullWith(waiting: readonly Held[]): boolean;
}

/** No lane is held. */
export function newHolds(): Holds {
  const untilMs = new Map<string, number>();
  const rowsUntilMs = new Map<number, number>();
  const laneOf = ({ lane, position }: Held): string => lane ?? `#${position}`;
  const isHeld = (row: Held): boolean => untilMs.has(laneOf(row)) || rowsUntilMs.has(row.position);
  const isNothingHeld = (): boolean => untilMs.size === 0 && rowsUntilMs.size === 0;
  const countIn = (waiting: readonly Held[]): number => (isNothingHeld() ? 0 : waiting.filter(isHeld).length);
  return {
    holdRow: (row, nowMs) => void rowsUntilMs.set(row.position, nowMs + HOLD_MS),
    freeRows: () => rowsUntilMs.clear(),
    isHeld: (lane) => untilMs.has(lane),
    hold: (row, nowMs) => void untilMs.set(laneOf(row), nowMs + HOLD_MS),
    nextIn(waiting, nowMs) {
      if (isNothingHeld()) return waiting.length === 0 ? -1 : 0;
      for (const [lane, until] of untilMs) if (nowMs >= until) untilMs.delete(lane);
      for (const [position, until] of rowsUntilMs) if (nowMs >= until) rowsUntilMs.delete(position);
      let firstHeld = Number.POSITIVE_INFINITY;
      for (const [index, row] of waiting.entries()) {
        if (row.position > firstHeld + HOLD_SPAN_MAX) return -1;
        if (!isHeld(row)) return index;
        if (row.position >= 0) firstHeld = Math.min(firstHeld, row.position);
      }
      return -1;
    },
    countIn,
    isFullWith: (waiting) => countIn(waiting) >= HELD_ROWS_MAX,
  };
}
