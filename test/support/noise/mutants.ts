import { bernoulliExp } from "../../../src/core/anonymise/noise/bernoulli-exp.ts";
import type { BytePool } from "../../../src/core/anonymise/noise/byte-pool.ts";
import type { Coins } from "../../../src/core/anonymise/noise/coins.ts";
import { discreteLaplace } from "../../../src/core/anonymise/noise/discrete-laplace.ts";
import { type Fraction, fraction } from "../../../src/core/anonymise/noise/fraction.ts";

// Samplers with the mistakes that people make. Each must be found by a test, or that test is worth nothing.

export type LaplaceSampler = (coins: Coins, scale: Fraction) => bigint;

/** "-0" is kept: zero comes too often. */
export const keepsMinusZero: LaplaceSampler = (coins, { num: t, den: s }) => {
  const isNegative = coins.bernoulli(1n, 2n);
  let low = coins.uniformBelow(t);
  while (!bernoulliExp(coins, low, t)) low = coins.uniformBelow(t);
  let run = 0n;
  while (bernoulliExp(coins, 1n, 1n)) run++;
  const magnitude = (low + t * run) / s;
  return isNegative ? -magnitude : magnitude;
};

/** exp(-scale) for exp(-1/scale). */
export const invertsTheScale: LaplaceSampler = (coins, { num, den }) => discreteLaplace(coins, { num: den, den: num });

/** Noise for a sensitivity that is too small by this factor. */
export const tooSmallBy =
  (factor: Fraction): LaplaceSampler =>
  (coins, { num, den }) =>
    discreteLaplace(coins, fraction(num * factor.den, den * factor.num));

/** With probability `rate` the noise is so large that the release tells by itself which data set it came from. */
export const failsAtTimes =
  (rate: Fraction): LaplaceSampler =>
  (coins, scale) =>
    coins.bernoulli(rate.num, rate.den) ? CATASTROPHE : discreteLaplace(coins, scale);
export const CATASTROPHE = 10n ** 6n;

/** `drawn % n` of everything that is drawn: small results come too often. */
export class ModuloCoins implements Coins {
  readonly #pool: BytePool;

  constructor(pool: BytePool) {
    this.#pool = pool;
  }

  uniformBelow(n: bigint): bigint {
    let [drawn, span] = [0n, 1n];
    for (; span < n; span *= 256n) drawn = drawn * 256n + this.#pool.take();
    return drawn % n;
  }

  bernoulli(num: bigint, den: bigint): boolean {
    return this.uniformBelow(den) < num;
  }
}
