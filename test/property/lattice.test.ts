import fc from "fast-check";
import { expect, it } from "vitest";
import { DAY_MS, durationMs, epochMs } from "../../src/core/units/time.ts";
import { coverageOf } from "../../src/core/window/coverage.ts";
import { windowAt, windowStart } from "../../src/core/window/lattice.ts";
import { readingsOf } from "../support/readings.ts";

const LENGTHS = [10, 12, 15, 20, 30, 60, 300, 600, 900, 1_800, 3_600, 86_400].map((seconds) => seconds * 1_000);
const length = fc.constantFrom(...LENGTHS).map(durationMs);
const instant = fc.integer({ min: -DAY_MS * 400, max: DAY_MS * 365 * 80 }).map(epochMs);

it("every instant lies in exactly one window, and the next window starts where that one ends", () => {
  fc.assert(
    fc.property(instant, length, (at, windowMs) => {
      const { start, end } = windowAt(windowStart(at, windowMs), windowMs);
      expect(start <= at && at < end).toBe(true);
      expect(end - start).toBe(windowMs);
      expect(windowStart(epochMs(end - 1), windowMs)).toBe(start);
      expect(windowStart(end, windowMs)).toBe(end);
    }),
  );
});

it("two windows of one length are the same or do not overlap", () => {
  fc.assert(
    fc.property(instant, instant, length, (a, b, windowMs) => {
      const [one, other] = [windowStart(a, windowMs), windowStart(b, windowMs)];
      expect(one === other || Math.abs(one - other) >= windowMs).toBe(true);
    }),
  );
});

it("windows start anew at midnight UTC, and shorter ones nest in longer ones that they divide", () => {
  fc.assert(
    fc.property(instant, length, length, (at, a, b) => {
      expect(windowStart(at, a) >= windowStart(at, durationMs(DAY_MS))).toBe(true);
      expect(windowStart(epochMs(Math.floor(at / DAY_MS) * DAY_MS), a)).toBe(Math.floor(at / DAY_MS) * DAY_MS);
      if (b % a === 0) expect(windowStart(windowStart(at, a), b)).toBe(windowStart(at, b));
    }),
  );
});

it("coverage is the length of the union of the covered intervals, in hundredths, rounded down, but not to 0", () => {
  // Cut points of a window of 10 s; every other piece between them is covered, by one record each or by several.
  const cuts = fc.uniqueArray(fc.integer({ min: 0, max: 10_000 }), { maxLength: 40 }).map((all) => all.sort((a, b) => a - b));
  fc.assert(
    fc.property(cuts, fc.integer({ min: 1, max: 4 }), (points, parts) => {
      const covered = new Uint8Array(10_000);
      const records: { atMs: number; coversMs: number; marks: number }[] = [];
      for (let index = 0; index + 1 < points.length; index += 2) {
        const [from, to] = [points[index] as number, points[index + 1] as number];
        covered.fill(1, from, to);
        for (let part = 1; part <= parts; part++) {
          records.push({ atMs: from + ((to - from) * part) / parts, coversMs: (to - from) / parts, marks: 0 });
        }
      }
      const milliseconds = covered.reduce((sum, one) => sum + one, 0);
      const coverage = coverageOf(readingsOf(records), 10_000);
      // 1 ms of a window of 10 s is the rounding of a clock: it may count as covered, and no more than that.
      // And what covers anything is not nothing.
      const least = milliseconds > 0 ? 0.01 : 0;
      const hundredths = [milliseconds, Math.min(10_000, milliseconds + 1)].map((ms) => Math.max(least, Math.floor(ms / 100) / 100));
      expect(hundredths).toContain(coverage);
    }),
  );
});
