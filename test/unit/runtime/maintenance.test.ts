import { describe, expect, it } from "vitest";
import type { SensorPlan } from "../../../src/config/plan.ts";
import { epsilonMicro } from "../../../src/core/units/epsilon.ts";
import { sensorId } from "../../../src/core/units/ids.ts";
import { HOUR_MS } from "../../../src/core/units/time.ts";
import type { Session } from "../../../src/driver-api/driver.ts";
import { SPELLS_MAX } from "../../../src/runtime/maintenance.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { dust, W } from "../../support/dust.ts";
import type { FakeOutbox } from "../../support/fake-outbox.ts";
import { nodePlan, PASSAGES, sensorPlan, streamPlan } from "../../support/plans.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

const AIR = sensorId("air-1");
const GATE = sensorId("gate-1");

const gate = (handle: Session["handle"]): SensorPlan => {
  const policy = { is: "noised", epsilonMicro: epsilonMicro(500_000), accountMicro: epsilonMicro(500_000), bound: null } as never;
  const stream = streamPlan(PASSAGES, { sensor: "gate-1", windowMs: 5 * W, latenessMs: 10_000, policy });
  const driver = { ...sensorPlan().driver, start: () => ({ handle }) };
  return sensorPlan({ id: "gate-1", driver, channels: [PASSAGES], streams: [stream] });
};

/** Runs until the middle of the second window. */
async function running(sensors: readonly SensorPlan[], node = new VirtualNode()): Promise<VirtualNode> {
  await node.start(nodePlan(sensors));
  await node.clock.advance(W + 30_000);
  return node;
}

/** Says it, and lets time for the commit. */
async function maintain(node: VirtualNode, sensor: typeof AIR, forMs: number | null): Promise<unknown> {
  const done = node.node.maintain(sensor, forMs);
  await node.clock.advance(100);
  return await done;
}

const told = (outbox: FakeOutbox, sensor: string) => outbox.summaries().filter(({ id }) => id.includes(`/${sensor}.`));

describe("a sensor that somebody works on", () => {
  it("is not used for so long: windows that it touches are flagged, those without anything else say maintenance", async () => {
    const node = await running([dust(), dust({ id: "air-2" })]);
    expect(await maintain(node, AIR, 2 * W)).toMatchObject({ until: expect.any(Number) });
    expect(node.node.status().status).toMatchObject({ sensors: { "air-1": "maintenance", "air-2": "ok" }, health: "ok" });
    await node.clock.advance(5 * W);
    const [, first, within, last, after] = told(node.outbox, "air-1");
    expect(first, "half of it was before").toMatchObject({ flags: ["maintenance"], quality: "partial", stats: { mean: 7 } });
    expect(first?.coverage).toBeGreaterThan(0.45);
    expect(first?.coverage).toBeLessThan(0.55);
    expect(within).toMatchObject({ flags: ["maintenance"], reason: "maintenance", coverage: 0 });
    expect(last).toMatchObject({ flags: ["maintenance"], stats: { mean: 7 } });
    expect(last?.coverage).toBeGreaterThan(0.45);
    expect(last?.coverage).toBeLessThan(0.55);
    expect(after).toMatchObject({ flags: [], coverage: 1, stats: { samples: 60 } });
    for (const summary of told(node.outbox, "air-2").slice(1)) expect(summary).toMatchObject({ flags: [], coverage: 1 });
    const air = node.node.status().sensors["air-1"];
    expect(air).toMatchObject({ state: "ok", balanced: true });
    expect(air?.counters?.dropped.maintenance).toBeGreaterThan(110);
  });

  it("is back at once when told so, and its port was open all the time", async () => {
    const node = await running([dust()]);
    await maintain(node, AIR, 60 * W);
    await node.clock.advance(10_000);
    expect(await maintain(node, AIR, null)).toEqual({ until: null });
    await node.clock.advance(2 * W);
    expect(told(node.outbox, "air-1").slice(1)).toMatchObject([{ flags: ["maintenance"] }, { flags: [], coverage: 1 }]);
    expect(node.ports.opened).toHaveLength(1);
    expect(node.events.of("MaintenanceEnded")).toHaveLength(1);
  });

  it("makes no trouble in the status, whatever happens to it", async () => {
    const node = await running([dust()]);
    await maintain(node, AIR, 5 * W);
    node.ports.refused.set("/dev/air-1", "gone");
    node.ports.last("/dev/air-1").listener({ type: "closed", code: "gone", detail: "unplugged", remedy: "" });
    await node.clock.advance(W);
    expect(node.node.status().status).toMatchObject({ health: "ok", problems: [], sensors: { "air-1": "maintenance" } });
    await node.clock.advance(5 * W);
    expect(node.node.status().status.problems).toMatchObject([{ code: "SENSOR_GONE", sensor: "air-1" }]);
  });

  it("is remembered over a restart", async () => {
    const first = await running([dust()]);
    await maintain(first, AIR, 5 * W);
    await first.stop();
    Object.assign(first.outbox, { closed: false });
    const second = new VirtualNode(first.clock, { outbox: first.outbox, live: first.live });
    await second.start(nodePlan([dust()]));
    await second.clock.advance(2 * W);
    expect(second.node.status().status.sensors["air-1"]).toBe("maintenance");
    await second.clock.advance(6 * W);
    const summaries = told(first.outbox, "air-1");
    expect(summaries.filter(({ reason }) => reason === "maintenance").length).toBeGreaterThanOrEqual(4);
    expect(summaries.at(-1)).toMatchObject({ flags: [], coverage: 1 });
  });

  it("is not, when that cannot be written down", async () => {
    const node = await running([dust()]);
    node.outbox.commitTroubles.push("full");
    const done = node.node.maintain(AIR, 5 * W).catch((error: unknown) => error);
    await node.clock.advance(100);
    expect(await done).toMatchObject({ code: "OUTBOX_FULL" });
    expect(node.node.status().status.sensors["air-1"]).toBe("ok");
  });

  it("is told of in the right windows when the clock was wrong when it was said", async () => {
    const clock = new VirtualClock({ wallMs: Date.UTC(2020, 0, 1) });
    clock.trust = null;
    const node = await running([dust()], new VirtualNode(clock));
    await maintain(node, AIR, 2 * W);
    clock.stepWall(Date.UTC(2026, 10, 23, 10, 2, 0) - clock.wallMs());
    await node.clock.advance(2_000);
    expect(node.node.status().status.sensors["air-1"], "whatever the wall clock shows").toBe("maintenance");
    clock.trust = "synced";
    await node.clock.advance(15_000);
    expect(node.node.status().status.sensors["air-1"]).toBe("maintenance");
    await node.clock.advance(5 * W);
    const flags = told(node.outbox, "air-1").map(({ window, flags: of }) => [window.start.slice(11, 16), of.includes("maintenance")]);
    expect(flags).toEqual(
      expect.arrayContaining([
        ["10:02", true],
        ["10:03", true],
        ["10:05", false],
      ]),
    );
    expect(node.node.status().status.sensors["air-1"]).toBe("ok");
  });

  it.each(["at once", "later"])(
    "is remembered over a restart in the right windows when the clock was wrong: written down %s",
    async (when) => {
      const clock = new VirtualClock({ wallMs: Date.UTC(2020, 0, 1) });
      clock.trust = null;
      const first = await running([dust()], new VirtualNode(clock));
      await maintain(first, AIR, 5 * W);
      clock.stepWall(Date.UTC(2026, 10, 23, 10, 2, 0) - clock.wallMs());
      if (when === "later") first.outbox.commitTroubles.push("full");
      clock.trust = "synced";
      await clock.advance(15_000);
      const { "air-1": spells } = JSON.parse(first.outbox.factOf.get("maintenance") ?? "{}") as Record<string, { from: number }[]>;
      expect(spells).toMatchObject([{ from: expect.any(Number) }]);
      expect(new Date(spells?.[0]?.from ?? 0).toISOString()).toMatch(/^2026-11-23T10:0/);
      await first.stop();
      Object.assign(first.outbox, { closed: false });
      const second = new VirtualNode(first.clock, { outbox: first.outbox, live: first.live });
      await second.start(nodePlan([dust()]));
      await clock.advance(W);
      expect(second.node.status().status.sensors["air-1"]).toBe("maintenance");
    },
  );

  it.each([null, "synced"] as const)(
    "is in force at once after a restart with a clock that nobody vouches for and that was put back; announced with a clock that was %s",
    async (trust) => {
      const clock = new VirtualClock();
      clock.trust = trust;
      const first = await running([dust()], new VirtualNode(clock));
      await maintain(first, AIR, 5 * W);
      await first.stop();
      Object.assign(first.outbox, { closed: false });
      clock.trust = null;
      clock.stepWall(-2 * HOUR_MS);
      const second = new VirtualNode(clock, { outbox: first.outbox, live: first.live });
      await second.start(nodePlan([dust()]));
      const state = () => second.node.status().status.sensors["air-1"];
      await clock.advance(2_000);
      expect(state()).toBe("maintenance");
      await clock.advance(4 * W);
      expect(state(), "as long as it may last").toBe("maintenance");
      await clock.advance(2 * W);
      expect(state(), "and no longer than was said").toBe("ok");
    },
  );

  it("is over when somebody said so, whatever a clock shows after a restart that was put back", async () => {
    const first = await running([dust()]);
    await maintain(first, AIR, 60 * W);
    await first.clock.advance(10_000);
    await maintain(first, AIR, null);
    await first.stop();
    Object.assign(first.outbox, { closed: false });
    first.clock.trust = null;
    first.clock.stepWall(-10_000);
    const second = new VirtualNode(first.clock, { outbox: first.outbox, live: first.live });
    await second.start(nodePlan([dust()]));
    await first.clock.advance(2_000);
    expect(second.node.status().status.sensors["air-1"]).toBe("ok");
    await maintain(second, AIR, W);
    expect(second.node.status().status.sensors["air-1"]).toBe("maintenance");
    await maintain(second, AIR, null);
    expect(second.node.status().status.sensors["air-1"]).toBe("ok");
  });

  it("exists", async () => {
    const node = await running([dust()]);
    expect(await maintain(node, sensorId("air-9"), W)).toBeNull();
  });

  it("is remembered a bounded number of times", async () => {
    const node = await running([dust()]);
    for (let time = 0; time < SPELLS_MAX + 10; time++) {
      await maintain(node, AIR, W);
      await maintain(node, AIR, null);
    }
    const spells = JSON.parse(node.outbox.factOf.get("maintenance") ?? "{}") as Record<string, unknown[]>;
    expect(spells["air-1"]).toHaveLength(SPELLS_MAX);
  });
});

describe("maintenance of a sensor of people", () => {
  it("says nothing about them: with and without road users the same windows carry the same words", async () => {
    const seen = async (passes: boolean) => {
      const handle = (
        event: { type: string },
        out: { passage(channel: string, passage: object): void; timer(name: string, ms: number): void },
      ) => {
        if (event.type !== "opened" && event.type !== "timer") return;
        if (passes && event.type === "timer") out.passage("passages", { direction: "towards" });
        out.timer("next", 700);
      };
      const node = await running([gate(handle)]);
      await maintain(node, GATE, 7 * W);
      await node.clock.advance(20 * W);
      expect(node.node.status().sensors["gate-1"]).toMatchObject({ counters: null, balanced: true });
      return told(node.outbox, "gate-1").map(({ id, flags, coverage, reason, quality }) => ({ id, flags, coverage, reason, quality }));
    };
    const [busy, empty] = [await seen(true), await seen(false)];
    expect(busy).toEqual(empty);
    for (const { coverage } of busy.slice(0, 2)) expect(coverage, "half a window of nobody's time").toBeLessThan(0.4);
    expect(busy.slice(0, 3)).toMatchObject([
      { flags: ["maintenance"], reason: undefined },
      { flags: ["maintenance"], reason: undefined },
      { flags: [], coverage: 1 },
    ]);
  });
});
