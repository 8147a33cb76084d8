import type { Oracle } from "./oracles.ts";

/** A statistic and how far it may lie from zero. */
export interface Check {
  readonly what: string;
  readonly statistic: number;
  readonly tolerance: number;
}

const passes = ({ statistic, tolerance }: Check): boolean => Math.abs(statistic) <= tolerance;

/** The names of the checks that fail; a statistic that is no number fails. */
export const failed = (checks: readonly Check[]): string[] => checks.filter((check) => !passes(check)).map(({ what }) => what);

const use = ({ statistic, tolerance }: Check): number => Math.abs(statistic) / tolerance;

/** Of checks that differ only in the number at their end, the one that is closest to its tolerance. */
export function worstOf(checks: readonly Check[]): Check[] {
  const worst = new Map<string, Check>();
  for (const check of checks) {
    const family = check.what.replace(/\d+\)?$/, "");
    const before = worst.get(family);
    if (before === undefined || !(use(check) <= use(before))) worst.set(family, check);
  }
  return [...worst.values()];
}

/** For people: how much of each tolerance is used. */
export function tableOf(checks: readonly Check[]): string {
  const rows = checks.map((check) => {
    const used = `${Math.round(100 * use(check))} %`;
    return [check.what, check.statistic.toPrecision(3), check.tolerance.toPrecision(3), used, passes(check) ? "ok" : "FAILS"];
  });
  const cells = [["what", "statistic", "tolerance", "used", ""], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")).join("\n");
}

/** Standard deviations that a normal statistic may be off: one run in 10^9. */
const Z = 6;
/** Two-sided 10^-6: the bound of a Wilson interval. */
const Z_WILSON = 4.8916;
/** Two-sided 10^-5, the moments of Google's DiscreteLaplaceNoiseTest. */
const Z_MOMENT = 4.41717;
/** Integers with a bin of their own in the chi-squared test: -9 to 9. */
const BINS_REACH = 9;
const EXPECTED_MIN = 5;

/** Counts of drawn integers. */
export class Histogram {
  readonly #counts = new Map<number, number>();
  total = 0;

  static of(count: number, draw: () => bigint): Histogram {
    const histogram = new Histogram();
    for (let index = 0; index < count; index++) histogram.add(Number(draw()));
    return histogram;
  }

  add(value: number): void {
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + 1);
    this.total++;
  }

  count(value: number): number {
    return this.#counts.get(value) ?? 0;
  }

  get values(): readonly number[] {
    return [...this.#counts.keys()];
  }

  /** The mean of `of(value)` over all draws. */
  mean(of: (value: number) => number): number {
    let sum = 0;
    for (const [value, count] of this.#counts) sum += of(value) * count;
    return sum / this.total;
  }
}

/** Whether `hits` of `total` fit a probability: it lies in the Wilson interval exactly when this is within its tolerance. */
export function proportionCheck(what: string, hits: number, total: number, probability: number): Check {
  const statistic = (hits - total * probability) / Math.sqrt(total * probability * (1 - probability));
  return { what, statistic, tolerance: Z_WILSON };
}

/** Pearson's chi-squared over bins given by observed and expected count, less its mean. The tolerance is 6 standard deviations. */
export function chiSquaredCheck(what: string, bins: readonly (readonly [observed: number, expected: number])[]): Check {
  const freedom = bins.length - 1;
  const sum = bins.reduce((total, [observed, expected]) => total + (observed - expected) ** 2 / expected, 0);
  return { what, statistic: sum - freedom, tolerance: Z * Math.sqrt(2 * freedom) };
}

function goodnessOfFit(histogram: Histogram, oracle: Oracle): Check {
  // An integer has its own bin where 5 draws or more are expected, and up to 9; all the others share the tail.
  let reach = BINS_REACH;
  while (histogram.total * oracle.probability(reach) < EXPECTED_MIN) reach--;
  while (histogram.total * oracle.beyond(reach) < EXPECTED_MIN) reach--;
  const bins: [number, number][] = [];
  let tail = histogram.total;
  for (let k = -reach; k <= reach; k++) {
    bins.push([histogram.count(k), histogram.total * oracle.probability(k)]);
    tail -= histogram.count(k);
  }
  bins.push([tail, histogram.total * oracle.beyond(reach)]);
  return chiSquaredCheck("chi2", bins);
}

/** Both signs of k come equally often: given how many there are, the difference has that number as its variance. */
function symmetry(histogram: Histogram): Check[] {
  const checks: Check[] = [];
  for (let k = 1; histogram.count(k) + histogram.count(-k) >= 4 * EXPECTED_MIN; k++) {
    const [plus, minus] = [histogram.count(k), histogram.count(-k)];
    checks.push({ what: `symmetry at ${k}`, statistic: (plus - minus) / Math.sqrt(plus + minus), tolerance: Z });
  }
  return checks;
}

/** T1 for any symmetric noise: chi-squared, the weight of zero, the tails, and symmetry. */
export function fitChecks(histogram: Histogram, oracle: Oracle): Check[] {
  const { total } = histogram;
  const tails = [1, 2, 3, 5, 8].filter((k) => total * oracle.beyond(k - 1) >= 2 * EXPECTED_MIN);
  return [
    goodnessOfFit(histogram, oracle),
    proportionCheck("P(0)", histogram.count(0), total, oracle.probability(0)),
    ...tails.map((k) => {
      const share = histogram.mean((value) => (Math.abs(value) >= k ? 1 : 0));
      return proportionCheck(`P(|x| >= ${k})`, share * total, total, oracle.beyond(k - 1));
    }),
    ...symmetry(histogram),
  ];
}

/**
 * T1 for discrete Laplace: ln P(|x| = k) falls by 1/scale from each k >= 1 to the next. The slope is estimated from the mean of
 * |x| - 1 over the draws that are not zero, which holds all that they say about it; its deviation is (1 - a) / sqrt(a n).
 */
export function slopeCheck(histogram: Histogram, scale: number): Check {
  const a = Math.exp(-1 / scale);
  const nonZero = histogram.total - histogram.count(0);
  const mean = (histogram.mean(Math.abs) * histogram.total) / nonZero - 1;
  const error = Math.log(mean / (1 + mean)) - Math.log(a);
  return { what: "slope of ln P", statistic: (error * Math.sqrt(a * nonZero)) / (1 - a), tolerance: Z };
}

/** T3: mean and variance of `value + noise`, with the tolerances of Google's DiscreteLaplaceNoiseTest. */
export function momentChecks(histogram: Histogram, value: number, variance: number): Check[] {
  const mean = histogram.mean((x) => x);
  const spread = histogram.mean((x) => (x - mean) ** 2);
  return [
    { what: "mean", statistic: mean - value, tolerance: Z_MOMENT * Math.sqrt(variance / histogram.total) },
    { what: "variance", statistic: spread - variance, tolerance: Z_MOMENT * Math.sqrt((5 * variance ** 2) / histogram.total) },
  ];
}
