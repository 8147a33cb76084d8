import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addLost, gaps, LOST_RANGES_MAX, SEVERAL } from "../../../../src/adapters/sqlite/lost-ranges.ts";
import type { LostRange } from "../../../../src/ports/outbox.ts";

const range = (fromSeq: number, toSeq: number, reason = "expired"): LostRange => ({ fromSeq, toSeq, reason });
const all = (ranges: readonly LostRange[]) => ranges.reduce(addLost, [] as readonly LostRange[]);

describe("lost ranges", () => {
  it("merge with a neighbour of the same reason only", () => {
    expect(all([range(1, 2), range(3, 4), range(5, 5, "damaged")])).toEqual([range(1, 4), range(5, 5, "damaged")]);
    expect(all([range(1, 2), range(4, 4), range(3, 3)])).toEqual([range(1, 4)]);
  });

  it("stay the very same list when a range is known already", () => {
    const known = all([range(1, 9)]);
    expect(addLost(known, range(3, 4, "damaged"))).toBe(known);
  });

  it("fold the two oldest beyond the limit, so that too much is reported and never too little", () => {
    const apart = Array.from({ length: LOST_RANGES_MAX + 1 }, (_, at) => range(10 * at + 1, 10 * at + 2, at === 0 ? "damaged" : "expired"));
    const kept = all(apart);
    expect(kept).toHaveLength(LOST_RANGES_MAX);
    expect(kept[0]).toEqual(range(1, 12, SEVERAL));
    expect(kept.at(-1)).toEqual(apart.at(-1));
  });

  it("name every number that was added, sorted, without overlap, whatever comes in which order", () => {
    const added = fc.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 0, max: 5 }), fc.constantFrom("expired", "damaged"));
    fc.assert(
      fc.property(fc.array(added, { maxLength: 80 }), (list) => {
        const kept = all(list.map(([from, length, reason]) => range(from, from + length, reason)));
        expect(kept.length).toBeLessThanOrEqual(LOST_RANGES_MAX);
        for (const [index, { fromSeq, toSeq }] of kept.entries()) {
          expect(toSeq).toBeGreaterThanOrEqual(fromSeq);
          expect(fromSeq).toBeGreaterThan(kept[index - 1]?.toSeq ?? 0);
        }
        for (const [from, length] of list) expect(kept.some(({ fromSeq, toSeq }) => fromSeq <= from && from + length <= toSeq)).toBe(true);
      }),
    );
  });

  it("are found as the gaps between numbers", () => {
    expect(gaps([3, 4, 8, 9, 11], "damaged")).toEqual([range(5, 7, "damaged"), range(10, 10, "damaged")]);
    expect(gaps([3, 4, 5], "damaged")).toEqual([]);
  });
});
