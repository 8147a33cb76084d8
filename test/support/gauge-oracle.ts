import { expect } from "vitest";

/**
 * What CONTRACT §3 says about a gauge with a resolution of 0.1, computed from whole tenths with whole numbers, by another way than
 * the node: no float is rounded before the very end.
 */
export function expectGauge(stats: { readonly [name: string]: number } | undefined, tenths: readonly number[], what: string): void {
  const ascending = tenths.toSorted((a, b) => a - b);
  const n = tenths.length;
  const sum = tenths.reduce((total, value) => total + value, 0);
  const rank = (hundredths: number): number => (ascending[Math.max(1, Math.ceil((hundredths * n) / 100)) - 1] ?? Number.NaN) / 10;
  const { mean, stddev, ...rest } = stats ?? {};
  expect(rest, what).toEqual({
    samples: n,
    min: (ascending[0] ?? Number.NaN) / 10,
    max: (ascending.at(-1) ?? Number.NaN) / 10,
    p50: rank(50),
    p95: rank(95),
  });
  expect(hundredthsBeside(sum * 10, n), `mean of ${what}`).toContain(mean);
  if (n === 1) expect(stddev, what).toBeNull();
  else expect(stddev, `stddev of ${what}`).toBe(Number(spread(tenths, sum).toFixed(2)));
}

/** `hundredths / n` hundredths as a number of two decimals: the nearest one, or both where it is a tie. */
function hundredthsBeside(hundredths: number, n: number): readonly number[] {
  const below = Math.floor(hundredths / n);
  const twiceRest = 2 * (hundredths - below * n);
  const nearest = twiceRest < n ? [below] : twiceRest > n ? [below + 1] : [below, below + 1];
  return nearest.map((value) => value / 100);
}

/** Sample standard deviation (n - 1), from exact sums of whole numbers. */
function spread(tenths: readonly number[], sum: number): number {
  const n = BigInt(tenths.length);
  const squares = tenths.reduce((total, value) => total + BigInt(value) * BigInt(value), 0n);
  const scaled = n * squares - BigInt(sum) * BigInt(sum);
  return Math.sqrt(Number(scaled) / Number(n * (n - 1n))) / 10;
}
