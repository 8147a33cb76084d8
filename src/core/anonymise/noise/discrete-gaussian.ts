import { assert } from "../../assert.ts";
import { bernoulliExp } from "./bernoulli-exp.ts";
import { type Coins, ROUNDS_MAX, stuck } from "./coins.ts";
import { discreteLaplace } from "./discrete-laplace.ts";
import { type Fraction, fraction } from "./fraction.ts";

/**
 * An integer x with probability in proportion to exp(-x^2 / (2 sigma^2)): exactly, as Canonne, Kamath, Steinke 2020 (arXiv
 * 2004.00010), algorithm 3, draws it: discrete Laplace noise, thinned out. For releases of many numbers at once (their L2
 * sensitivity counts, and the loss is zero-concentrated); no release of Stoep uses it so far.
 */
export function discreteGaussian(coins: Coins, sigmaSquared: Fraction): bigint {
  const { num, den } = sigmaSquared;
  assert(num > 0n && den > 0n, "noise of variance zero is none");
  const t = floorSqrt(num / den) + 1n;
  const scale = fraction(t);
  for (let round = 0n; round < ROUNDS_MAX; round++) {
    const candidate = discreteLaplace(coins, scale);
    // (|x| - sigma^2/t)^2 / (2 sigma^2) over one denominator, with sigma^2 = num/den.
    const distance = (candidate < 0n ? -candidate : candidate) * den * t - num;
    if (bernoulliExp(coins, distance * distance, 2n * num * den * t * t)) return candidate;
  }
  return stuck();
}

/** The largest integer whose square is at most n, by Newton's iteration from above, where it falls until it is there. */
function floorSqrt(n: bigint): bigint {
  let root = n;
  for (let next = (n + 1n) / 2n; next < root; next = (root + n / root) / 2n) root = next;
  return root;
}
