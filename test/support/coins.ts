import { createHash } from "node:crypto";
import { BytePool, type RandomBytes } from "../../src/core/anonymise/noise/byte-pool.ts";
import { type Coins, PoolCoins } from "../../src/core/anonymise/noise/coins.ts";

/** For releases without noise: whoever draws is wrong. */
export const noCoins: Coins = {
  uniformBelow: () => {
    throw new Error("nothing should be drawn here");
  },
  bernoulli: () => {
    throw new Error("nothing should be drawn here");
  },
};

/** Bytes that look random and are the same for the same seed: SHA-256 of the seed and a counter. */
export function seededBytes(seed: string | number): RandomBytes {
  let block = 0;
  return {
    fillRandom: (bytes) => {
      for (let at = 0; at < bytes.length; at += 32) {
        const digest = createHash("sha256").update(`${seed}/${block++}`).digest();
        bytes.set(digest.subarray(0, Math.min(32, bytes.length - at)), at);
      }
    },
  };
}

export const seededCoins = (seed: string | number): Coins => new PoolCoins(new BytePool(seededBytes(seed)));

/** A source that fails. */
export const brokenCoins: Coins = new PoolCoins(
  new BytePool({
    fillRandom: () => {
      throw new Error("no randomness to be had");
    },
  }),
);
