/**
 * Counts below `k` become null. Zero is small too: "nobody passed" next to "withheld" would tell that somebody did. No total and
 * no other margin is ever released with them, so that nothing can be found by subtraction.
 */
export function withMinimumCount(counts: readonly number[], k: number): readonly (number | null)[] {
  return counts.map((count) => (count >= k ? count : null));
}
