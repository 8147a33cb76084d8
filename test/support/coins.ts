import { BytePool } from "../../src/core/anonymise/noise/byte-pool.ts";
import { type Coins, PoolCoins } from "../../src/core/anonymise/noise/coins.ts";
import { seededBytes } from "./noise/seeded-bytes.ts";

/** For releases without noise: whoever draws is wrong. */
export const noCoins: Coins = {
  uniformBelow: () => {
    throw new Error("nothing should be drawn here");
  },
  bernoulli: () => {
    throw new Error("nothing should be drawn here");
  },
};

/** The same coins for the same seed. */
export const seededCoins = (seed: number): Coins => new PoolCoins(new BytePool(seededBytes(seed)));

/** A source that fails. */
export const brokenCoins: Coins = new PoolCoins(
  new BytePool({
    fillRandom: () => {
      throw new Error("no randomness to be had");
    },
  }),
);
