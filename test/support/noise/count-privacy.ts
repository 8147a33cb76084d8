import type { Coins } from "../../../src/core/anonymise/noise/coins.ts";
import { type Fraction, fraction, fractionOf } from "../../../src/core/anonymise/noise/fraction.ts";
import { type Check, Histogram } from "./checks.ts";
import type { LaplaceSampler } from "./mutants.ts";
import { floatOf, laplaceOracle } from "./oracles.ts";

// T4: is a count released with noise as private as it says? The cases and tolerances are those of Google's differential-privacy
// library (proto/testing/count_dp_test_cases.textproto), for Laplace noise. Its "partitions contributed" are cells that one person
// can be counted in: the sensitivity.

export interface CountCase {
  readonly what: string;
  readonly counts: readonly bigint[];
  readonly sensitivity: bigint;
  readonly epsilon: Fraction;
  /** For 10^6 draws of each of both data sets. */
  readonly publishedTolerance: number;
}

// ln 3 to ten decimals: noise and test both take the number for what it is.
const LN3 = fractionOf("1.0986122887");
const TWICE_LN3 = fractionOf("2.1972245774");
const DATA: readonly (readonly [string, readonly bigint[]])[] = [
  ["empty", []],
  ["small", [7n, 1n, 8n, 12n]],
  ["large", [2_147_483_647n, 2_146_736_422n, 1_383_713_414n, 2_146_374_624n, 1_989_764_249n]],
];
const PARAMETERS: readonly (readonly [string, bigint, Fraction, number])[] = [
  ["default", 1n, LN3, 0.0025],
  ["two cells", 2n, LN3, 0.0035],
  ["250 cells", 250n, LN3, 0.02],
  ["small epsilon", 1n, fractionOf("0.01"), 0.0131],
  ["large epsilon", 1n, TWICE_LN3, 0.0035],
];

export const COUNT_CASES: readonly CountCase[] = DATA.flatMap(([data, counts]) =>
  PARAMETERS.map(([name, sensitivity, epsilon, publishedTolerance]) => ({
    what: `${data} count, ${name}`,
    counts,
    sensitivity,
    epsilon,
    publishedTolerance,
  })),
);

/** The release that is tested: the sum of the counts, and noise of scale sensitivity/epsilon. */
function release(counts: readonly bigint[], { sensitivity, epsilon }: CountCase, sampler: LaplaceSampler, coins: Coins): bigint {
  const sum = counts.reduce((total, count) => total + count, 0n);
  return sum + sampler(coins, fraction(sensitivity * epsilon.den, epsilon.num));
}

/**
 * How far two histograms are from epsilon: the sum of max(0, p - e^epsilon q) over all outcomes, the larger of both directions. It
 * estimates the delta for which the release is (epsilon, delta)-private, and comes out above 0 by chance.
 */
function excess(one: Histogram, other: Histogram, epsilon: number): number {
  const oneWay = (from: Histogram, to: Histogram): number =>
    from.values.reduce(
      (sum, value) => sum + Math.max(0, from.count(value) / from.total - Math.exp(epsilon) * (to.count(value) / to.total)),
      0,
    );
  return Math.max(oneWay(one, other), oneWay(other, one));
}

/** Draws releases of a data set and of its neighbour, which has as many events more as one person can cause. */
export function measuredExcess(kase: CountCase, draws: number, sampler: LaplaceSampler, coins: Coins): number {
  const sum = kase.counts.reduce((total, count) => total + count, 0n);
  // Counted from the sum, so that outcomes are small numbers.
  const drawn = (counts: readonly bigint[]) => Histogram.of(draws, () => release(counts, kase, sampler, coins) - sum);
  return excess(drawn(kase.counts), drawn([...kase.counts, kase.sensitivity]), floatOf(kase.epsilon));
}

/**
 * What chance alone makes of `excess` for noise as it should be: a sum over outcomes of the positive part of a normal variable of
 * known mean and variance. The tolerance is its mean and 6 of its standard deviations. (The parts of one histogram go against each
 * other a little, so that the deviation is a little less; the larger of two directions is a little more than one.)
 */
export function expectedExcess({ sensitivity, epsilon }: CountCase, draws: number): { readonly mean: number; readonly deviation: number } {
  const factor = Math.exp(floatOf(epsilon));
  const scale = Number(sensitivity) / floatOf(epsilon);
  const { probability } = laplaceOracle(scale);
  const reach = Math.ceil(40 * scale) + Number(sensitivity);
  let [mean, variance] = [0, 0];
  for (let k = -reach; k <= reach; k++) {
    const [p, q] = [probability(k), probability(k - Number(sensitivity))];
    const centre = p - factor * q;
    const spread = Math.sqrt((p + factor ** 2 * q) / draws);
    const density = Math.exp(-0.5 * (centre / spread) ** 2) / Math.sqrt(2 * Math.PI);
    const above = normalBelow(centre / spread);
    const first = centre * above + spread * density;
    mean += first;
    variance += (centre ** 2 + spread ** 2) * above + centre * spread * density - first ** 2;
  }
  return { mean, deviation: Math.sqrt(variance) };
}

/** The check of a single run, whatever its size. */
export function countCheck(kase: CountCase, draws: number, sampler: LaplaceSampler, coins: Coins): Check {
  const { mean, deviation } = expectedExcess(kase, draws);
  return { what: kase.what, statistic: measuredExcess(kase, draws, sampler, coins), tolerance: mean + 6 * deviation };
}

/** P(Z <= z), Abramowitz and Stegun 7.1.26: off by 1.5e-7 at most. */
function normalBelow(z: number): number {
  const t = 1 / (1 + (0.3275911 * Math.abs(z)) / Math.SQRT2);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const tail = 0.5 * series * Math.exp((-z * z) / 2);
  return z < 0 ? tail : 1 - tail;
}
