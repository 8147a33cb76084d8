import { expect, it } from "vitest";
import { createSystemCrypto } from "../../src/adapters/system-crypto.ts";
import { BytePool } from "../../src/core/anonymise/noise/byte-pool.ts";
import { PoolCoins } from "../../src/core/anonymise/noise/coins.ts";
import { seededCoins } from "../support/coins.ts";
import { comparison, failedShare, neighboursOf, SPOILED } from "../support/noise/pipeline-privacy.ts";

// T6 in its published size: 50 data sets, 10,000 releases for each histogram, at most 5 % failed comparisons.
const DRAWS = 10_000;
const PAIRS = Array.from({ length: 50 }, (_, index) => neighboursOf(index));
const FAILED_SHARE_MAX = 0.05;

it.each([
  ["seeded", () => seededCoins(66)],
  ["system", () => new PoolCoins(new BytePool(createSystemCrypto()))],
] as const)("T6: the joint output of the pipeline is as private as it says, with %s bytes", (name, coins) => {
  const source = coins();
  const rows = PAIRS.map((pair) => ({ pair, sides: comparison(pair, DRAWS, source) }));
  const failed = rows.filter(({ sides }) => sides.some(({ excess, tolerance }) => excess > tolerance));
  for (const kind of ["passage", "speed", "counter"]) {
    const shares = rows
      .filter(({ pair }) => pair.stream.channel.kind === kind)
      .flatMap(({ sides }) => sides.map(({ excess, tolerance }) => excess / tolerance));
    console.log(`T6 ${name} ${kind}: at most ${Math.max(...shares).toFixed(2)} of what chance may do, in ${shares.length} comparisons`);
  }
  expect(failed.length / rows.length).toBeLessThanOrEqual(FAILED_SHARE_MAX);
});

it.each(SPOILED)("T6: $name is found", ({ name, release }) => {
  const share = failedShare(PAIRS, DRAWS, seededCoins(67), release);
  console.log(`T6 mutant, ${name}: ${Math.round(100 * share)} % of the data sets told apart`);
  expect(share).toBeGreaterThan(FAILED_SHARE_MAX);
});
