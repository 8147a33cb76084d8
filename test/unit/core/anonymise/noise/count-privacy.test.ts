import { describe, expect, it } from "vitest";
import { BytePool } from "../../../../../src/core/anonymise/noise/byte-pool.ts";
import { PoolCoins } from "../../../../../src/core/anonymise/noise/coins.ts";
import { discreteLaplace } from "../../../../../src/core/anonymise/noise/discrete-laplace.ts";
import { fractionOf } from "../../../../../src/core/anonymise/noise/fraction.ts";
import { failed } from "../../../../support/noise/checks.ts";
import { COUNT_CASES, type CountCase, countCheck } from "../../../../support/noise/count-privacy.ts";
import { failsAtTimes, type LaplaceSampler, tooSmallBy } from "../../../../support/noise/mutants.ts";
import { seededBytes } from "../../../../support/noise/seeded-bytes.ts";

// T4 in the size of every commit: one run of 120,000 draws, 6 standard deviations. `npm run test:privacy` has the published size.
const DRAWS = 120_000;

const verdict = (kase: CountCase, sampler: LaplaceSampler): string[] =>
  failed([countCheck(kase, DRAWS, sampler, new PoolCoins(new BytePool(seededBytes(100 + COUNT_CASES.indexOf(kase)))))]);

describe("T4, a count with noise is as private as it says", () => {
  it.each(COUNT_CASES)("$what", (kase) => {
    expect(verdict(kase, discreteLaplace)).toEqual([]);
  });

  // At epsilon 0.01 these mistakes are lost in what chance does to so few draws: test/privacy says more.
  const TELLING = COUNT_CASES.filter(({ what }) => what.startsWith("small count") && !what.endsWith("small epsilon"));

  it.each(TELLING)("rejects a sensitivity that is off by 1.175: $what", (kase) => {
    expect(verdict(kase, tooSmallBy(fractionOf("1.175")))).toEqual([kase.what]);
  });

  it.each(TELLING)("rejects a release that gives all away once in 20: $what", (kase) => {
    expect(verdict(kase, failsAtTimes(fractionOf("1/20")))).toEqual([kase.what]);
  });

  it.each(TELLING)("rejects Amsterdam's -1, 0 or 1: $what", (kase) => {
    // Privacy reference, section 1: bounded noise leaves delta = 1/3 for every epsilon.
    expect(verdict(kase, (coins) => coins.uniformBelow(3n) - 1n)).toEqual([kase.what]);
  });

  it.each(TELLING)("rejects no noise at all: $what", (kase) => {
    expect(verdict(kase, () => 0n)).toEqual([kase.what]);
  });
});
