import { assert } from "../../assert.ts";
import type { BytePool } from "./byte-pool.ts";

/** The two draws that every sampler is made of. Both are exact: no float, no bias. */
export interface Coins {
  /** One of 0, 1, … n - 1, each with probability 1/n. */
  uniformBelow(n: bigint): bigint;
  /** True with probability num/den, which lies in [0, 1]. */
  bernoulli(num: bigint, den: bigint): boolean;
}

/**
 * How often a loop of a sampler may go round. With a working source none comes near it: the likeliest are retries, each of which
 * succeeds with probability 0.4 or more (0.6 ** 1000 is below 2 ** -700), and runs of Bernoulli(1/e) (e ** -1000). A source that
 * gives the same byte for ever does come near it; without the limit it would stop the node.
 */
export const ROUNDS_MAX = 1_000n;

/** The end of a loop that went round too often. The release that asked for the draw does not happen. */
export function stuck(): never {
  throw new Error("the random source repeats itself: nothing can be released");
}

/** Draws from random bytes. */
export class PoolCoins implements Coins {
  readonly #pool: BytePool;

  constructor(pool: BytePool) {
    this.#pool = pool;
  }

  /** By rejection: numbers above the last whole multiple of n are drawn again, since `% n` of them would favour small results. */
  uniformBelow(n: bigint): bigint {
    assert(n > 0n, "a draw from nothing");
    for (let round = 0n; round < ROUNDS_MAX; round++) {
      let drawn = 0n;
      let span = 1n; // drawn is uniform below it
      while (span < n) {
        drawn = drawn * 256n + this.#pool.take();
        span *= 256n;
      }
      if (drawn < span - (span % n)) return drawn % n;
    }
    return stuck();
  }

  bernoulli(num: bigint, den: bigint): boolean {
    assert(num >= 0n && num <= den, "a probability outside 0 to 1");
    return this.uniformBelow(den) < num;
  }
}
