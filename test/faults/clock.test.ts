import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { faultRow } from "../support/fault-table.ts";
import { Lab } from "../support/lab.ts";
import { faketimeLibrary, TimeService, WallClock } from "../support/machine-clock.ts";
import { type NodeProcess, type NodeSite, stoep } from "../support/node-process.ts";
import type { Subscriber } from "../support/subscriber.ts";
import { expectEveryWindow, expectOneTextForEachId, type SummaryDocument, samplesIn, summariesOf } from "../support/summaries.ts";

const WINDOW_MS = 10_000;
const LATENESS_MS = 2_000;
const EVERY_MS = 500;
/** What the node is told by programs is kept for 30 s, and it asks every 10 s. */
const TRUST_MS = 50_000;
const library = faketimeLibrary();

const sensors = {
  air: {
    driver: "simulator",
    options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: EVERY_MS } } },
    streams: { pm25: { lateness: "2s" } },
  },
};

interface Bench {
  readonly site: NodeSite;
  readonly node: NodeProcess;
  readonly subscriber: Subscriber;
  readonly service: TimeService;
  readonly wall: WallClock;
  summaries(): readonly SummaryDocument[];
  /** Waits for so many more windows with readings. */
  windows(count: number, moreMs?: number): Promise<void>;
  /** Codes in the newest status that left the node. */
  published(): readonly string[];
}

/** Tests run side by side: each clears away what is its own. */
type Finished = (clear: () => Promise<void>) => void;

/** A node of its own process and broker; its wall clock is `aheadS` ahead of the machine's. */
async function bench(finished: Finished, aheadS: number, source: "system" | "operator", answer: "yes" | "no"): Promise<Bench> {
  const lab = new Lab();
  finished(() => lab.close());
  const broker = await lab.mosquitto();
  const subscriber = await lab.subscriber(broker.url);
  const site = lab.site({ broker: { url: broker.url }, sensors, time: { source } });
  const service = new TimeService(site);
  service.say(answer);
  const wall = new WallClock(site, library ?? "", aheadS);
  const node = await site.runUntilReady({ ...service.environment, ...wall.environment });
  const whole = () => summariesOf(subscriber.messages).filter(({ stats }) => stats !== undefined);
  return {
    site,
    node,
    subscriber,
    service,
    wall,
    summaries: () => summariesOf(subscriber.messages),
    async windows(count, moreMs = 0) {
      const before = whole().length;
      await subscriber.waitFor(() => whole().length >= before + count, (count + 2) * WINDOW_MS + 10_000 + moreMs);
    },
    published() {
      const status = subscriber.messages.filter(({ topic }) => topic.endsWith("/status")).at(-1);
      const { problems = [] } = JSON.parse(status?.payload.toString("utf8") ?? "{}") as { problems?: readonly { code: string }[] };
      return problems.map(({ code }) => code);
    },
  };
}

/** No window twice; what is published, waits, or was dropped is everything that was measured. */
async function expectHonest({ subscriber, site }: Bench): Promise<{ readonly windows: number; readonly late: number }> {
  expectOneTextForEachId(subscriber.messages);
  const ids = subscriber.messages
    .filter(({ topic }) => topic.endsWith("/summary"))
    .map(({ payload }) => JSON.parse(payload.toString("utf8")).id);
  expect(ids.length).toBe(new Set(ids).size);
  const { counters, balanced } = (await site.status()).sensors.air ?? {};
  expect(balanced).toBe(true);
  const published = samplesIn(summariesOf(subscriber.messages));
  const open = (counters?.stored ?? 0) - published;
  expect(open, "no reading is published twice").toBeGreaterThanOrEqual(0);
  expect(open, "all that is not published is in a window that is open").toBeLessThanOrEqual((WINDOW_MS + LATENESS_MS) / EVERY_MS + 5);
  return { windows: ids.length, late: counters?.dropped.late ?? 0 };
}

const lastStart = (one: Bench): number => Date.parse(one.summaries().at(-1)?.window.start ?? "");
const said = (what: string, { windows, late }: { windows: number; late: number }): string =>
  `${what}; ${windows} windows, each once; ${late} readings late and counted`;

describe.skipIf(library === null).concurrent("a real process whose wall clock is moved", { timeout: 240_000 }, () => {
  it("starts in 2020 as a Pi without a clock does, and is set right later", async ({ onTestFinished }) => {
    const behindS = -Math.round((Date.now() - Date.UTC(2020, 0, 1)) / 1_000);
    const one = await bench(onTestFinished, behindS, "system", "no");
    const startedMs = Date.now();
    await wait(WINDOW_MS + 5_000);
    await one.subscriber.waitFor(() => one.published().includes("TIME_UNTRUSTED"), 20_000);
    expect(one.summaries()).toEqual([]);
    one.wall.set(0);
    one.service.say("yes");
    await one.node.event("ClockTrusted", () => true, TRUST_MS);
    await one.windows(2);
    const summaries = one.summaries();
    expectEveryWindow(summaries);
    expect(Math.abs(Date.parse(summaries[0]?.window.start ?? "") - startedMs), "from the first reading on").toBeLessThanOrEqual(
      2 * WINDOW_MS,
    );
    faultRow({
      fault: "Clock: none after a power cut, 2020 at the start, set right later",
      injected: "libfaketime, 2020 to now in a running process",
      promised: "P7: nothing is labelled before, everything after; status leaves meanwhile",
      measured: said(`0 summaries of 2020, ${summaries.length} right ones`, await expectHonest(one)),
    });
  });

  it("is never told that 2020 is right, not even by the operator's file", async ({ onTestFinished }) => {
    const one = await bench(onTestFinished, -Math.round((Date.now() - Date.UTC(2020, 0, 1)) / 1_000), "operator", "no");
    expect((await one.node.event("ClockUntrusted")).because).toBe("too-early");
    const answer = await stoep(["time", one.site.file, "--accept"]);
    expect([answer.code, answer.stdout]).toEqual([69, expect.stringContaining("What to do: the clock shows a time before") as string]);
    await wait(WINDOW_MS + 2 * LATENESS_MS);
    expect(one.summaries()).toEqual([]);
  });

  it.for([30, -30])("is stepped by %d s", async (stepS, { onTestFinished }) => {
    const one = await bench(onTestFinished, 0, "system", "yes");
    await one.windows(2);
    one.wall.set(stepS);
    await one.node.event("ClockStepped", ({ size }) => size === "small", TRUST_MS);
    await one.windows(3, 2 * Math.abs(stepS) * 1_000);
    const flagged = one.summaries().filter(({ flags }) => flags.includes("stepped"));
    expect(flagged.length).toBeGreaterThanOrEqual(1);
    expect(flagged.length).toBeLessThanOrEqual(2);
    // Its windows are where its clock is, a step back being waited for.
    expect(Math.abs(lastStart(one) - one.wall.now())).toBeLessThanOrEqual(4 * WINDOW_MS);
    faultRow({
      fault: `Clock: stepped by ${stepS > 0 ? "+" : ""}${stepS} s`,
      injected: "libfaketime in a running process",
      promised: "P7: one id, one message; the window of the step says `stepped`",
      measured: said(`${flagged.length} flagged`, await expectHonest(one)),
    });
  });

  it("is stepped by an hour forwards, and back again", async ({ onTestFinished }) => {
    const one = await bench(onTestFinished, 0, "system", "yes");
    await one.windows(2);
    one.wall.set(3_600);
    await one.node.event("ClockStepped", ({ size }) => size === "large", TRUST_MS);
    await one.windows(2);
    expect(lastStart(one)).toBeGreaterThan(Date.now() + 3_600_000 - 4 * WINDOW_MS);
    const before = one.summaries().length;
    one.wall.set(0);
    await one.node.event("ClockUntrusted", ({ because }) => because === "below-last-trusted", TRUST_MS);
    await one.subscriber.waitFor(() => one.published().includes("CLOCK_WENT_BACK"), 20_000);
    expect((await stoep(["status", one.site.file, "--check"])).code, "failing").toBe(2);
    await wait(WINDOW_MS);
    expect(one.summaries(), "it waits, and says so").toHaveLength(before);
    const answer = await stoep(["time", one.site.file, "--accept"]);
    expect([answer.code, answer.stderr]).toEqual([0, ""]);
    await one.windows(2);
    expect(Math.abs(lastStart(one) - Date.now())).toBeLessThanOrEqual(4 * WINDOW_MS);
    faultRow({
      fault: "Clock: an hour ahead for a while",
      injected: "libfaketime in a running process; `stoep time --accept`",
      promised: "P7: it waits, says so, and goes on in what it passed over; no window twice",
      measured: said("went on at once when told", await expectHonest(one)),
    });
  });

  it("is twenty years ahead, and comes back", async ({ onTestFinished }) => {
    const one = await bench(onTestFinished, 0, "system", "yes");
    await one.windows(1);
    one.wall.set(20 * 365 * 86_400);
    await one.windows(2);
    expect(one.summaries().at(-1)?.window.start).toMatch(/^204/);
    one.wall.set(0);
    await one.node.event("ClockUntrusted", ({ because }) => because === "below-last-trusted", TRUST_MS);
    // It is killed and started anew: what it passed over is on the card.
    await one.node.kill9();
    const next = await one.site.runUntilReady({ ...one.service.environment, ...one.wall.environment });
    await next.event("ClockUntrusted", ({ because }) => because === "below-last-trusted", TRUST_MS);
    await stoep(["time", one.site.file, "--accept"]);
    await next.event("StreamCameBack");
    await one.windows(2);
    expect(Math.abs(lastStart(one) - Date.now())).toBeLessThanOrEqual(4 * WINDOW_MS);
    expectOneTextForEachId(one.subscriber.messages);
    const ids = one.summaries().map(({ id }) => id);
    expect(ids.length).toBe(new Set(ids).size);
    faultRow({
      fault: "Clock: twenty years ahead, and a kill meanwhile",
      injected: "libfaketime, kill -9; `stoep time --accept`",
      promised: "P7: never stuck for years; no window twice",
      measured: `went on with the right time; ${ids.length} windows, each once`,
    });
  });
});
