import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withMinimumCount } from "../../../../src/core/anonymise/minimum-count.ts";

describe("withMinimumCount", () => {
  it("withholds what is below k, and zero with it", () => {
    expect(withMinimumCount([0, 1, 9, 10, 11, 250], 10)).toEqual([null, null, null, 10, 11, 250]);
  });

  it("shows the same for every count below k, so that none of them can be told from zero", () => {
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 50 }), fc.array(fc.nat({ max: 100 })), (k, counts) => {
        const hidden = withMinimumCount(counts, k);
        expect(hidden).toEqual(
          withMinimumCount(
            counts.map((count) => (count < k ? 0 : count)),
            k,
          ),
        );
        for (const [index, count] of hidden.entries()) expect(count === null || (count === counts[index] && count >= k)).toBe(true);
      }),
    );
  });
});
