import { describe, expect, it } from "vitest";
import { bernoulliExp } from "../../../../../src/core/anonymise/noise/bernoulli-exp.ts";
import { BytePool } from "../../../../../src/core/anonymise/noise/byte-pool.ts";
import { PoolCoins } from "../../../../../src/core/anonymise/noise/coins.ts";
import { type Fraction, fraction, fractionOf } from "../../../../../src/core/anonymise/noise/fraction.ts";
import { type Check, failed, proportionCheck } from "../../../../support/noise/checks.ts";
import { exactDistribution } from "../../../../support/noise/exact-tree.ts";
import { floatOf } from "../../../../support/noise/oracles.ts";
import { seededBytes } from "../../../../support/noise/seeded-bytes.ts";

const DRAWS = 120_000;
const coinsFrom = (seed: number) => new PoolCoins(new BytePool(seededBytes(seed)));

describe("bernoulliExp", () => {
  it.each([
    ...["0", "1/8", "1/3", "1/2", "3/4", "1", "3/2", "2", "9/4", "3", "7/2", "5"],
    ...["1/65537", "65536/65537", "12345/1000003", "999983/1000003", "1/1073741824"],
  ])("says yes with probability exp(-%s): computed, not sampled", (text) => {
    const x = fractionOf(text);
    const { found, unfollowed } = exactDistribution((coins) => (bernoulliExp(coins, x.num, x.den) ? 1n : 0n), 1e-14);
    expect(unfollowed).toBeLessThan(1e-8);
    expect(Math.abs((found.get(1n) ?? 0) - Math.exp(-floatOf(x)))).toBeLessThan(unfollowed + 1e-12);
  });

  it.each(["1/8", "3/4", "1", "3/2", "9/4", "5"])("fits exp(-%s) with real coins", (text) => {
    const x = fractionOf(text);
    const coins = coinsFrom(11);
    let yes = 0;
    for (let draw = 0; draw < DRAWS; draw++) if (bernoulliExp(coins, x.num, x.den)) yes++;
    expect(failed([proportionCheck(text, yes, DRAWS, Math.exp(-floatOf(x)))])).toEqual([]);
  });

  it("refuses a rate below zero", () => {
    expect(() => bernoulliExp(coinsFrom(1), -1n, 2n)).toThrow("a rate below zero");
    expect(() => bernoulliExp(coinsFrom(1), 1n, 0n)).toThrow("a rate below zero");
  });
});

type Sampler = (x: Fraction) => boolean;

/** exp(-(a + b)) = exp(-a) exp(-b), of two samples: no float stands between them. The parameters are OpenDP's. */
function factorises(a: Fraction, b: Fraction, sampler: Sampler): Check {
  const sum = fraction(a.num * b.den + b.num * a.den, a.den * b.den);
  let [together, apart] = [0, 0];
  for (let draw = 0; draw < DRAWS; draw++) {
    if (sampler(sum)) together++;
    if (sampler(a) && sampler(b)) apart++;
  }
  return { what: "factorises", statistic: (together - apart) / DRAWS, tolerance: 6 / Math.sqrt(2 * DRAWS) };
}

describe("the factors of exp(-(a + b)) at large denominators", () => {
  const PAIRS = [
    ["1/1073741824", "1/65537"],
    ["3/1073741824", "12345/1000003"],
    ["32768/65537", "1/65537"],
    ["65536/65537", "1/1073741824"],
    ["999983/1000003", "32768/65537"],
  ] as const;

  it.each(PAIRS)("%s and %s", (a, b) => {
    const coins = coinsFrom(12);
    expect(failed([factorises(fractionOf(a), fractionOf(b), (x) => bernoulliExp(coins, x.num, x.den))])).toEqual([]);
  });

  it("is a test that a sampler fails which cuts its fractions to 16 bits", () => {
    const coins = coinsFrom(12);
    const cut: Sampler = (x) => bernoulliExp(coins, x.num % 65_536n, x.den % 65_536n || 1n);
    expect(PAIRS.map(([a, b]) => failed([factorises(fractionOf(a), fractionOf(b), cut)]).length)).toContain(1);
  });
});
