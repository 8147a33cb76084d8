// JSON.stringify writes numbers below 1e-6 with an exponent, which payloads never have (CONTRACT §3, numbers).
const DECIMALS_MAX = 6;

/** Decimals of a resolution as people write it: 0.1 has 1, 0.2794 has 4, 5 has 0; 6 at most. */
export function decimalsOf(resolution: number): number {
  for (let decimals = 0; decimals < DECIMALS_MAX; decimals++) {
    const scaled = resolution * 10 ** decimals;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-9 * Math.max(1, Math.abs(scaled))) return decimals;
  }
  return DECIMALS_MAX;
}

/** `value` rounded to `decimals`, 6 at most; never -0. `toFixed` rounds the exact binary value, so equal inputs give equal text. */
export function rounded(value: number, decimals: number): number {
  return Number(value.toFixed(Math.min(decimals, DECIMALS_MAX))) + 0;
}
