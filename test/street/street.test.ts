import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalStatus } from "../../src/runtime/status.ts";
import { announcedSeed } from "../support/seed.ts";
import { expectWholeHistory } from "../support/summaries.ts";
import { heardIn, leaksIn, lineOf, missingWindows, strangeFlags, topicsOf, wrongStates } from "./account.ts";
import { type Compared, compareAll } from "./comparison.ts";
import type { HeardSummary } from "./oracle.ts";
import { comparePeople, type PeopleCompared } from "./people.ts";
import { BEGAN_WALL_MS, VirtualStreet } from "./virtual-street.ts";

const HOUR_MS = 3_600_000;
/** The last window is over, has waited for stragglers, and is on its way. */
const CLOSES_MS = 45_000;
const EXACTLY_THEN = { earlyMs: 0, lateMs: 0 };
/** In which way each is disturbed besides what the layout says: pulled out, or asked in vain. After the start, and for how long, ms. */
const PULLED = new Map([
  ["quay-3", { fromMs: 493_700, forMs: 75_000 }],
  ["fine-1", { fromMs: 1_301_310, forMs: 40_000 }],
  ["gas-2", { fromMs: 1_500_000, forMs: 20_000 }],
]);
/** Asked in vain for so long it is thought to be silent, and its port is opened anew. */
const DEAF = { sensor: "gas-4", fromMs: 2_000_000, forMs: 100_000 };
/** Counts of people that are all as they were are no chance: one in ten is, with the epsilon used here. */
const COUNTS_MIN = 40;

describe("a whole street, for an hour of virtual time", () => {
  let world: VirtualStreet;
  let summaries: readonly HeardSummary[];
  let compared: Compared;
  let people: PeopleCompared;
  let status: LocalStatus;

  beforeAll(async () => {
    world = new VirtualStreet(announcedSeed("a whole street"));
    await world.begin();
    const { street, timeline } = world;
    for (const [sensor, { fromMs, forMs }] of PULLED) {
      timeline.at(fromMs, () => world.unplug(sensor));
      timeline.at(fromMs + forMs, () => world.plug(sensor));
    }
    timeline.at(DEAF.fromMs, () => street.deafen(DEAF.sensor, true));
    timeline.at(DEAF.fromMs + DEAF.forMs, () => street.deafen(DEAF.sensor, false));
    await world.until(BEGAN_WALL_MS + HOUR_MS + CLOSES_MS);
    status = world.life.node?.status() as LocalStatus;
    summaries = heardIn(world.messages);
    compared = compareAll(street, summaries, {
      zone: () => EXACTLY_THEN,
      areValuesKnown: () => true,
      isCoverageKnown: () => true,
    });
    people = comparePeople(street, summaries, BEGAN_WALL_MS, BEGAN_WALL_MS + HOUR_MS);
  }, 300_000);

  afterAll(() => world.remove());

  it("tells of every window what an independent computation makes of what was said, to the last digit", () => {
    expect(compared.problems).toEqual([]);
    expect(missingWindows(world.street, summaries, BEGAN_WALL_MS, BEGAN_WALL_MS + HOUR_MS)).toEqual([]);
    expect(compared).toMatchObject({ bounded: 0, unknown: 0 });
    console.log(lineOf(world.street, { ...compared, people: people.counts }));
  });

  it("compares whole windows of whole streams: every sensor said much, and every kind of statistic was there", () => {
    const seen = new Set(summaries.filter(({ stats }) => stats !== undefined).map(({ kind }) => kind));
    expect([...seen].sort()).toEqual(["counter", "direction", "gauge", "level", "state"]);
    const full = summaries.filter(({ stats }) => Number(stats?.samples ?? 0) > 0);
    expect(full.length).toBeGreaterThan(0.9 * compared.exact);
  });

  it("publishes every window of people, noised", () => {
    expect(people.problems).toEqual([]);
    expect(people.counts).toBeGreaterThanOrEqual(COUNTS_MIN);
    expect(people.asTheyWere).toBeLessThan(people.counts / 2);
  });

  it("publishes these streams and no others, in one history without a hole", () => {
    expectWholeHistory(world.messages, "city/test");
    const topics = new Set(world.messages.map(({ topic }) => topic).filter((topic) => topic.endsWith("/summary")));
    expect([...topics].sort()).toEqual(topicsOf(world.street, "city/test", "n0042"));
  });

  it("has the windows of a sensor that was pulled out say so, and no others", () => {
    for (const [sensor, { fromMs, forMs }] of PULLED) {
      const [goneMs, backMs] = [BEGAN_WALL_MS + fromMs, BEGAN_WALL_MS + fromMs + forMs];
      const touched = summaries.filter(
        ({ sensor: id, window }) => id === sensor && Date.parse(window.start) < backMs && Date.parse(window.end) > goneMs,
      );
      expect(touched.length).toBeGreaterThan(0);
      for (const { id, coverage } of touched) expect(coverage, id).toBeLessThan(1);
    }
    expect(strangeFlags(summaries)).toEqual([]);
  });

  it("has every sensor well in the end, and its books balanced", () => {
    expect(world.deaths).toEqual([]);
    expect(wrongStates(status)).toEqual([]);
    const late = Object.values(status.sensors).map(({ counters }) => counters?.dropped.late ?? 0);
    expect(late.every((count) => count === 0)).toBe(true);
  });

  it("says nothing of a household, a position or one speed, on no topic and in no event", () => {
    const texts = [...world.messages.map(({ payload }) => payload.toString("utf8")), ...world.events.map((event) => JSON.stringify(event))];
    expect(leaksIn(texts)).toEqual([]);
  });
});
