import type { DurationMs, EpochMs } from "../units/time.ts";

/** One window `[start, end)` of the UTC lattice of its length. */
export interface Window {
  readonly start: EpochMs;
  readonly end: EpochMs;
}

/**
 * Start of the window that `at` lies in. The lattice of a length is counted from 1970-01-01T00:00:00Z; since a length divides a
 * day, windows also start anew at each midnight UTC.
 */
export function windowStart(at: EpochMs, length: DurationMs): EpochMs {
  return (Math.floor(at / length) * length) as EpochMs;
}

export function windowAt(start: EpochMs, length: DurationMs): Window {
  return { start, end: (start + length) as EpochMs };
}
