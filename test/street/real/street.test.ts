import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalStatus } from "../../../src/runtime/status.ts";
import { Lab } from "../../support/lab.ts";
import { PREFIX } from "../../support/node-process.ts";
import { announcedSeed } from "../../support/seed.ts";
import type { Received } from "../../support/subscriber.ts";
import { expectWholeHistory } from "../../support/summaries.ts";
import { heardIn, leaksIn, lineOf, missingWindows, strangeFlags, topicsOf, wrongStates } from "../account.ts";
import { type Compared, compareAll } from "../comparison.ts";
import { PEOPLE_WINDOW_SECONDS } from "../layout.ts";
import type { HeardSummary } from "../oracle.ts";
import { comparePeople, type PeopleCompared } from "../people.ts";
import { RealStreet } from "./real-street.ts";

/** `STOEP_STREET_MINUTES=1 npm run test:street` is a try: a window of people is 5 minutes long, and must lie whole in the time. */
const MINUTES = Number(process.env.STOEP_STREET_MINUTES ?? 5);
const MINUTE_MS = 60_000;
const PEOPLE_WINDOW_MS = PEOPLE_WINDOW_SECONDS * 1_000;
/** A window waits 30 s for stragglers, then it is written and sent. */
const CLOSES_MS = 60_000;
const LONGEST_MS = MINUTES * MINUTE_MS + 2 * PEOPLE_WINDOW_MS + CLOSES_MS;
/** When the bytes that were given to a pseudo terminal are read by the node, as its wall clock has it. */
const SERIAL_ZONE = { earlyMs: 50, lateMs: 500 };
/** Edges carry the time at which they were made. */
const GPIO_ZONE = { earlyMs: 20, lateMs: 20 };
/** What is pulled out, when, and for how long. A port is looked for every 2 s, and a torn frame may cost the next. */
const PULLED = { sensor: "quay-3", afterMs: 35_000, forMs: 5_000 };
const BACK_MS_MAX = 15_000;

/** A port that is opened anew may cost what came so shortly before and after. */
const REOPENS_MS = 5_000;
const LOOK_EVERY_MS = 3_000;

/** Long enough for a whole window of people, where the time is long enough for one. */
function endOf(beganMs: number): number {
  const endMs = beganMs + MINUTES * MINUTE_MS;
  const peopleMs = (Math.ceil(beganMs / PEOPLE_WINDOW_MS) + 1) * PEOPLE_WINDOW_MS;
  return MINUTES * MINUTE_MS < PEOPLE_WINDOW_MS ? endMs : Math.max(endMs, peopleMs);
}

describe(`a whole street on real lines, for ${MINUTES} minutes`, () => {
  const lab = new Lab();
  let real: RealStreet;
  let beganMs = 0;
  let endMs = 0;
  let messages: readonly Received[] = [];
  let summaries: readonly HeardSummary[] = [];
  let compared: Compared;
  let people: PeopleCompared;
  let status: LocalStatus;

  beforeAll(async () => {
    real = new RealStreet(announcedSeed("a whole street"));
    await real.begin(lab);
    beganMs = Date.now();
    endMs = endOf(beganMs);
    await wait(PULLED.afterMs);
    const goneMs = Date.now();
    await real.unplug(PULLED.sensor);
    await wait(PULLED.forMs);
    await real.plug(PULLED.sensor);
    const backMs = Date.now() + BACK_MS_MAX;
    await wait(endMs - Date.now());
    // Looked for seldom: to read all of it again keeps the instruments from speaking.
    const untilMs = Date.now() + CLOSES_MS;
    while (Date.now() < untilMs && missingWindows(real.street, heardIn(real.subscriber.messages), beganMs, endMs).length > 0)
      await wait(LOOK_EVERY_MS);
    // What is wrong is told below.
    status = await real.site.statusWhen((now) => wrongStates(now).length === 0).catch(() => real.site.status());
    await real.node.stop();
    await real.end();
    ({ messages } = real.subscriber);
    summaries = heardIn(messages).filter(({ window }) => Date.parse(window.end) <= endMs);
    const serialZone = { ...SERIAL_ZONE, lateMs: SERIAL_ZONE.lateMs + real.lateMsMax };
    const isApart = (fromMs: number, toMs: number): boolean => toMs <= goneMs - SERIAL_ZONE.lateMs || fromMs >= backMs;
    compared = compareAll(real.street, summaries, {
      zone: (sensor) => (real.street.contact(sensor) === null ? serialZone : GPIO_ZONE),
      areValuesKnown: (sensor, fromMs, toMs) => {
        const warmMs = real.street.instrument(sensor)?.warmUntilMs ?? 0;
        // Which of two values near the end of the warming is the first that counts, arrival decides.
        const isTurning = fromMs < warmMs + 2_000 && toMs > warmMs - 2_000;
        const isInTime = real.street.unit(sensor) === null || !real.wasLate(fromMs, toMs);
        // Values that were further apart than its rhythm, because this machine was busy, look like silence: the port is opened anew.
        const isLost = (real.street.reopenedMs.get(sensor) ?? []).some((atMs) => toMs > atMs - REOPENS_MS && fromMs < atMs + REOPENS_MS);
        return !isTurning && isInTime && !isLost && (sensor !== PULLED.sensor || isApart(fromMs, toMs));
      },
      isCoverageKnown: (sensor, fromMs) => sensor !== PULLED.sensor || fromMs >= backMs,
    });
    people = comparePeople(real.street, summaries, beganMs, endMs);
  }, LONGEST_MS);

  afterAll(() => lab.close());

  it("tells of every window what an independent computation makes of what was said, to the last digit", () => {
    console.log(
      `${lineOf(real.street, { ...compared, people: people.counts })}; timers were ${Math.round(real.lateMsMax)} ms late at most`,
    );
    expect(compared.problems).toEqual([]);
    expect(missingWindows(real.street, summaries, beganMs, endMs)).toEqual([]);
    expect(compared.exact).toBeGreaterThan(40 * Math.floor(MINUTES));
  });

  it("publishes every window of people, noised", () => {
    expect(people.problems).toEqual([]);
    if (MINUTES * MINUTE_MS >= PEOPLE_WINDOW_MS) expect(people.counts).toBeGreaterThan(0);
    // One in ten is as it was, by chance.
    expect(people.asTheyWere).toBeLessThanOrEqual(Math.ceil(0.75 * people.counts));
  });

  it("publishes these streams and no others, in one history without a hole", () => {
    expectWholeHistory(messages, PREFIX);
    const topics = [...new Set(messages.map(({ topic }) => topic).filter((topic) => topic.endsWith("/summary")))];
    const wanted = topicsOf(real.street, PREFIX, "n0042");
    expect(topics.filter((topic) => !wanted.includes(topic))).toEqual([]);
    if (people.counts > 0) expect(topics.sort()).toEqual(wanted);
    expect(strangeFlags(summaries)).toEqual([]);
  });

  it("has every sensor well in the end, and its books balanced", () => {
    expect(wrongStates(status)).toEqual([]);
  });

  it("says nothing of a household, a position or one speed, on no topic and in no line of its log", () => {
    const lines = [real.node.stdout, real.node.stderr].flatMap((text) => text.split("\n"));
    // When something was logged is drawn by chance as well.
    const log = lines.map((line) => line.replace(/"time":"?[^",}]*"?/, ""));
    expect(leaksIn([...messages.map(({ payload }) => payload.toString("utf8")), ...log])).toEqual([]);
  });
});
