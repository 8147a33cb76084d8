import { describe, expect, it } from "vitest";
import { sensorId, streamId } from "../../src/core/units/ids.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../src/core/units/time.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { dust, W } from "../support/dust.ts";
import { nodePlan, streamPlan } from "../support/plans.ts";
import { VirtualNode } from "../support/virtual-node.ts";

const RIGHT = Date.UTC(2026, 10, 23, 10, 0, 30);
const YEARS_MS = 20 * 365 * DAY_MS;
/** Two agree for so long, and the node looks every ten seconds. */
const RETURN_MS = 11 * MINUTE_MS;

const sensor = () => dust();
const plan = () => nodePlan([sensor()]);

async function running(clock = new VirtualClock({ wallMs: RIGHT })): Promise<VirtualNode> {
  clock.witnesses = ["timesyncd", "kernel"];
  const node = new VirtualNode(clock);
  await node.start(plan());
  return node;
}

/** The same machine, its process started anew: over the same stores. */
async function restarted({ clock, world }: VirtualNode, stores: Pick<VirtualNode, "outbox" | "live">): Promise<VirtualNode> {
  const node = new VirtualNode(clock, { outbox: world.outbox, live: world.live });
  stores.outbox.closed = false;
  stores.live.closed = false;
  await node.start(plan());
  return node;
}

const startsOf = (node: VirtualNode): readonly string[] => node.outbox.summaries().map(({ window }) => window.start);
const codesOf = (node: VirtualNode): readonly string[] => node.node.status().status.problems.map(({ code }) => code);

function expectNoWindowTwice(node: VirtualNode): void {
  const ids = node.outbox.summaries().map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
}

/** Where each minute of this sensor went: it says 7 once a second. */
const samplesFrom = (node: VirtualNode, from: string, to: string): readonly (number | undefined)[] =>
  node.outbox
    .summaries()
    .filter(({ window }) => window.start >= from && window.start < to)
    .map(({ stats }) => stats?.samples);

// Hours of virtual time, on a machine that may have a lot else to do.
describe("P7: a clock that was trusted too far ahead", { timeout: 120_000 }, () => {
  it("P7: comes back within minutes when two agree, and the node goes on: no window twice, nothing waits for years", async () => {
    const node = await running();
    await node.clock.advance(3 * W);
    node.clock.stepWall(YEARS_MS);
    await node.clock.advance(5 * W);
    node.clock.stepWall(-YEARS_MS);
    await node.clock.advance(2 * MINUTE_MS);
    expect(codesOf(node), "it says that it waits").toEqual(["CLOCK_WENT_BACK", "TIME_UNTRUSTED"]);
    expect(node.node.status().status).toMatchObject({ health: "failing", time: { state: "untrusted" } });
    await node.clock.advance(RETURN_MS);
    expect(codesOf(node)).toEqual([]);
    await node.clock.advance(3 * W);
    expectNoWindowTwice(node);
    // 10:08:30 it came back; what it measured from then on has its place.
    expect(samplesFrom(node, "2026-11-23T10:09:00Z", "2026-11-23T10:20:00Z")).toEqual(Array.from({ length: 11 }, () => 60));
    // What it measured in 2046 stays there; here it is missing, and says so.
    expect(node.outbox.summaries().find(({ window }) => window.start === "2026-11-23T10:05:00Z")).toMatchObject({ reason: "missing" });
    expect(node.node.status().sensors["air-1"]).toMatchObject({ balanced: true });
  });

  it("P7: stays where it was as long as one witness alone says so", async () => {
    const node = await running();
    await node.clock.advance(3 * W);
    node.clock.stepWall(YEARS_MS);
    await node.clock.advance(5 * W);
    const before = startsOf(node).length;
    node.clock.witnesses = ["timesyncd"];
    node.clock.stepWall(-YEARS_MS);
    await node.clock.advance(2 * HOUR_MS);
    expect(startsOf(node)).toHaveLength(before);
    expect(codesOf(node)).toEqual(["CLOCK_WENT_BACK", "TIME_UNTRUSTED"]);
    expect(node.node.time.report()).toMatchObject({ because: "below-last-trusted", lastTrusted: expect.stringMatching(/^2046/) as string });
    // The operator looks at the clock of the machine, and says so.
    node.node.time.accept();
    await node.clock.advance(2 * W);
    expectNoWindowTwice(node);
    expect(startsOf(node).at(-1)).toBe("2026-11-23T12:09:00Z");
    // Two hours of readings waited, and have their places.
    expect(samplesFrom(node, "2026-11-23T10:09:00Z", "2026-11-23T12:08:00Z")).toEqual(Array.from({ length: 119 }, () => 60));
  });

  it("P7: comes back after a restart, and in a process that never saw the wrong time", async () => {
    const first = await running();
    await first.clock.advance(3 * W);
    first.clock.stepWall(YEARS_MS);
    await first.clock.advance(5 * W);
    await first.stop();
    first.clock.stepWall(-YEARS_MS);
    const second = await restarted(first, first);
    await first.clock.advance(2 * MINUTE_MS);
    expect(second.node.time.report()).toMatchObject({ because: "below-last-trusted" });
    await first.clock.advance(RETURN_MS + 2 * W);
    expectNoWindowTwice(first);
    expect(codesOf(second)).toEqual([]);
    const before = startsOf(first);
    expect(before.at(-1)).toMatch(/^2026-11-23T10:2/);
    // And once more: that it came back is on the card.
    await second.stop();
    const third = await restarted(second, first);
    await first.clock.advance(5 * W);
    expectNoWindowTwice(first);
    expect(codesOf(third)).toEqual([]);
    expect(startsOf(first).length).toBeGreaterThanOrEqual(before.length + 4);
    expect(startsOf(first).at(-1)).toMatch(/^2026-11-23T10:2/);
  });

  it("P7: never releases anew what it released when it was ahead, when time gets there in the end", async () => {
    const node = await running();
    await node.clock.advance(3 * W);
    node.clock.stepWall(4 * HOUR_MS);
    await node.clock.advance(5 * W);
    node.clock.stepWall(-4 * HOUR_MS);
    await node.clock.advance(RETURN_MS + 2 * W);
    const there = startsOf(node).filter((start) => start >= "2026-11-23T12");
    expect(there.length, "what was published ahead of time").toBeGreaterThan(90);
    await node.clock.advance(5 * HOUR_MS);
    expectNoWindowTwice(node);
    const { counters, balanced } = node.node.status().sensors["air-1"] ?? {};
    expect(balanced).toBe(true);
    expect(counters?.dropped.late, "what came for windows that are gone is counted").toBeGreaterThan((there.length - 2) * 60);
    // Beyond it, the stream goes on.
    expect(startsOf(node).at(-1) ?? "").toMatch(/^2026-11-23T15:/);
    expect(node.outbox.summaries().at(-1)).toMatchObject({ stats: { samples: 60 }, coverage: 1 });
    expect(codesOf(node)).toEqual([]);
  });

  it("P7: takes its longer windows along", async () => {
    const clock = new VirtualClock({ wallMs: RIGHT });
    clock.witnesses = ["timesyncd", "kernel"];
    const node = new VirtualNode(clock);
    const base = streamPlan(undefined, { windowMs: W, latenessMs: 10_000 });
    const from = { stream: streamId(sensorId("air-1"), "pm25"), timeZone: null };
    const hourly = { ...streamPlan(undefined, { windowMs: HOUR_MS, name: "pm25_1h" }), from };
    await node.start(nodePlan([dust({ streams: [base, hourly] })]));
    const hours = () =>
      node.outbox
        .summaries()
        .filter(({ stream }) => stream === "pm25_1h")
        .map(({ window }) => window.start);
    await clock.advance(3 * HOUR_MS);
    expect(hours()).toEqual(["10", "11", "12"].map((hour) => `2026-11-23T${hour}:00:00Z`));
    clock.stepWall(10 * HOUR_MS);
    await clock.advance(2 * HOUR_MS);
    clock.stepWall(-10 * HOUR_MS);
    await clock.advance(3 * HOUR_MS);
    // The hour of the jump ended with it; the ones after it were missing, and say so; from 15:00 on it was there again.
    const published = [10, 11, 12, 13, 22, 23, 24, 14, 15, 16, 17];
    const startOf = (hour: number) => new Date(Date.UTC(2026, 10, 23, hour)).toISOString().replace(".000", "");
    expect(hours()).toEqual(published.map(startOf));
    await clock.advance(10 * HOUR_MS);
    // The free span ends within the hour of 21:00, which therefore is not begun; 22:00 to 00:00 are gone already.
    expect(hours()).toEqual([...published, 18, 19, 20, 25, 26, 27].map(startOf));
    expectNoWindowTwice(node);
  });

  it("P7: throws nothing away for its age until it has proved itself for a day", async () => {
    const node = new VirtualNode(new VirtualClock({ wallMs: RIGHT }));
    await node.start(nodePlan([]));
    await node.clock.advance(3 * W);
    node.clock.stepWall(YEARS_MS);
    await node.clock.advance(HOUR_MS);
    const trim = () => node.scheduler.tasks.get("17 * * * *")?.();
    await trim();
    expect(node.outbox.trims.at(-1)).toMatchObject({ pendingBefore: null, egressBefore: null, acknowledgedBefore: null });
    await node.clock.advance(DAY_MS);
    await trim();
    expect(node.outbox.trims.at(-1)?.egressBefore).toBeGreaterThan(Date.UTC(2044, 0));
  });
});
