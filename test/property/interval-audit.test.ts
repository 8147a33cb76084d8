import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CountTable, publishable, staysWithheld } from "../../src/core/anonymise/interval-audit.ts";

const K = 5;
const table = (counts: readonly number[], k = K): CountTable => ({ counts, k });

/** Every way in which `parts` numbers of 0 to `most` add up to `sum`. */
function* splits(parts: number, sum: number, most: number): Generator<readonly number[]> {
  if (parts === 0) {
    if (sum === 0) yield [];
    return;
  }
  for (let first = 0; first <= Math.min(most, sum); first++) {
    for (const rest of splits(parts - 1, sum - first, most)) yield [first, ...rest];
  }
}

/** What somebody finds who tries every street that fits what was published: the values that each withheld count can have. */
function attack(tables: readonly CountTable[]): readonly (readonly Set<number>[])[] {
  const shown = tables.map(({ counts, k }) => counts.filter((count) => count >= k).reduce((sum, count) => sum + count, 0));
  const hidden = tables.map(({ counts, k }) => counts.filter((count) => count < k).length);
  const found = hidden.map((count) => Array.from({ length: count }, () => new Set<number>()));
  const highest = Math.min(...tables.map(({ k }, index) => (shown[index] ?? 0) + (hidden[index] ?? 0) * (k - 1)));
  for (let total = Math.max(...shown); total <= highest; total++) {
    for (const [index, { k }] of tables.entries()) {
      for (const values of splits(hidden[index] ?? 0, total - (shown[index] ?? 0), k - 1)) {
        for (const [cell, value] of values.entries()) found[index]?.[cell]?.add(value);
      }
    }
  }
  return found;
}

/** Two tables of the same passages: cells, and bins with the same total. */
const street = fc
  .tuple(fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }), fc.array(fc.nat(100), { minLength: 1, maxLength: 3 }))
  .map(([cells, weights]) => {
    const total = cells.reduce((sum, count) => sum + count, 0);
    const bins = weights.map(() => 0);
    for (let passage = 0; passage < total; passage++) {
      const bin = (weights[passage % weights.length] ?? 0) % bins.length;
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    return [table(cells), table(bins)] as const;
  });

const isSafe = (tables: readonly CountTable[]): boolean =>
  attack(tables).every((cells, index) => cells.every((values) => values.size === (tables[index]?.k ?? 0)));

describe("the interval audit", () => {
  it("says of every pair of tables what an attacker finds who tries every street", () => {
    fc.assert(
      fc.property(street, (tables) => {
        expect(staysWithheld(tables)).toBe(isSafe(tables));
      }),
      { numRuns: 2_000 },
    );
  });

  it("lets nothing be published of which the attacker learns more than that a count is small", () => {
    let refused = 0;
    fc.assert(
      fc.property(street, (tables) => {
        const kept = publishable(tables);
        if (!kept[1]) refused++;
        expect(isSafe(tables.filter((_, index) => kept[index]))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(refused, "without the audit these would have been published").toBeGreaterThan(100);
  });

  it("finds the third of a street by the first and the total", () => {
    expect(publishable([table([20, 3]), table([23])])).toEqual([true, false]);
    expect(publishable([table([20, 3]), table([11, 12])])).toEqual([true, false]);
  });

  it("lets tables stand that give nothing away", () => {
    expect(publishable([table([20, 30]), table([25, 25])])).toEqual([true, true]);
    expect(publishable([table([20, 3]), table([20, 3])])).toEqual([true, true]);
    expect(publishable([table([20, 3]), table([21, 1, 1])])).toEqual([true, false]);
  });

  it("leaves a table alone that stands alone", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), (counts) => {
        expect(publishable([table(counts)])).toEqual([true]);
      }),
    );
  });
});
