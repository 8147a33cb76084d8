import { afterAll, describe, expect, it } from "vitest";
import { createSystemCrypto } from "../../src/adapters/system-crypto.ts";
import { BytePool, type RandomBytes } from "../../src/core/anonymise/noise/byte-pool.ts";
import { PoolCoins } from "../../src/core/anonymise/noise/coins.ts";
import { discreteGaussian } from "../../src/core/anonymise/noise/discrete-gaussian.ts";
import { discreteLaplace } from "../../src/core/anonymise/noise/discrete-laplace.ts";
import { fractionOf } from "../../src/core/anonymise/noise/fraction.ts";
import { type Check, failed, fitChecks, Histogram, momentChecks, slopeCheck, tableOf, worstOf } from "../support/noise/checks.ts";
import { COUNT_CASES, countCheck } from "../support/noise/count-privacy.ts";
import { floatOf, gaussianOracle, laplaceOracle } from "../support/noise/oracles.ts";
import { seededBytes } from "../support/noise/seeded-bytes.ts";

// T1, T3 and T4 with a million draws: once with bytes that are the same in every run, once with those that a node gets. The second
// can fail by chance: each chi-squared in 1 run of 50,000, each moment in 1 of 100,000, proportions in 1 of 10^6, the rest in 10^9.
const DRAWS = 1_000_000;

const SOURCES: readonly (readonly [string, () => RandomBytes])[] = [
  ["seeded", () => seededBytes(5)],
  ["system", createSystemCrypto],
];

const all: Check[] = [];

afterAll(() => {
  console.log(`Of tails and signs the one that came out worst.\n${tableOf(worstOf(all))}`);
});

function expectToPass(label: string, checks: readonly Check[]): void {
  all.push(...checks.map((check) => ({ ...check, what: `${label}: ${check.what}` })));
  expect(failed(checks)).toEqual([]);
}

describe.each(SOURCES)("with %s bytes", (name, open) => {
  const coins = () => new PoolCoins(new BytePool(open()));

  it.each(["1/2", "1", "2", "3", "10/3", "10000/10986"])("discrete Laplace, scale %s", (text) => {
    const [source, scale] = [coins(), floatOf(fractionOf(text))];
    const histogram = Histogram.of(DRAWS, () => discreteLaplace(source, fractionOf(text)));
    const oracle = laplaceOracle(scale);
    const checks = [...fitChecks(histogram, oracle), slopeCheck(histogram, scale), ...momentChecks(histogram, 0, oracle.variance)];
    expectToPass(`${name}, Laplace ${text}`, checks);
  });

  it.each(["1/2", "1", "4", "171/113"])("discrete Gaussian, sigma squared %s", (text) => {
    const source = coins();
    const histogram = Histogram.of(DRAWS, () => discreteGaussian(source, fractionOf(text)));
    expectToPass(`${name}, Gaussian ${text}`, fitChecks(histogram, gaussianOracle(floatOf(fractionOf(text)))));
  });

  it.each(COUNT_CASES.filter(({ what }) => what.startsWith("large count")))("privacy of a count: $what", (kase) => {
    expectToPass(`${name}, T4 in one run`, [countCheck(kase, DRAWS, discreteLaplace, coins())]);
  });
});
