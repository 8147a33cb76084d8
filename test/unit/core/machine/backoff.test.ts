import fc from "fast-check";
import { expect, it } from "vitest";
import { backoffMs } from "../../../../src/core/machine/backoff.ts";

const BACKOFF = { firstMs: 1_000, longestMs: 60_000 };

it("doubles from the first wait to the longest", () => {
  const waits = Array.from({ length: 8 }, (_, attempt) => backoffMs(BACKOFF, attempt, 0.999_999));
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
});

it("lies between half of the wait and the whole, however many attempts there were", () => {
  fc.assert(
    fc.property(fc.nat(), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, jitter) => {
      const fullMs = Math.min(60_000, 1_000 * 2 ** attempt);
      const waitMs = backoffMs(BACKOFF, attempt, jitter);
      expect(waitMs).toBeGreaterThanOrEqual(fullMs / 2);
      expect(waitMs).toBeLessThanOrEqual(fullMs);
    }),
  );
});
