import { expect, it } from "vitest";
import { BytePool } from "../../../../../src/core/anonymise/noise/byte-pool.ts";
import { PoolCoins } from "../../../../../src/core/anonymise/noise/coins.ts";
import { discreteGaussian } from "../../../../../src/core/anonymise/noise/discrete-gaussian.ts";
import { discreteLaplace } from "../../../../../src/core/anonymise/noise/discrete-laplace.ts";
import { type Fraction, fraction, fractionOf } from "../../../../../src/core/anonymise/noise/fraction.ts";
import { failed, fitChecks, Histogram } from "../../../../support/noise/checks.ts";
import { floatOf, gaussianOracle } from "../../../../support/noise/oracles.ts";
import { seededBytes } from "../../../../support/noise/seeded-bytes.ts";

const DRAWS = 120_000;
const coins = () => new PoolCoins(new BytePool(seededBytes(2)));

const misfits = (sigmaSquared: Fraction, draw: () => bigint): string[] =>
  failed(fitChecks(Histogram.of(DRAWS, draw), gaussianOracle(floatOf(sigmaSquared))));

// sigma below, at and above the integers, where algorithm 3 changes its t.
it.each(["1/4", "1/2", "1", "399/100", "4", "9", "171/113", "1000"])("fits the discrete Gaussian of variance parameter %s", (text) => {
  const [source, sigmaSquared] = [coins(), fractionOf(text)];
  expect(misfits(sigmaSquared, () => discreteGaussian(source, sigmaSquared))).toEqual([]);
});

it("is a test that other noise fails: sigma for sigma squared, discrete Laplace, a normal variable that is rounded", () => {
  const source = coins();
  expect(misfits(fraction(4n), () => discreteGaussian(source, fraction(2n)))).toContain("chi2");
  expect(misfits(fraction(2n), () => discreteLaplace(source, fraction(1n)))).toContain("chi2");
  // Rounding adds 1/12 to the variance, which is how a continuous Gaussian would be made "discrete".
  expect(misfits(fraction(1n), () => discreteGaussian(source, fraction(13n, 12n)))).toContain("chi2");
});

it("refuses a variance of zero or less", () => {
  expect(() => discreteGaussian(coins(), fraction(0n))).toThrow("noise of variance zero is none");
  expect(() => discreteGaussian(coins(), fraction(-1n))).toThrow("noise of variance zero is none");
});
