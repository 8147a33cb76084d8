import { expect, it } from "vitest";
import { FAULT_KINDS } from "../../src/testing/simulation/faults.ts";
import { expectPromisesKept, range } from "./seeds.ts";

/** Loosely: a slow machine that has other things to do as well gets this far. An idle one is faster by an order of magnitude. */
const HOURS_PER_CPU_MINUTE_MIN = 30;

it("keeps every promise in the worlds 1 to 100, in which every fault happens", { timeout: 600_000 }, async () => {
  const tally = await expectPromisesKept("worlds 1 to 100", range(1, 100));
  expect([...tally.faults].sort()).toEqual([...FAULT_KINDS].sort());
  expect(tally.devices.size).toBe(7);
  // What was compared exactly is what makes "no window is wrong" mean something.
  expect(tally.exact).toBeGreaterThan(tally.bounded);
  expect(tally.lives).toBeGreaterThan(2 * tally.worlds);
  expect(tally.speed().cpu).toBeGreaterThan(HOURS_PER_CPU_MINUTE_MIN);
});
