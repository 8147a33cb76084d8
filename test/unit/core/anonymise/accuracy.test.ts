import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  approximateHalfWidth,
  discreteLaplaceDeviation,
  discreteLaplaceVariance,
  halfWidth95,
} from "../../../../src/core/anonymise/accuracy.ts";
import { fraction, fractionOf } from "../../../../src/core/anonymise/noise/fraction.ts";
import { floatOf, laplaceOracle } from "../../../support/noise/oracles.ts";

/** The half-width by adding up all combinations: a plain convolution, in which nothing is clever. */
function plainHalfWidth(scale: number, terms: number): number {
  const reach = Math.ceil(30 * scale) + 5;
  const one = new Map<number, number>();
  for (let k = -reach; k <= reach; k++) one.set(k, laplaceOracle(scale).probability(k));
  let sum = new Map([[0, 1]]);
  for (let term = 0; term < terms; term++) {
    const next = new Map<number, number>();
    for (const [x, p] of sum) for (const [y, q] of one) next.set(x + y, (next.get(x + y) ?? 0) + p * q);
    sum = next;
  }
  let [width, within] = [0, sum.get(0) ?? 0];
  while (within < 0.95) {
    width++;
    within += (sum.get(width) ?? 0) + (sum.get(-width) ?? 0);
  }
  return width;
}

describe("halfWidth95", () => {
  // The first four are the table of the privacy reference, section 2.1.
  it.each([
    ["4", 1, 12],
    ["2", 1, 6],
    ["1", 1, 3],
    ["1/2", 1, 1],
    ["1/10", 1, 0],
    ["1", 2, 4],
  ])("at scale %s of %i: %i", (scale, terms, width) => {
    expect(halfWidth95(fractionOf(scale), terms)).toBe(width);
  });

  it.each(["1/5", "1/2", "1", "3/2", "2", "5"])("is what a plain convolution finds, at scale %s of 1 to 6", (text) => {
    const scale = fractionOf(text);
    for (let terms = 1; terms <= 6; terms++)
      expect([terms, halfWidth95(scale, terms)]).toEqual([terms, plainHalfWidth(floatOf(scale), terms)]);
  });

  it("of one is the smallest with P(|x| > c) <= 0.05, at every scale", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 1_000 }), (num, den) => {
        const width = halfWidth95(fraction(BigInt(num), BigInt(den)), 1);
        const { beyond } = laplaceOracle(num / den);
        expect(beyond(width)).toBeLessThanOrEqual(0.05);
        if (width > 0) expect(beyond(width - 1)).toBeGreaterThan(0.05);
      }),
    );
  });

  it("grows with the scale and with the number of terms", () => {
    const widths = [1, 2, 4, 8, 16, 32, 96].map((terms) => halfWidth95(fraction(2n), terms));
    expect(widths).toEqual([...widths].sort((a, b) => a - b));
    expect(new Set(widths).size).toBe(widths.length);
    const byScale = [1n, 2n, 3n, 10n, 100n, 1_000n, 10_000n].map((scale) => halfWidth95(fraction(scale), 2));
    expect(byScale).toEqual([...byScale].sort((a, b) => a - b));
  });

  it("says the same when asked again, also after more questions than it remembers", () => {
    const first = halfWidth95(fraction(7n, 3n), 5);
    for (let scale = 1n; scale <= 600n; scale++) halfWidth95(fraction(scale, 601n), 1);
    expect(halfWidth95(fraction(7n, 3n), 5)).toBe(first);
  });

  it("refuses sums of nothing, or of more than there can be", () => {
    for (const terms of [0, -1, 1.5, Number.NaN, 100_001]) expect(() => halfWidth95(fraction(1n), terms)).toThrow("a sum of no terms");
    expect(() => halfWidth95(fraction(0n), 1)).toThrow("noise of scale zero is none");
  });
});

describe("the approximation for long sums", () => {
  const OFF_MAX = 0.005; // and one, where widths are small

  it.each(["1/2", "1", "2", "5", "20", "100", "200"])("is off by 0.5 %% and one at most, against the exact width, at scale %s", (text) => {
    const scale = fractionOf(text);
    for (const terms of [2, 3, 4, 6, 8, 12, 18, 24]) {
      const exact = halfWidth95(scale, terms);
      expect(Math.abs(approximateHalfWidth(scale, terms) - exact)).toBeLessThanOrEqual(OFF_MAX * exact + 1);
    }
  });

  it("is used beyond the limit: where it begins, widths go on as they were", () => {
    // Two terms: the limit is at a scale of 7,800. The width is in proportion to the scale there.
    const below = halfWidth95(fraction(7_700n), 2) / 7_700;
    const above = halfWidth95(fraction(7_900n), 2);
    expect(above).toBe(approximateHalfWidth(fraction(7_900n), 2));
    expect(Math.abs(above / 7_900 / below - 1)).toBeLessThan(OFF_MAX);
    expect(halfWidth95(fraction(7_700n), 2)).not.toBe(approximateHalfWidth(fraction(7_700n), 2));
  });
});

describe("the variance of discrete Laplace noise", () => {
  it.each(["1/10", "1/2", "1", "2", "4", "100"])("is the sum of k^2 P(k), at scale %s", (text) => {
    const scale = fractionOf(text);
    const { probability } = laplaceOracle(floatOf(scale));
    let sum = 0;
    for (let k = Math.ceil(60 * floatOf(scale)) + 20; k > 0; k--) sum += 2 * k * k * probability(k);
    expect(Math.abs(discreteLaplaceVariance(scale) / sum - 1)).toBeLessThan(1e-9);
  });

  it.each([
    ["4", 5.64],
    ["2", 2.8],
    ["1", 1.36],
    ["1/2", 0.6],
  ])("has the standard deviation of the privacy reference, at scale %s", (text, deviation) => {
    expect(Math.round(discreteLaplaceDeviation(fractionOf(text)) * 100) / 100).toBe(deviation);
  });
});
