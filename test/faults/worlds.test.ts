import { expect, it } from "vitest";
import { createSimulationMachine } from "../../src/cli/simulation-machine.ts";
import { FAULT_KINDS } from "../../src/testing/simulation/faults.ts";
import { compareTwins } from "../../src/testing/simulation/twins.ts";
import { findingText, Tally, world } from "../sim/worlds.ts";
import { faultRow } from "../support/fault-table.ts";
import { announcedSeed } from "../support/seed.ts";

const WORLDS = 300;
const HOURS = 1;
const TWINS = 60;

it(`keeps every promise in ${WORLDS} worlds of an hour that nobody has seen`, { timeout: 1_800_000 }, async () => {
  const seed = announcedSeed(`${WORLDS} worlds from`);
  const tally = new Tally();
  for (let at = 0; at < WORLDS; at++) {
    const report = await world(seed + at, { hours: HOURS });
    expect(findingText(report)).toBeNull();
    tally.add(report);
  }
  console.log(tally.text());
  faultRow({
    fault: "Everything at once",
    injected: `${tally.faults.size} of ${FAULT_KINDS.length} kinds of fault in ${WORLDS} simulated worlds of ${HOURS} h, fresh seeds`,
    promised: "P1 to P8 after every step; when faults stop, the outbox drains and every sensor is well",
    measured: `none broken; ${tally.lives} starts; ${tally.exact} windows exact, ${tally.bounded} within bounds`,
  });
});

it(`tells nothing of who passes in ${TWINS} worlds in which everything goes wrong`, { timeout: 1_200_000 }, async () => {
  const seed = announcedSeed(`${TWINS} pairs of worlds from`);
  for (let at = 0; at < TWINS; at++) {
    const difference = await compareTwins({ machine: createSimulationMachine, seed: seed + at, hours: HOURS });
    expect({ seed: seed + at, difference }).toEqual({ seed: seed + at, difference: null });
  }
  faultRow({
    fault: "Everything at once, on a busy street and on an empty one",
    injected: `${TWINS} pairs of simulated worlds that differ in their road users only`,
    promised: "P1: every message, line of the log and status, and when, is equal but for noised numbers",
    measured: "no difference",
  });
});
