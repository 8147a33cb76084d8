import { describe, expect, it } from "vitest";
import type { SensorPlan } from "../../../src/config/plan.ts";
import { epochMs, monotonicMs } from "../../../src/core/units/time.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { dust, W } from "../../support/dust.ts";
import { nodePlan, PASSAGES, sensorPlan, streamPlan } from "../../support/plans.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

const STATUS = "city/voorbeeld/n0042/status";

async function running(sensors: readonly SensorPlan[] = [dust()], node = new VirtualNode()): Promise<VirtualNode> {
  await node.start(nodePlan(sensors));
  return node;
}

const statuses = (node: VirtualNode) => node.broker.on(STATUS);

describe("a node", () => {
  it("measures, closes, publishes and acknowledges", async () => {
    const node = await running();
    await node.clock.advance(5 * W);
    const topic = "city/voorbeeld/n0042/air-1/pm25/summary";
    expect(node.broker.on(topic).length).toBeGreaterThanOrEqual(4);
    for (const summary of node.broker.on(topic)) expect(summary).toMatchObject({ stats: { mean: 7, min: 7 }, quality: "ok", flags: [] });
    expect(node.outbox.standing()).toMatchObject({ pendingRows: 0, lastSeq: 4 });
    expect(node.outbox.acknowledgements.every(({ refused }) => refused.length === 0)).toBe(true);
    expect(node.heartbeats).toBeGreaterThan(290);
    expect(node.events.all.filter(({ type }) => /Failed|Broken|Lost|Threw/.test(type))).toEqual([]);
  });

  it("says who it is when it starts, and what it runs", async () => {
    const node = await running([dust(), dust({ id: "air-2" })]);
    expect(node.events.all[0]).toEqual({ type: "NodeStarting", version: "0.1.0", instance: "9f3a01c2", run: 1 });
    await node.clock.advance(2_000);
    expect(node.events.of("ClockTrusted")).toEqual([{ type: "ClockTrusted", source: "synced" }]);
    expect(node.events.of("ClockUntrusted")).toEqual([]);
    expect(node.events.of("NodeReady")).toEqual([{ type: "NodeReady", sensors: 2, streams: 2 }]);
    expect(node.node.topics).toBe("city/voorbeeld/n0042/#");
  });

  it.each([
    ["warns of what a lesser GPIO backend cannot promise, with the remedy", "Install the package gpiod", 1],
    ["warns of nothing where there is no better one", "", 0],
  ])("%s", async (_, remedy, times) => {
    const report = { backend: "onoff", detail: "no gpiomon", limits: ["edges are lost", "no stamps"], remedy } as const;
    const gpio = { ...new VirtualNode().world.gpio, probe: () => Promise.resolve(report) };
    const node = await running([dust({ port: { is: "gpio", lines: {} } })], new VirtualNode(new VirtualClock(), { gpio }));
    expect(node.events.of("GpioBackend")).toEqual([{ type: "GpioBackend", backend: "onoff", detail: "no gpiomon" }]);
    const warning = { type: "GpioLimited", backend: "onoff", limits: "edges are lost; no stamps", remedy };
    expect(node.events.of("GpioLimited")).toEqual(Array.from({ length: times }, () => warning));
  });

  it("collects while the broker is away, and publishes in order when it is back", async () => {
    const node = new VirtualNode();
    node.broker.friendly = false;
    await running([dust()], node);
    await node.clock.advance(5 * W);
    expect(node.outbox.standing().pendingRows).toBe(6);
    expect(node.node.status()).toMatchObject({
      connection: { isUp: false },
      status: { health: "degraded", problems: [{ code: "BROKER_AWAY" }] },
    });
    node.broker.friendly = true;
    node.broker.close();
    await node.clock.advance(2 * W);
    expect(node.broker.tokens()).toEqual(node.outbox.rows.map(({ position }) => position));
    expect(node.node.status().status.health).toBe("ok");
  });

  it("waits with labels until the clock is trusted, and then publishes what was measured before", async () => {
    const clock = new VirtualClock({ wallMs: Date.UTC(2020, 0, 1) });
    clock.trust = null;
    const node = await running([dust()], new VirtualNode(clock));
    await node.clock.advance(2 * W);
    expect(node.outbox.summaries()).toEqual([]);
    expect(node.node.status().status).toMatchObject({
      health: "failing",
      problems: [{ code: "TIME_UNTRUSTED", since: null }],
      time: { state: "untrusted" },
    });
    clock.stepWall(Date.UTC(2026, 10, 23, 10, 0, 30) - clock.wallMs());
    clock.trust = "synced";
    await node.clock.advance(2 * W);
    const summaries = node.outbox.summaries();
    expect(summaries.map(({ window }) => window.start)).toContain("2026-11-23T09:59:00Z");
    expect(summaries.every(({ window }) => window.start.startsWith("2026-11-23"))).toBe(true);
    const before = summaries.find(({ window }) => window.start === "2026-11-23T09:59:00Z");
    expect(before).toMatchObject({ stats: { samples: 60 }, coverage: 1 });
    expect(node.live.chunks.some(({ window }) => window === null)).toBe(false);
  });

  it("tries again when waiting readings cannot be labelled, and closes nothing before", async () => {
    const clock = new VirtualClock();
    clock.trust = null;
    const node = await running([dust()], new VirtualNode(clock));
    await node.clock.advance(30_000);
    node.live.failing.set("relabel", "LIVE_FULL");
    clock.trust = "synced";
    await node.clock.advance(2 * W);
    expect(node.outbox.summaries()).toEqual([]);
    expect(node.events.of("CloseFailed").length).toBeGreaterThan(10);
    node.live.failing.clear();
    await node.clock.advance(2_000);
    expect(node.outbox.summaries()[0]).toMatchObject({ stats: { samples: 59 } });
  });

  it("trims by the calendar, and at once when the outbox holds more than it may", async () => {
    const node = new VirtualNode();
    const plan = nodePlan([dust()]);
    await node.start({ ...plan, storage: { ...plan.storage, outbox: { ...plan.storage.outbox, maxBytes: 1_000 } } });
    await node.clock.advance(2_000);
    await node.scheduler.tasks.get("17 * * * *")?.();
    expect(node.outbox.trims.at(-1)).toMatchObject({ bytesMax: 1_000, acknowledgedBefore: node.clock.wallMs() - 72 * 3_600_000 });
    node.broker.close();
    node.broker.friendly = false;
    await node.clock.advance(5 * W);
    expect(node.outbox.trims.length).toBeGreaterThan(1);
  });
});

describe("a node whose broker does not like its metas", () => {
  it("offers them again in an hour, and at the next start, though it goes on", async () => {
    const node = new VirtualNode();
    const META = "city/voorbeeld/n0042/air-1/meta";
    let isRefused = true;
    node.broker.answer = (topic) => (isRefused && topic === META ? 0x99 : 0);
    await running([dust()], node);
    await node.clock.advance(5 * W);
    // Held as long as nothing else was taken that shows that it is about this one.
    expect(node.outbox.factOf.get(`meta:${META}`)).toBe("");
    const offered = () => node.broker.published.filter(({ topic }) => topic === META).length;
    const before = offered();
    isRefused = false;
    await node.clock.advance(3_600_000);
    expect(offered()).toBe(before + 1);
    expect(node.outbox.factOf.get(`meta:${META}`)).toMatch(/^[0-9a-f]{8}$/);
  });
});

describe("a node whose disk is full", () => {
  it("says so, and queues its metas again when they were given up", async () => {
    const node = await running([dust()]);
    await node.clock.advance(2_000);
    const metas = () => node.outbox.rows.filter(({ seq }) => seq === null).length;
    const before = metas();
    expect(before).toBeGreaterThan(1);
    node.outbox.isShort = true;
    node.outbox.factOf.delete(`meta:${node.outbox.rows[0]?.message.topic}`);
    await node.clock.advance(5_000);
    expect(metas()).toBe(before);
    node.outbox.givenUp = 3;
    await node.clock.advance(5_000);
    expect(metas()).toBe(before + 1);
    const { status } = node.node.status();
    expect(status.problems).toContainEqual(expect.objectContaining({ code: "DISK_FULL", sensor: null }));
    expect(status.health).toBe("degraded");
    node.outbox.isShort = false;
    await node.clock.advance(2_000);
    expect(node.node.status().status.health).toBe("ok");
  });
});

describe("a node whose outbox fails", () => {
  it("at start goes on measuring, and queues its metas before the first summary", async () => {
    const node = new VirtualNode();
    node.outbox.commitTroubles.push("full", "full", "lost");
    await running([dust()], node);
    expect(node.outbox.rows).toEqual([]);
    await node.clock.advance(500);
    expect(node.node.status().status).toMatchObject({
      health: "failing",
      problems: expect.arrayContaining([expect.objectContaining({ code: "OUTBOX_FAILED" })]) as object,
    });
    await node.clock.advance(2 * W);
    expect(node.outbox.rows.map(({ seq }) => seq)).toEqual([null, null, 1]);
    expect(node.outbox.summaries()).toMatchObject([{ stats: { samples: 59 } }]);
    expect(node.node.status().status.health).toBe("ok");
  });

  it("while publishing opens it again without waiting for a window to close", async () => {
    const node = await running();
    await node.clock.advance(W + 15_000);
    node.broker.close();
    await node.clock.advance(20);
    node.outbox.failsToRead = true;
    await node.outbox.commit({
      rows: node.outbox.rows.slice(0, 1).map(({ message }) => ({ message, seq: null })),
      marks: new Map(),
      facts: new Map(),
      madeAt: epochMs(0),
    });
    await node.clock.advance(3_000);
    expect(node.outbox.reopened).toBeGreaterThan(0);
    node.outbox.failsToRead = false;
    await node.clock.advance(3_000);
    expect(node.outbox.standing().pendingRows).toBe(0);
  });

  it("does not feed the watchdog while nothing can be made durable", async () => {
    const node = await running();
    await node.clock.advance(W + 5_000);
    node.outbox.commitTroubles.push(...new Array<"full">(1_000).fill("full"));
    await node.clock.advance(10_000);
    const fed = node.heartbeats;
    await node.clock.advance(30_000);
    expect(node.heartbeats).toBe(fed);
    expect(node.node.status().status.problems).toMatchObject([{ code: "OUTBOX_FAILED", sensor: null }]);
  });
});

describe("status", () => {
  it("is said every five minutes and when something changed, not more often", async () => {
    const node = await running();
    await node.clock.advance(1_250_000);
    expect(statuses(node)).toHaveLength(5); // the greeting, and after 300, 600, 900 and 1,200 s
    node.ports.refused.set("/dev/air-1", "gone");
    node.ports.last("/dev/air-1").listener({ type: "closed", code: "gone", detail: "", remedy: "" });
    await node.clock.advance(2_000);
    expect(statuses(node)).toHaveLength(6);
    expect(statuses(node).at(-1)).toMatchObject({
      health: "degraded",
      problems: [{ code: "SENSOR_GONE", sensor: "air-1", since: expect.stringMatching(/^2026-11-23T10:2/) as string }],
      sensors: { "air-1": "fault" },
    });
    node.ports.refused.clear();
    await node.clock.advance(20_000);
    expect(statuses(node)).toHaveLength(7);
    expect(statuses(node).at(-1)).toMatchObject({ health: "ok", problems: [], sensors: { "air-1": "ok" } });
  });

  it("says that the clock went back behind windows that are closed", async () => {
    const node = await running();
    await node.clock.advance(5 * W);
    node.clock.stepWall(-3_600_000);
    await node.clock.advance(2_000);
    expect(statuses(node).at(-1)).toMatchObject({ health: "failing", problems: [{ code: "CLOCK_WENT_BACK" }, { code: "TIME_UNTRUSTED" }] });
    await node.clock.advance(3_600_000 + 2 * W);
    expect(statuses(node).at(-1)).toMatchObject({ health: "ok", problems: [] });
  });

  it.each([
    ["relabel", "LIVE_FULL", "LIVE_FULL"],
    ["relabel", "LIVE_IO", "LIVE_FAILED"],
    ["read", "LIVE_IO", "LIVE_FAILED"],
  ] as const)("says which store it was when no window can be closed: %s %s", async (method, code, problem) => {
    const clock = new VirtualClock();
    clock.trust = null;
    const node = await running([dust()], new VirtualNode(clock));
    await node.clock.advance(30_000);
    node.live.failing.set(method, code);
    clock.trust = "synced";
    await node.clock.advance(2 * W);
    expect(node.node.status().status.problems.map((one) => one.code)).toEqual([problem]);
    node.live.failing.clear();
    await node.clock.advance(10_000);
    expect(node.node.status().status.problems).toEqual([]);
  });

  it("says that the live store is full", async () => {
    const node = await running();
    node.live.failing.set("append", "LIVE_FULL");
    await node.clock.advance(5_000);
    expect(statuses(node).at(-1)).toMatchObject({ health: "failing", problems: [{ code: "LIVE_FULL", sensor: null }] });
  });

  it("keeps since when a problem has been there", async () => {
    const node = await running();
    node.ports.refused.set("/dev/air-1", "gone");
    await node.clock.advance(50);
    node.ports.last("/dev/air-1").listener({ type: "closed", code: "gone", detail: "", remedy: "" });
    const since = () => node.node.status().status.problems[0]?.since;
    const first = since();
    await node.clock.advance(600_000);
    expect(since()).toBe(first);
    expect(first).not.toBeNull();
  });

  it("on the spot shows counters of the air, and none of people", async () => {
    const gate = sensorPlan({ id: "gate-1", channels: [PASSAGES], streams: [streamPlan(PASSAGES, { sensor: "gate-1" })] });
    const node = await running([dust(), gate]);
    await node.clock.advance(10_000);
    const { sensors, live } = node.node.status();
    expect(sensors["air-1"]).toMatchObject({ driver: "fake", balanced: true, counters: { stored: 9 } });
    expect(sensors["gate-1"]).toMatchObject({ driver: "fake", balanced: true, counters: null });
    expect(live).toEqual({ bytes: null });
  });

  it("names a damaged predecessor of the outbox", async () => {
    const node = new VirtualNode();
    node.outbox.quarantined = "/var/lib/stoep/node.db.corrupt-1";
    await running([dust()], node);
    expect(node.events.of("OutboxQuarantined")).toEqual([{ type: "OutboxQuarantined", path: "/var/lib/stoep/node.db.corrupt-1" }]);
    expect(node.node.status().status.problems[0]?.code).toBe("OUTBOX_QUARANTINED");
  });
});

describe("a clean stop", () => {
  it("closes what is due, publishes it, says offline last, and closes every store and port", async () => {
    const node = await running();
    await node.clock.advance(W + 9_900);
    expect(node.outbox.summaries()).toEqual([]);
    await node.clock.advance(150);
    const report = await node.stop("SIGTERM");
    expect(node.outbox.summaries()).toHaveLength(1);
    expect(report).toEqual({ pending: 0, openWindows: [{ start: Date.UTC(2026, 10, 23, 10, 1), windowMs: W }] });
    expect(node.broker.published.at(-1)).toMatchObject({ topic: STATUS });
    expect(statuses(node).at(-1)).toMatchObject({ state: "offline" });
    expect(node.broker.ends).toEqual([1]);
    expect([node.live.closed, node.outbox.closed, node.ports.last("/dev/air-1").isClosed]).toEqual([true, true, true]);
    expect(node.events.all.at(-1)).toEqual({ type: "NodeStopped", pendingSummaries: 0 });
    expect(node.scheduler.tasks.size).toBe(0);
  });

  it("leaves nothing running", async () => {
    const node = await running([dust(), dust({ id: "air-2" })]);
    node.ports.refused.set("/dev/air-2", "gone");
    await node.clock.advance(30_000);
    await node.stop();
    const before = [node.events.all.length, node.ports.opened.length, node.broker.requests.length, node.heartbeats];
    await node.clock.advance(3_600_000);
    expect([node.events.all.length, node.ports.opened.length, node.broker.requests.length, node.heartbeats]).toEqual(before);
  });

  it("stores coverage up to its last moment", async () => {
    const gate = sensorPlan({ channels: [PASSAGES], streams: [streamPlan(PASSAGES, { windowMs: 300_000 })] });
    const node = await running([gate]);
    await node.clock.advance(10_700);
    const openedMs = 1_000_001;
    await node.stop();
    const covered = node.live.records().reduce((sum, { coversMs }) => sum + coversMs, 0);
    expect(covered).toBe(monotonicMs(1_010_700) - openedMs);
  });

  it("does not wait for a broker that is not there, and leaves its summaries for the next start", async () => {
    const node = new VirtualNode();
    node.broker.friendly = false;
    await running([dust()], node);
    await node.clock.advance(3 * W);
    const startedMs = node.clock.monotonicMs();
    const report = await node.stop();
    expect(report.pending).toBe(4);
    expect(node.clock.monotonicMs() - startedMs).toBeLessThan(8_000);
  });

  it("happens once, however often it is asked for", async () => {
    const node = await running();
    await node.clock.advance(1_000);
    const [first, second] = [node.node.stop("SIGTERM"), node.node.stop("SIGINT")];
    await node.clock.advance(10_000);
    expect(await first).toEqual(await second);
    expect(node.events.of("NodeStopping")).toHaveLength(1);
  });

  it("goes on with the same window after a restart on the same stores", async () => {
    const first = await running();
    await first.clock.advance(30_000);
    await first.stop();
    const second = new VirtualNode(first.clock);
    for (const chunk of first.live.chunks) second.live.append(chunk);
    for (const [stream, mark] of first.outbox.markOf) second.outbox.markOf.set(stream, mark);
    await running([dust()], second);
    await second.clock.advance(2 * W);
    expect(second.outbox.summaries()[0]).toMatchObject({
      id: "n0042/air-1.pm25/PT1M/2026-11-23T10:00:00Z",
      coverage: expect.closeTo(0.98, 1) as number,
    });
    expect(second.outbox.summaries()[0]?.stats?.samples).toBeGreaterThan(55);
  });
});
