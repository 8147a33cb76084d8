import { describe, expect, it } from "vitest";
import { BytePool } from "../../../../../src/core/anonymise/noise/byte-pool.ts";
import { type Coins, PoolCoins } from "../../../../../src/core/anonymise/noise/coins.ts";
import { discreteLaplace } from "../../../../../src/core/anonymise/noise/discrete-laplace.ts";
import { type Fraction, fraction, fractionOf } from "../../../../../src/core/anonymise/noise/fraction.ts";
import { type Check, failed, fitChecks, Histogram, momentChecks, slopeCheck } from "../../../../support/noise/checks.ts";
import { exactDistribution } from "../../../../support/noise/exact-tree.ts";
import { invertsTheScale, keepsMinusZero, type LaplaceSampler, ModuloCoins, tooSmallBy } from "../../../../support/noise/mutants.ts";
import { floatOf, laplaceOracle } from "../../../../support/noise/oracles.ts";
import { seededBytes } from "../../../../support/noise/seeded-bytes.ts";

const DRAWS = 120_000;
const poolFrom = (seed: number): BytePool => new BytePool(seededBytes(seed));

describe("T1, goodness of fit", () => {
  function fitOf(scale: Fraction, sampler: LaplaceSampler, coins: Coins): Check[] {
    const histogram = Histogram.of(DRAWS, () => sampler(coins, scale));
    return [...fitChecks(histogram, laplaceOracle(floatOf(scale))), slopeCheck(histogram, floatOf(scale))];
  }

  // 171/113: a numerator that one byte does not divide. 10000/10986: sensitivity 1 at epsilon 1.0986.
  it.each(["1/2", "1", "2", "3", "171/113", "10000/10986", "100"])("at scale %s", (text) => {
    expect(failed(fitOf(fractionOf(text), discreteLaplace, new PoolCoins(poolFrom(1))))).toEqual([]);
  });

  it.each(["1/2", "1", "2", "3"])("rejects a sampler that keeps -0, at scale %s", (text) => {
    const wrong = failed(fitOf(fractionOf(text), keepsMinusZero, new PoolCoins(poolFrom(1))));
    expect(wrong).toEqual(expect.arrayContaining(["chi2", "P(0)"]));
  });

  it.each(["1/2", "2", "3"])("rejects a sampler that inverts the scale, at scale %s", (text) => {
    const wrong = failed(fitOf(fractionOf(text), invertsTheScale, new PoolCoins(poolFrom(1))));
    expect(wrong).toEqual(expect.arrayContaining(["chi2", "P(0)", "slope of ln P"]));
  });

  it("rejects coins with modulo bias", () => {
    expect(failed(fitOf(fractionOf("171/113"), discreteLaplace, new ModuloCoins(poolFrom(1))))).toContain("chi2");
  });

  it("rejects a sampler that is a little more often above zero than below", () => {
    const leaning: LaplaceSampler = (coins, scale) => {
      const drawn = discreteLaplace(coins, scale);
      return drawn === -1n && coins.bernoulli(1n, 20n) ? 1n : drawn;
    };
    expect(failed(fitOf(fraction(1n), leaning, new PoolCoins(poolFrom(1))))).toContain("symmetry at 1");
  });
});

describe("T2, exact probabilities", () => {
  // Privacy reference, section 7.
  it.each([
    ["1", [0.46211716, 0.1700034, 0.06254076, 0.02300746]],
    ["2", [0.24491866, 0.14855068, 0.09010054, 0.05464874]],
    ["10000000000000000/10986122886681098", [1 / 2, 1 / 6, 1 / 18, 1 / 54]], // epsilon = ln 3
  ])("the oracle of these tests has the published ones, at scale %s", (text, published) => {
    for (const [k, probability] of published.entries()) {
      expect(Math.abs(laplaceOracle(floatOf(fractionOf(text))).probability(k) - probability)).toBeLessThan(6e-9);
    }
  });

  // Every way through the sampler is followed and weighed, until what is left weighs less than `left`: no chance is involved.
  const WEIGHED = [
    { scale: "1", weightMin: 1e-9, left: 1e-4 },
    { scale: "2", weightMin: 1e-8, left: 2e-3 },
    { scale: "1/2", weightMin: 1e-7, left: 7e-3 },
  ];

  function outside(sampler: LaplaceSampler, scale: Fraction, weightMin: number, left: number): number[] {
    const { found, unfollowed } = exactDistribution((coins) => sampler(coins, scale), weightMin);
    expect(unfollowed).toBeLessThan(left);
    const oracle = laplaceOracle(floatOf(scale));
    return [-4, -3, -2, -1, 0, 1, 2, 3, 4].filter((k) => {
      const least = found.get(BigInt(k)) ?? 0;
      return !(least <= oracle.probability(k) + 1e-12 && oracle.probability(k) <= least + unfollowed + 1e-12);
    });
  }

  it.each(WEIGHED)("the sampler has them, at scale $scale: computed, not sampled", ({ scale, weightMin, left }) => {
    expect(outside(discreteLaplace, fractionOf(scale), weightMin, left)).toEqual([]);
  });

  it("samplers with a mistake have not", () => {
    expect(outside(keepsMinusZero, fraction(1n), 1e-6, 0.01)).toContain(0);
    expect(outside(invertsTheScale, fraction(2n), 1e-6, 0.02)).toContain(0);
    expect(outside(tooSmallBy(fraction(2n)), fraction(1n), 1e-6, 0.02)).toContain(0);
  });
});

describe("T3, moments", () => {
  // Google's DiscreteLaplaceNoiseTest has epsilon ln 3; 1.0986 and 0.5493 are what an operator could write.
  const CASES = ["1.0986", "0.5493"].flatMap((epsilon) => [1n, 2n].flatMap((linf) => [0, 42].map((value) => ({ epsilon, linf, value }))));
  const TRIALS = 100_000;

  function moments(epsilon: string, linf: bigint, value: number, sampler: LaplaceSampler): Check[] {
    const { num, den } = fractionOf(epsilon);
    const coins = new PoolCoins(poolFrom(3));
    const scale = fraction(linf * den, num);
    const histogram = Histogram.of(TRIALS, () => BigInt(value) + sampler(coins, scale));
    return momentChecks(histogram, value, laplaceOracle(floatOf(scale)).variance);
  }

  it.each(CASES)("of $value with noise at epsilon $epsilon, $linf a person", ({ epsilon, linf, value }) => {
    expect(failed(moments(epsilon, linf, value, discreteLaplace))).toEqual([]);
  });

  it.each(CASES)("rejects noise for another sensitivity: $value, epsilon $epsilon, $linf a person", ({ epsilon, linf, value }) => {
    expect(failed(moments(epsilon, linf, value, tooSmallBy(fraction(2n))))).toContain("variance");
    expect(failed(moments(epsilon, linf, value, tooSmallBy(fractionOf("1.05"))))).toContain("variance");
  });
});

it("refuses a scale of zero or less", () => {
  const coins = new PoolCoins(poolFrom(1));
  expect(() => discreteLaplace(coins, fraction(0n))).toThrow("noise of scale zero is none");
  expect(() => discreteLaplace(coins, fraction(-1n, 2n))).toThrow("noise of scale zero is none");
});
