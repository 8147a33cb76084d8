import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { announcedSeed } from "../support/seed.ts";
import { compareAll, truthOf } from "./comparison.ts";
import { METER_CANARY, POSITION_CANARY, POWER_CANARY } from "./instruments/meters.ts";
import { SPEED_CANARY } from "./instruments/traffic.ts";
import { SENSORS } from "./layout.ts";
import type { HeardSummary } from "./oracle.ts";
import { comparePeople } from "./people.ts";
import { BEGAN_WALL_MS, VirtualStreet } from "./virtual-street.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** The last window is over, has waited for stragglers, and is on its way. */
const CLOSES_MS = 45_000;

it("tries", { timeout: 300_000 }, async () => {
  const street = new VirtualStreet(announcedSeed("a street"));
  await street.begin();
  const t = performance.now();
  await street.until(BEGAN_WALL_MS + HOUR_MS + CLOSES_MS);
  console.log("s", (performance.now() - t) / 1000, street.timeline.steps, street.street.log.count, street.received.length, street.deaths);
  const summaries = street.received.filter(({ topic }) => topic.endsWith("/summary")).map(({ payload }) => JSON.parse(Buffer.from(payload).toString()) as HeardSummary);
  const compared = compareAll(street.street, summaries, { zone: () => ({ earlyMs: 0, lateMs: 0 }), isCoverageKnown: () => true, areValuesKnown: () => true });
  console.log(compared.exact, compared.unambiguous, compared.bounded, compared.problems.length);
  const by: Record<string, number> = {};
  for (const p of compared.problems) by[p.split("/")[1]] = (by[p.split("/")[1]] ?? 0) + 1;
  console.log(by, compared.problems.slice(0, 40).join("\n"));
  console.log(comparePeople(street.street, summaries, BEGAN_WALL_MS, BEGAN_WALL_MS + HOUR_MS));
  street.remove();
});
