import type { Fraction } from "../../../src/core/anonymise/noise/fraction.ts";

/** What a distribution of integers should be, computed from its definition in floats; symmetric about zero. */
export interface Oracle {
  /** P(X = k). */
  readonly probability: (k: number) => number;
  /** P(|X| > k). */
  readonly beyond: (k: number) => number;
  readonly variance: number;
}

export const floatOf = ({ num, den }: Fraction): number => Number(num) / Number(den);

/** P(X = k) = (1 - a)/(1 + a) * a^|k|, a = exp(-1/scale). */
export function laplaceOracle(scale: number): Oracle {
  const a = Math.exp(-1 / scale);
  return {
    probability: (k) => ((1 - a) / (1 + a)) * a ** Math.abs(k),
    beyond: (k) => (2 * a ** (k + 1)) / (1 + a),
    variance: (2 * a) / (1 - a) ** 2,
  };
}

/** P(X = k) in proportion to exp(-k^2 / (2 sigma^2)), summed up to where nothing is left. */
export function gaussianOracle(sigmaSquared: number): Oracle {
  const weight = (k: number): number => Math.exp((-k * k) / (2 * sigmaSquared));
  const last = Math.ceil(40 * Math.sqrt(sigmaSquared)) + 2;
  const sumOver = (from: number, term: (k: number) => number): number => {
    let sum = 0;
    for (let k = last; k >= from; k--) sum += term(k); // the small ones first
    return sum;
  };
  const total = 1 + 2 * sumOver(1, weight);
  return {
    probability: (k) => weight(k) / total,
    beyond: (k) => (2 * sumOver(k + 1, weight)) / total,
    variance: (2 * sumOver(1, (k) => k * k * weight(k))) / total,
  };
}
