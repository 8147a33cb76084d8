import type { WindowReadings } from "./readings.ts";

// A gap shorter than this share of the window is rounding of the clock, not a gap: 1 ms in 10 s, 90 ms in 15 min.
const TOLERANCE = 0.0001;
/** The smallest coverage that is not none. */
const LEAST = 0.01;

/**
 * Share of the window in which the sensor was known to be working, 0 to 1 in steps of 0.01. `lastsMs`: how long the window was on the
 * monotonic clock, by which every record says how long before its time it stands for, cut at the edges of windows when it was stored.
 * Rounded down, because a gap must show; but never to 0, which says that nothing was known and would keep the readings that there are
 * from being told.
 */
export function coverageOf(readings: WindowReadings, lastsMs: number): number {
  let coveredMs = 0;
  for (let index = 0; index < readings.count; index++) coveredMs += readings.coversMs[index] as number;
  const share = Math.min(1, coveredMs / lastsMs + TOLERANCE);
  return coveredMs > 0 ? Math.max(LEAST, Math.floor(share * 100) / 100) : 0;
}
