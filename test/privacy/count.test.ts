import { afterAll, describe, expect, it } from "vitest";
import { BytePool } from "../../src/core/anonymise/noise/byte-pool.ts";
import { PoolCoins } from "../../src/core/anonymise/noise/coins.ts";
import { discreteLaplace } from "../../src/core/anonymise/noise/discrete-laplace.ts";
import { fractionOf } from "../../src/core/anonymise/noise/fraction.ts";
import { median } from "../bench/figures.ts";
import { type Check, tableOf } from "../support/noise/checks.ts";
import { COUNT_CASES, type CountCase, measuredExcess } from "../support/noise/count-privacy.ts";
import { failsAtTimes, type LaplaceSampler, tooSmallBy } from "../support/noise/mutants.ts";
import { seededBytes } from "../support/noise/seeded-bytes.ts";

// T4 as published: 10^6 draws of each data set, a fixed tolerance, and the majority of 9 runs. By its authors' account one run accepts
// what is right, and rejects what is wrong, with a probability of 0.9, the majority with 0.999. The bytes are always the same ones.
const DRAWS = 1_000_000;
const VOTES = 9;
const MAJORITY = 5;

const majorities: Check[] = [];

/** Whether more runs accept than reject; ends as soon as that is settled. */
function isAccepted(kase: CountCase, sampler: LaplaceSampler, label: string): boolean {
  const firstSeed = 1_000 + VOTES * COUNT_CASES.indexOf(kase);
  const tolerance = kase.publishedTolerance;
  const statistics: number[] = [];
  const accepted = () => statistics.filter((statistic) => statistic <= tolerance).length;
  while (statistics.length < VOTES && accepted() < MAJORITY && statistics.length - accepted() < MAJORITY) {
    const coins = new PoolCoins(new BytePool(seededBytes(firstSeed + statistics.length)));
    statistics.push(measuredExcess(kase, DRAWS, sampler, coins));
  }
  const what = `${label}: ${accepted()} of ${statistics.length} accept; the median`;
  majorities.push({ what, statistic: median(statistics), tolerance });
  return accepted() >= MAJORITY;
}

/** Google's fraction of the tolerance that makes a failure rate intolerable, and its fraction of the sensitivity. */
const FAILURE_SPECIFICITY = 1.25;
const DISTANCE_SPECIFICITY = "1.175";
/**
 * At epsilon 0.01 a factor of 1.175 adds 0.0009 to the statistic, of which chance alone makes 0.012: no tolerance tells it from that,
 * the published one neither. What this test does reject there is a factor of 5.
 */
const DISTANCE_AT_SMALL_EPSILON = "5";
const specificity = ({ what }: CountCase): string => (what.endsWith("small epsilon") ? DISTANCE_AT_SMALL_EPSILON : DISTANCE_SPECIFICITY);

afterAll(() => {
  console.log(`Voting ends when it is settled. Mutants have to fail.\n${tableOf(majorities)}`);
});

describe("T4 in its published size", () => {
  it.each(COUNT_CASES)("accepts: $what", (kase) => {
    expect(isAccepted(kase, discreteLaplace, kase.what)).toBe(true);
  });

  const SMALL = COUNT_CASES.filter(({ what }) => what.startsWith("small count"));

  it.each(SMALL)("rejects a sensitivity that is off by 1.175, or at a small epsilon by 5: $what", (kase) => {
    expect(isAccepted(kase, tooSmallBy(fractionOf(specificity(kase))), `mutant, sensitivity off, ${kase.what}`)).toBe(false);
  });

  it.each(SMALL)("rejects a failure rate of 1.25 times the tolerance: $what", (kase) => {
    const rate = fractionOf((FAILURE_SPECIFICITY * kase.publishedTolerance).toFixed(9));
    expect(isAccepted(kase, failsAtTimes(rate), `mutant, failures, ${kase.what}`)).toBe(false);
  });
});
