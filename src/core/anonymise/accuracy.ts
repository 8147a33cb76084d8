import { assert } from "../assert.ts";
import type { Fraction } from "./noise/fraction.ts";

// How far noise may lie off, as subscribers are told. It depends on public parameters only, never on a count and never on a draw:
// that is why floats are good enough here, and why they stand outside the folder noise/.

const CONFIDENCE = 0.95;
/** 97.5 % of a normal distribution lie below it. */
const NORMAL_QUANTILE = 1.959963984540054;
/** Less than 1e-9 of a sum of discrete Laplace variables lies further out: the tail of one is exp(-1.41 * 16), of more is less. */
const REACH_DEVIATIONS = 16;
/** What an exact convolution may cost, in probabilities that it computes: some 5 ms, once for each pair of parameters. */
const CONVOLUTION_STEPS_MAX = 1_000_000;
/** A hundred days of 1,000 released counts: more in one sum is a mistake. */
const TERMS_MAX = 100_000;

const ratio = ({ num, den }: Fraction): number => Number(num) / Number(den);

/** a = exp(-1/scale), and 1 - a without cancellation where the scale is large. */
function decayOf(scale: Fraction): { readonly a: number; readonly complement: number } {
  const rate = 1 / ratio(scale);
  return { a: Math.exp(-rate), complement: -Math.expm1(-rate) };
}

/** The variance of discrete Laplace noise: 2a / (1 - a)^2. About 2 scale^2, a little less. */
export function discreteLaplaceVariance(scale: Fraction): number {
  const { a, complement } = decayOf(scale);
  return (2 * a) / complement ** 2;
}

/** The standard deviation of discrete Laplace noise. */
export function discreteLaplaceDeviation(scale: Fraction): number {
  return Math.sqrt(discreteLaplaceVariance(scale));
}

const MEMORY_MAX = 256;
const remembered = new Map<string, number>();

/**
 * The smallest integer c for which a sum of `terms` independent discrete Laplace variables of this scale lies within -c to c with
 * probability 0.95 or more: the `ci95` of one cell (`terms` 1), or of a total of so many cells. Exact, unless the convolution would
 * be too long (two terms above a scale of 7,800, 18 above 280, 96 above 23): then within 0.5 % and one.
 */
export function halfWidth95(scale: Fraction, terms: number): number {
  assert(Number.isSafeInteger(terms) && terms > 0 && terms <= TERMS_MAX, "a sum of no terms, or of too many");
  assert(scale.num > 0n, "noise of scale zero is none");
  const key = `${scale.num}/${scale.den} ${terms}`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const width = computed(scale, terms);
  if (remembered.size === MEMORY_MAX) remembered.clear();
  remembered.set(key, width);
  return width;
}

function computed(scale: Fraction, terms: number): number {
  if (terms === 1) return halfWidthOfOne(scale);
  const reach = Math.ceil(REACH_DEVIATIONS * discreteLaplaceDeviation(scale) * Math.sqrt(terms)) + 1;
  return 2 * reach * terms <= CONVOLUTION_STEPS_MAX ? halfWidthBySum(scale, terms, reach) : approximateHalfWidth(scale, terms);
}

/** From P(|X| > c) = 2 a^(c+1) / (1 + a). It is never 0.05 exactly: a is transcendental. */
function halfWidthOfOne(scale: Fraction): number {
  const { a } = decayOf(scale);
  const smallest = -ratio(scale) * Math.log(((1 - CONFIDENCE) * (1 + a)) / 2);
  return Math.max(0, Math.ceil(smallest - 1));
}

/** From the distribution of the sum, found by adding one variable after the other. */
function halfWidthBySum(scale: Fraction, terms: number, reach: number): number {
  const probabilities = distributionOfSum(scale, terms, reach);
  let within = probabilities[reach] as number;
  let width = 0;
  while (within < CONFIDENCE) {
    width++;
    within += 2 * (probabilities[reach + width] as number);
  }
  return width;
}

/**
 * P(sum = k) at index `reach + k`, for k from -reach to reach. Adding a variable means to replace f(k) by the sum over j of
 * (1 - a)/(1 + a) * a^|k - j| * f(j): what comes from below and what comes from above each follow from their neighbour's.
 */
function distributionOfSum(scale: Fraction, terms: number, reach: number): Float64Array {
  const { a, complement } = decayOf(scale);
  const share = complement / (1 + a);
  const probabilities = new Float64Array(2 * reach + 1);
  probabilities[reach] = 1;
  for (let term = 0; term < terms; term++) addOne(probabilities, a, share);
  return probabilities;
}

function addOne(probabilities: Float64Array, a: number, share: number): void {
  const above = new Float64Array(probabilities.length);
  let fromAbove = 0;
  for (let index = probabilities.length - 1; index >= 0; index--) {
    above[index] = fromAbove;
    fromAbove = a * (fromAbove + (probabilities[index] as number));
  }
  let fromBelow = 0;
  for (let index = 0; index < probabilities.length; index++) {
    fromBelow = a * fromBelow + (probabilities[index] as number);
    probabilities[index] = share * (fromBelow + (above[index] as number));
  }
}

/**
 * The normal quantile times the exact standard deviation, with the first term of Cornish and Fisher for tails heavier than normal
 * (Abramowitz and Stegun 26.2.49; the excess kurtosis of one variable is (1 + 4a + a^2) / (2a), of a sum that by the number of terms).
 * Exported for the test that compares it with the exact value.
 */
export function approximateHalfWidth(scale: Fraction, terms: number): number {
  const { a } = decayOf(scale);
  const excess = (1 + 4 * a + a * a) / (2 * a * terms);
  const z = NORMAL_QUANTILE;
  const quantile = z + (excess * (z ** 3 - 3 * z)) / 24;
  // The integers up to c stand for the reals up to c + 0.5.
  return Math.max(0, Math.ceil(quantile * discreteLaplaceDeviation(scale) * Math.sqrt(terms) - 0.5));
}
