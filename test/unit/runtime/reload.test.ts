import { describe, expect, it } from "vitest";
import type { NodePlan, SensorPlan } from "../../../src/config/plan.ts";
import type { StreamPlan } from "../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../src/core/units/epsilon.ts";
import { nodeId } from "../../../src/core/units/ids.ts";
import { HOUR_MS } from "../../../src/core/units/time.ts";
import type { ReloadOutcome, ReloadRequest } from "../../../src/runtime/reload.ts";
import { retainedTopics, retireNode } from "../../../src/runtime/retirement.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { dust, W } from "../../support/dust.ts";
import { channelPlan, nodePlan, PASSAGES, sensorPlan, streamPlan } from "../../support/plans.ts";
import { ScriptedBroker } from "../../support/scripted-broker.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

const IDENTITY = { version: "0.1.0", configRev: "beefbeef", bootId: "boot", outboxHours: 720 };
/** Into the second window, away from its ends. */
const MIDDLE_MS = W + 20_000;

async function running(sensors: readonly SensorPlan[] = [dust()], node = new VirtualNode()): Promise<VirtualNode> {
  await node.start(nodePlan(sensors));
  await node.clock.advance(MIDDLE_MS);
  return node;
}

/** Reloads while time goes on; gives the outcome and how long it took. */
async function reload(
  node: VirtualNode,
  plan: NodePlan,
  rest: Partial<ReloadRequest> = {},
): Promise<{ outcome: ReloadOutcome; ms: number }> {
  const fromMs = node.clock.monotonicMs();
  let outcome: ReloadOutcome | null = null;
  const done = node.node.reload({ plan, identity: IDENTITY, ...rest }).then((one) => {
    outcome = one;
  });
  for (let step = 0; step < 500 && outcome === null; step++) await node.clock.advance(100);
  await done;
  return { outcome: outcome as unknown as ReloadOutcome, ms: node.clock.monotonicMs() - fromMs };
}

const summariesOf = (node: VirtualNode, stream: string) => node.outbox.summaries().filter(({ id }) => id.includes(`/${stream}/`));
const openings = (node: VirtualNode, path: string): number => node.ports.opened.filter((port) => port.path === path).length;

/** Every window of a dust sensor that says 7 every second is whole, and follows the one before. */
function expectWhole(node: VirtualNode, stream: string, atLeast: number): void {
  const summaries = summariesOf(node, stream);
  expect(summaries.length).toBeGreaterThanOrEqual(atLeast);
  for (const [index, summary] of summaries.entries()) {
    if (index === 0) continue; // the node started within it
    expect(summary, summary.id).toMatchObject({ coverage: 1, stats: { samples: 60, mean: 7 }, prev: summaries[index - 1]?.window.start });
  }
}

const wider = (sensor: SensorPlan, ...streams: readonly StreamPlan[]): SensorPlan => ({
  ...sensor,
  streams: [...sensor.streams, ...streams],
});
const hourly = streamPlan(channelPlan(), { name: "pm25-slow", windowMs: 10 * W, latenessMs: 10_000 });

describe("a reload that goes well", () => {
  it("adds a sensor and leaves the others as they are: no port is reopened, no window has a gap or is doubled", async () => {
    const node = await running();
    const { outcome, ms } = await reload(node, nodePlan([dust(), dust({ id: "air-2" })]));
    expect(outcome).toMatchObject({ is: "applied", changes: { sensors: { added: ["air-2"], reopened: [], removed: [], rearranged: [] } } });
    expect(ms, "as soon as the new port held").toBeLessThan(5_000);
    await node.clock.advance(5 * W);
    expect(openings(node, "/dev/air-1")).toBe(1);
    expectWhole(node, "air-1.pm25", 6);
    expectWhole(node, "air-2.pm25", 4);
    expect(summariesOf(node, "air-2.pm25")[0], "begins within the window of the reload").toMatchObject({ prev: null, quality: "partial" });
    expect(node.node.status().status).toMatchObject({ config: { active: "beefbeef", rejected: null }, sensors: { "air-2": "ok" } });
    expect(new Set(node.outbox.summaries().map(({ id }) => id)).size).toBe(node.outbox.summaries().length);
  });

  it("has the broker forget the meta of a sensor that is gone, behind its last summary, and tells it again when it is back", async () => {
    const other = dust({ id: "air-2" });
    const node = await running([dust(), other]);
    await reload(node, nodePlan([dust()]));
    await node.clock.advance(2 * W);
    const topic = "city/voorbeeld/n0042/air-2/meta";
    const sent = () => node.outbox.rows.filter(({ message }) => message.topic.startsWith("city/voorbeeld/n0042/air-2/"));
    expect(sent().at(-1)?.message).toMatchObject({ topic, retain: true, payload: new Uint8Array(0) });
    expect(sent().filter(({ message }) => message.topic === topic)).toHaveLength(2);
    await reload(node, nodePlan([dust(), other]));
    await node.clock.advance(2 * W);
    const metas = sent().filter(({ message }) => message.topic === topic);
    expect(metas).toHaveLength(3);
    expect(metas.at(-1)?.message.payload.length).toBeGreaterThan(0);
  });

  it("offers the empty meta of a sensor that is gone again, when the broker refused it or the outbox gave it up", async () => {
    const topic = "city/voorbeeld/n0042/air-2/meta";
    const node = await running([dust(), dust({ id: "air-2" })]);
    let isRefused = true;
    node.broker.answer = (to) => (isRefused && to === topic ? 0x99 : 0);
    await reload(node, nodePlan([dust()]));
    const offered = () => node.broker.published.filter(({ topic: to, text }) => to === topic && text === "").length;
    await node.clock.advance(5 * W);
    expect(await retainedTopics(node.outbox, node.node.parting.format, []), "for stoep retire").toContain(topic);
    const before = offered();
    await node.clock.advance(HOUR_MS);
    expect(offered(), "in an hour").toBeGreaterThan(before);
    isRefused = false;
    await node.clock.advance(HOUR_MS + 5 * W);
    const taken = offered();
    await node.clock.advance(2 * HOUR_MS);
    expect(offered(), "once it was taken no more").toBe(taken);
    node.outbox.factOf.delete(`meta:${topic}`);
    node.outbox.givenUp = 1;
    await node.clock.advance(5_000);
    expect(offered()).toBe(taken + 1);
    node.broker.answer = (to) => (to.endsWith("/summary") ? 0x97 : 0);
    await node.clock.advance(2 * W);
    expect(node.outbox.standing().pendingRows, "whatever waits behind it").toBeGreaterThan(0);
    expect(await retainedTopics(node.outbox, node.node.parting.format, []), "the broker has forgotten it").not.toContain(topic);
    await reload(node, nodePlan([dust()]));
    await node.clock.advance(5_000);
    expect(JSON.parse(node.outbox.factOf.get("metas") ?? "")).not.toContain(topic);
    expect(offered()).toBe(taken + 1);
  });

  it("queues the meta of a new sensor before its first summary", async () => {
    const node = await running();
    await reload(node, nodePlan([dust(), dust({ id: "air-2" })]));
    await node.clock.advance(2 * W);
    const topics = node.outbox.rows.map(({ message }) => message.topic);
    expect(topics.indexOf("city/voorbeeld/n0042/air-2/meta")).toBeGreaterThan(0);
    expect(topics.indexOf("city/voorbeeld/n0042/air-2/meta")).toBeLessThan(topics.indexOf("city/voorbeeld/n0042/air-2/pm25/summary"));
  });

  it("takes a sensor out, closes its port and says that its open window is not published", async () => {
    const node = await running([dust(), dust({ id: "air-2" })]);
    const { outcome } = await reload(node, nodePlan([dust()]));
    expect(outcome).toMatchObject({ is: "applied", changes: { sensors: { removed: ["air-2"] }, streams: { ended: ["air-2.pm25"] } } });
    const before = summariesOf(node, "air-2.pm25").length;
    await node.clock.advance(3 * W);
    expect(node.ports.last("/dev/air-2").isClosed).toBe(true);
    expect(summariesOf(node, "air-2.pm25")).toHaveLength(before);
    expectWhole(node, "air-1.pm25", 4);
    expect(
      node.live.chunks.some(({ window }) => window !== null && window < node.clock.wallMs() - 2 * W),
      "nothing is left of it",
    ).toBe(false);
  });

  it("gives a sensor another stream without opening its port again", async () => {
    const node = await running();
    const { outcome } = await reload(node, nodePlan([wider(dust(), hourly)]));
    expect(outcome).toMatchObject({
      is: "applied",
      changes: { sensors: { rearranged: ["air-1"] }, streams: { added: ["air-1.pm25-slow"] } },
    });
    await node.clock.advance(21 * W);
    expect(openings(node, "/dev/air-1")).toBe(1);
    expectWhole(node, "air-1.pm25", 20);
    expect(summariesOf(node, "air-1.pm25-slow").at(-1)).toMatchObject({ stats: { samples: 600 }, coverage: 1 });
    expect(node.node.status().sensors["air-1"]?.balanced).toBe(true);
  });

  it("starts a sensor anew whose port changed, and goes on in the same window", async () => {
    const node = await running();
    const moved = dust({ port: { is: "serial", path: "/dev/other", settings: { baudRate: 9_600 } } });
    const { outcome } = await reload(node, nodePlan([moved]));
    expect(outcome).toMatchObject({ is: "applied", changes: { sensors: { reopened: ["air-1"] } } });
    expect(node.ports.last("/dev/air-1").isClosed).toBe(true);
    await node.clock.advance(2 * W);
    const summaries = summariesOf(node, "air-1.pm25");
    expect(summaries[1], "the seconds of the change are missing, and nothing else").toMatchObject({
      window: { start: "2026-11-23T10:01:00Z" },
    });
    expect(summaries[1]?.stats?.samples).toBeGreaterThan(50);
    const air = node.node.status().sensors["air-1"];
    expect(air?.balanced).toBe(true);
    expect(air?.counters?.stored, "one set of books").toBeGreaterThan(185);
  });

  it("never puts readings of two meanings into one window", async () => {
    const node = await running();
    const corrected = channelPlan({ calibration: { scale: 2, offset: 0, date: null, validUntil: null, by: null } as never });
    const plan = nodePlan([dust({ channels: [corrected], streams: [streamPlan(corrected, { windowMs: W, latenessMs: 10_000 })] })]);
    const { outcome } = await reload(node, plan);
    expect(outcome).toMatchObject({ is: "applied", changes: { streams: { redefined: ["air-1.pm25"] } } });
    await node.clock.advance(3 * W);
    const means = summariesOf(node, "air-1.pm25").map(({ window, stats }) => [window.start.slice(14, 16), stats?.mean]);
    expect(means).toEqual([
      ["00", 7],
      ["02", 14],
      ["03", 14],
    ]);
    expect(node.events.of("WindowsSkipped")).toEqual([
      { type: "WindowsSkipped", stream: "air-1.pm25", from: "2026-11-23T10:01:00Z", to: "2026-11-23T10:02:00Z" },
    ]);
  });

  it("to another broker has it looked up before anything goes there", async () => {
    const node = await running();
    const next = new ScriptedBroker(node.clock);
    next.friendly = true;
    const abroad = { address: "5.161.1.1", location: "US", operator: "DE" };
    const books = { lookUp: async () => ({ addresses: [abroad], location: null, operator: null }) };
    const written: string[] = [];
    const residency = {
      resolver: { addresses: async () => ["5.161.1.1"] },
      books,
      evidence: { append: async ({ event }: { event: string }) => void written.push(event) },
    };
    const plan = nodePlan([dust()]);
    const strict = { ...plan.broker, url: "mqtts://5.161.1.1:8883", residency: { ...plan.broker.residency, mode: "strict" as const } };
    const { outcome } = await reload(node, { ...plan, broker: strict }, { broker: { broker: next, residency } });
    expect(outcome).toMatchObject({ is: "applied", changes: { reconnected: true } });
    await node.clock.advance(2 * W);
    expect([next.requests, next.published]).toEqual([[], []]);
    expect(written[0]).toBe("refused");
    expect(node.node.status().status.problems.map(({ code }) => code)).toContain("BROKER_NOT_ALLOWED");
  });

  it("does not bring a node back to its broker that was retired", async () => {
    const node = await running();
    const retiring = retireNode(node.node.parting, { clock: node.clock, broker: node.broker, outbox: node.outbox }, 0);
    for (let step = 0; step < 100; step++) await node.clock.advance(100);
    await retiring;
    const next = new ScriptedBroker(node.clock);
    next.friendly = true;
    const plan = nodePlan([dust(), dust({ id: "air-2" })]);
    const { outcome } = await reload(node, { ...plan, broker: { ...plan.broker, drainPerSecond: 50 } }, { broker: { broker: next } });
    expect(outcome).toMatchObject({ is: "applied", changes: { sensors: { added: ["air-2"] }, reconnected: false } });
    await node.clock.advance(5 * W);
    expect([next.requests, next.published]).toEqual([[], []]);
    expect(node.node.status().status.problems.map(({ code }) => code)).toContain("RETIRED");
    expect(summariesOf(node, "air-2.pm25").length, "it goes on collecting").toBeGreaterThan(2);
  });

  it("goes to another broker with everything that was not acknowledged, and counts connections on", async () => {
    const node = await running();
    node.broker.friendly = false;
    await node.clock.advance(3 * W);
    const { conn } = node.node.status().connection;
    const next = new ScriptedBroker(node.clock);
    next.friendly = true;
    const plan = nodePlan([dust()]);
    const { outcome } = await reload(
      node,
      { ...plan, broker: { ...plan.broker, url: "mqtt://127.0.0.1:1884" } },
      { broker: { broker: next } },
    );
    expect(outcome).toMatchObject({ is: "applied", changes: { reconnected: true } });
    await node.clock.advance(2 * W);
    const pushed = [...node.broker.published, ...next.published];
    for (const { position, message } of node.outbox.rows)
      expect(
        pushed.map(({ token }) => token),
        message.topic,
      ).toContain(position);
    expect(node.outbox.standing().pendingRows).toBe(0);
    expect(node.node.status().connection).toMatchObject({ isUp: true, conn: conn + 1 });
    expectWhole(node, "air-1.pm25", 6);
  });
});

describe("another broker", () => {
  const METAS = ["city/voorbeeld/n0042/meta", "city/voorbeeld/n0042/air-1/meta"];
  const elsewhere = (): NodePlan => {
    const plan = nodePlan([dust()]);
    return { ...plan, broker: { ...plan.broker, url: "mqtt://127.0.0.1:1884" } };
  };
  const metasAt = (broker: ScriptedBroker) => broker.published.filter(({ topic }) => METAS.includes(topic)).map(({ topic }) => topic);
  const friendly = (node: VirtualNode): ScriptedBroker => Object.assign(new ScriptedBroker(node.clock), { friendly: true });

  it("of a reload is told all metas, before the summaries that are made from then on", async () => {
    const node = await running();
    expect(metasAt(node.broker)).toEqual(METAS);
    const next = friendly(node);
    await reload(node, elsewhere(), { broker: { broker: next } });
    await node.clock.advance(2 * W);
    const topics = next.published.filter(({ token }) => token > 0).map(({ topic }) => topic);
    expect(topics.slice(0, 3)).toEqual([...METAS, "city/voorbeeld/n0042/air-1/pm25/summary"]);
    expect(metasAt(next)).toEqual(METAS);
    await reload(node, { ...elsewhere(), broker: { ...elsewhere().broker, drainPerSecond: 50 } }, { broker: { broker: next } });
    await node.clock.advance(W);
    expect(metasAt(next), "the same broker has them").toEqual(METAS);
  });

  it("of a restart is told all metas, and the same one is not", async () => {
    const first = await running();
    await first.stop();
    const again = async (plan: NodePlan): Promise<VirtualNode> => {
      Object.assign(first.outbox, { closed: false });
      const node = new VirtualNode(first.clock, { outbox: first.outbox, live: first.live });
      await node.start(plan);
      await node.clock.advance(2_000);
      await node.stop();
      return node;
    };
    expect(metasAt((await again(nodePlan([dust()]))).broker)).toEqual([]);
    expect(metasAt((await again(elsewhere())).broker)).toEqual(METAS);
    expect(metasAt((await again(elsewhere())).broker)).toEqual([]);
  });
});

describe("another prefix", () => {
  const renamed = (sensors: readonly SensorPlan[] = [dust()]): NodePlan => {
    const plan = nodePlan(sensors);
    return { ...plan, broker: { ...plan.broker, prefix: "town" } };
  };
  /** What a broker that got all this retains, by topic. */
  const retainedOf = (...brokers: readonly ScriptedBroker[]) => {
    const all = new Map(
      brokers.flatMap(({ published }) => published.filter(({ retain }) => retain).map(({ topic, text }) => [topic, text])),
    );
    return [...all].filter(([, text]) => text !== "").map(([topic]) => topic);
  };
  const AT_NEW = ["town/n0042/status", "town/n0042/meta", "town/n0042/air-1/meta"];

  it("leaves nothing of before at the broker", async () => {
    const node = await running([dust(), dust({ id: "air-2" })]);
    const earlier = "city/voorbeeld/n0007/meta"; // another node may have that name by now
    node.outbox.factOf.set("metas", JSON.stringify([...JSON.parse(node.outbox.factOf.get("metas") ?? ""), earlier]));
    const { outcome } = await reload(node, renamed(), { broker: { broker: node.broker } });
    expect(outcome).toMatchObject({ is: "applied", changes: { reconnected: true } });
    await node.clock.advance(2 * W);
    expect(retainedOf(node.broker).sort()).toEqual([...AT_NEW].sort());
    expect(JSON.parse(node.outbox.factOf.get("metas") ?? "").sort()).toEqual([earlier, ...AT_NEW.slice(1)].sort());
    expect(node.node.status().status.health).toBe("ok");
  });

  it("is taken over in a few seconds by a node whose broker forgets nothing, and what is left there stays known", async () => {
    const node = await running();
    let isLeaving = false;
    node.broker.answer = (topic) => (isLeaving && topic.startsWith("city/") ? 0x87 : 0);
    isLeaving = true;
    const { outcome, ms } = await reload(node, renamed(), { broker: { broker: node.broker } });
    expect(outcome.is).toBe("applied");
    expect(ms).toBeLessThan(10_000);
    await node.clock.advance(2 * W);
    expect(node.outbox.standing().pendingRows).toBe(0);
    expect(JSON.parse(node.outbox.factOf.get("metas") ?? "")).toContain("city/voorbeeld/n0042/air-1/meta");
  });

  it("is taken over at once while the broker is away", async () => {
    const node = await running();
    node.broker.friendly = false;
    node.broker.close();
    await node.clock.advance(1_000);
    const { outcome, ms } = await reload(node, renamed(), { broker: { broker: node.broker } });
    expect(outcome.is).toBe("applied");
    expect(ms).toBeLessThan(3_000);
  });
});

describe("a node that is killed after a reload that gave a stream another meaning", () => {
  const doubled = channelPlan({ calibration: { scale: 2, offset: 0 } });
  const corrected = dust({ channels: [doubled], streams: [streamPlan(doubled, { windowMs: W, latenessMs: 10_000 })] });
  /** The clock of the node before stands still from now on. */
  async function startedAgain({ clock, live, outbox }: VirtualNode, sensors: readonly SensorPlan[]): Promise<void> {
    const node = new VirtualNode(new VirtualClock({ wallMs: clock.wallMs(), monoMs: clock.monotonicMs() }), { live, outbox });
    await node.start(nodePlan(sensors));
    await node.clock.advance(3 * W);
  }
  const meansOf = (node: VirtualNode) =>
    summariesOf(node, "air-1.pm25").map(({ window, stats }) => [window.start.slice(14, 16), stats?.mean]);

  it("has no window with readings of both, where the reload was applied", async () => {
    // The other stream of the same class keeps what is stored of the open window.
    const other = dust({ id: "air-2" });
    const node = await running([dust(), other]);
    expect((await reload(node, nodePlan([corrected, other]))).outcome.is).toBe("applied");
    await node.clock.advance(5_000);
    await startedAgain(node, [corrected, other]);
    expect(meansOf(node)).toEqual([
      ["00", 7],
      ["01", 14],
      ["02", 14],
      ["03", 14],
    ]);
    expect(summariesOf(node, "air-1.pm25")[1]).toMatchObject({ quality: "partial" });
  });

  it("has none either where it was taken back", async () => {
    const node = await running();
    node.ports.refused.set("/dev/air-2", "gone");
    expect((await reload(node, nodePlan([corrected, dust({ id: "air-2" })]))).outcome.is).toBe("rolled-back");
    await startedAgain(node, [dust()]);
    expect(meansOf(node).map(([, mean]) => mean)).toEqual([7, 7, 7, 7]);
  });
});

describe("a reload that does not hold", () => {
  const withBroken = nodePlan([dust(), dust({ id: "air-2" })]);

  it("is taken back within 30 s, and not at once, when a new port does not open; the rest never notices", async () => {
    const node = await running();
    node.ports.refused.set("/dev/air-2", "gone");
    const { outcome, ms } = await reload(node, withBroken);
    expect(outcome).toEqual({ is: "rolled-back", because: [{ sensor: "air-2", code: "gone" }] });
    expect(ms).toBeGreaterThan(20_000);
    expect(ms).toBeLessThan(30_000);
    await node.clock.advance(3 * W);
    expect(openings(node, "/dev/air-1")).toBe(1);
    expectWhole(node, "air-1.pm25", 4);
    expect(Object.keys(node.node.status().sensors)).toEqual(["air-1"]);
    expect(node.node.status().status.config.active).toBe("c0ffee00");
    expect(node.outbox.rows.some(({ message }) => message.topic.includes("air-2"))).toBe(false);
    expect(node.ports.last("/dev/air-2").isClosed || node.events.of("SensorClosed").length > 0).toBe(true);
  });

  it("publishes no window that ended meanwhile with readings of both meanings", async () => {
    const node = await running();
    await node.clock.advance(20_000); // 20 s before the next window: it is over, and due, while the plan is on trial
    node.ports.refused.set("/dev/air-2", "gone");
    const doubled = channelPlan({ calibration: { scale: 2, offset: 0, date: null, validUntil: null, by: null } as never });
    const changed = dust({ channels: [doubled], streams: [streamPlan(doubled, { windowMs: W, latenessMs: 10_000 })] });
    expect((await reload(node, nodePlan([changed, dust({ id: "air-2" })]))).outcome.is).toBe("rolled-back");
    await node.clock.advance(3 * W + 10_000);
    expect(summariesOf(node, "air-1.pm25").map(({ window, stats }) => [window.start.slice(14, 16), stats?.mean])).toEqual([
      ["00", 7],
      ["03", 7],
      ["04", 7],
    ]);
  });

  it("gives a moved sensor its old port back", async () => {
    const node = await running();
    node.ports.refused.set("/dev/other", "gone");
    const moved = dust({ port: { is: "serial", path: "/dev/other", settings: { baudRate: 9_600 } } });
    expect((await reload(node, nodePlan([moved]))).outcome.is).toBe("rolled-back");
    await node.clock.advance(3 * W);
    expect(openings(node, "/dev/air-1")).toBe(2);
    expect(summariesOf(node, "air-1.pm25").at(-1)).toMatchObject({ coverage: 1, stats: { samples: 60 } });
    expect(node.node.status().sensors["air-1"]).toMatchObject({ state: "ok", balanced: true });
  });

  it("is taken back at once when a sensor would stop the node, which goes on", async () => {
    const node = await running();
    node.ports.refused.set("/dev/air-2", "gone");
    const { outcome, ms } = await reload(node, nodePlan([dust(), dust({ id: "air-2", onStartFailure: "fail" })]));
    expect(outcome).toMatchObject({ is: "rolled-back", because: [{ sensor: null, code: "air-2: gone" }, { sensor: "air-2" }] });
    expect(ms).toBeLessThan(2_000);
    expect(node.fatal).toEqual([]);
  });

  it("is not judged by what was broken before, by a sensor that may be skipped, or by the broker", async () => {
    const node = new VirtualNode();
    node.ports.refused.set("/dev/air-1", "gone");
    node.ports.refused.set("/dev/air-2", "gone");
    node.broker.friendly = false;
    await running([dust()], node);
    const skipped = dust({ id: "air-2", onStartFailure: "skip" });
    const { outcome, ms } = await reload(node, nodePlan([dust({ onStartFailure: "skip" }), skipped]));
    expect(outcome.is).toBe("applied");
    expect(ms).toBeLessThan(2_000);
  });

  it("touches no port when node.db takes no write", async () => {
    const node = await running();
    node.outbox.commitTroubles.push("full");
    const { outcome } = await reload(node, withBroken);
    expect(outcome).toEqual({ is: "rolled-back", because: [{ sensor: null, code: "OUTBOX_FULL" }] });
    expect(openings(node, "/dev/air-2")).toBe(0);
    await node.clock.advance(2 * W);
    expectWhole(node, "air-1.pm25", 3);
  });

  it("is refused, with the key, where only a restart can do it", async () => {
    const node = await running();
    const plan = nodePlan([dust()]);
    const { outcome } = await reload(node, {
      ...plan,
      node: { ...plan.node, id: nodeId("n0043") },
      storage: { ...plan.storage, directory: "/elsewhere", live: "/dev/shm/x" },
      time: { ...plan.time, source: "operator" },
    });
    const needs = outcome.is === "refused" ? outcome.needs : [];
    expect(needs.map(({ path }) => path.join("."))).toEqual(["node.id", "storage.directory", "storage.live", "time"]);
    for (const { remedy } of needs) expect(remedy).toContain("restart");
    await node.clock.advance(2 * W);
    expectWhole(node, "air-1.pm25", 3);
  });

  it("is refused while the clock is not trusted, where a window would mix two meanings", async () => {
    const clock = new VirtualClock();
    clock.trust = null;
    const node = await running([dust()], new VirtualNode(clock));
    const other = channelPlan({ resolution: 1 });
    const plan = nodePlan([dust({ channels: [other], streams: [streamPlan(other, { windowMs: W, latenessMs: 10_000 })] })]);
    const { outcome } = await reload(node, plan);
    expect(outcome).toMatchObject({ is: "refused", needs: [{ remedy: expect.stringContaining("reload when it is") }] });
    expect((await reload(node, nodePlan([dust(), dust({ id: "air-2" })]))).outcome.is, "an addition mixes nothing").toBe("applied");
    clock.trust = "synced";
    await node.clock.advance(3 * W);
    expectWhole(node, "air-1.pm25", 3);
    expect(summariesOf(node, "air-2.pm25").at(-1)).toMatchObject({ coverage: 1 });
  });

  it("ends with the node when that is stopped meanwhile, which loses nothing", async () => {
    const node = await running();
    node.ports.refused.set("/dev/air-2", "gone");
    const pending = node.node.reload({ plan: withBroken, identity: IDENTITY });
    await node.clock.advance(5_000);
    const report = await node.stop();
    await node.clock.advance(1_000);
    expect(await pending).toEqual({ is: "stopped" });
    expect(report.pending).toBe(0);
  });
});

describe("a node that is stopped", () => {
  it.each([0, 1, 2, 5, 10, 20, 50])("%i microtasks after a reload was asked for leaves no port open", async (turns) => {
    const node = await running();
    const pending = node.node.reload({ plan: nodePlan([dust(), dust({ id: "air-2" })]), identity: IDENTITY });
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await node.stop();
    await node.clock.advance(1_000);
    expect(await pending).toEqual({ is: "stopped" });
    expect(node.ports.opened.filter(({ isClosed }) => !isClosed).map(({ path }) => path)).toEqual([]);
  });

  it("before it is told to reload stays as it is", async () => {
    const node = await running();
    await node.stop();
    const { outcome } = await reload(node, nodePlan([dust(), dust({ id: "air-2" })]));
    expect(outcome).toEqual({ is: "stopped" });
    expect(node.outbox.reopened).toBe(0);
    expect(openings(node, "/dev/air-2")).toBe(0);
  });

  it("while it leaves its broker for another one is connected to neither", async () => {
    const node = await running();
    node.broker.answer = () => 0x97; // what is under way keeps it there for a while
    await node.clock.advance(W);
    const next = Object.assign(new ScriptedBroker(node.clock), { friendly: true });
    const plan = nodePlan([dust()]);
    const other = { ...plan, broker: { ...plan.broker, url: "mqtt://127.0.0.1:1884" } };
    const pending = node.node.reload({ plan: other, identity: IDENTITY, broker: { broker: next } });
    await node.clock.advance(500);
    await node.stop();
    await node.clock.advance(1_000);
    expect((await pending).is).toBe("applied");
    expect([node.broker.ends.length, next.ends.length]).toEqual([node.broker.requests.length, next.requests.length]);
    await node.clock.advance(10 * W);
    expect(next.ends.length).toBe(next.requests.length);
  });
});

describe("a reload and people", () => {
  const gate = (epsilon: number): SensorPlan => {
    const policy = { is: "noised", epsilonMicro: epsilonMicro(epsilon), accountMicro: epsilonMicro(epsilon), bound: null } as never;
    const stream = streamPlan(PASSAGES, { sensor: "gate-1", windowMs: 5 * W, latenessMs: 10_000, policy });
    return sensorPlan({ id: "gate-1", channels: [PASSAGES], streams: [stream] });
  };
  const bodies = (node: VirtualNode) => summariesOf(node, "gate-1.passages").map(({ reason }) => reason ?? "number");

  it("puts other terms into force with the next day, and books of before stay", async () => {
    const node = await running([gate(500_000)]);
    await node.clock.advance(10 * W);
    const before = bodies(node);
    expect(before.at(-1)).toBe("number");
    expect((await reload(node, nodePlan([gate(400_000)]))).outcome.is).toBe("applied");
    expect(node.events.of("TermsWait")).toEqual([{ type: "TermsWait", stream: "gate-1.passages", since: "2026-11-24T00:00:00Z" }]);
    await node.clock.advance(10 * W);
    expect(bodies(node).slice(before.length)).toEqual(["budget", "budget"]);
  });

  it("that is taken back costs nobody a day: the terms are those of before", async () => {
    const node = await running([gate(500_000)]);
    await node.clock.advance(10 * W);
    node.ports.refused.set("/dev/air-2", "gone");
    expect((await reload(node, nodePlan([gate(400_000), dust({ id: "air-2" })]))).outcome.is).toBe("rolled-back");
    await node.clock.advance(10 * W);
    expect(
      bodies(node)
        .slice(1)
        .every((body) => body === "number"),
    ).toBe(true);
    expect(node.events.of("TermsWait")).toEqual([]);
  });

  it("on a machine that cannot hold their readings: what is said about it is what was found with the file that runs", async () => {
    const node = new VirtualNode();
    await node.start(nodePlan([dust()]), { standing: new Set(["SWAP_ON_DISK", "CORE_DUMPS", "LIVE_NOT_TMPFS", "OUTBOX_REPAIRED"]) });
    await node.clock.advance(MIDDLE_MS);
    const codes = () => node.node.status().status.problems.map(({ code }) => code);
    expect((await reload(node, nodePlan([dust()]), { standing: new Set(["CORE_DUMPS"]) })).outcome.is).toBe("applied");
    expect(codes()).toEqual(["CORE_DUMPS", "LIVE_NOT_TMPFS", "OUTBOX_REPAIRED"]);
    node.ports.refused.set("/dev/air-2", "gone");
    expect((await reload(node, nodePlan([dust({ id: "air-2" })]))).outcome.is).toBe("rolled-back");
    expect(codes()).toContain("CORE_DUMPS");
    expect((await reload(node, nodePlan([dust()]), { standing: new Set() })).outcome.is).toBe("applied");
    expect(codes()).toEqual(["LIVE_NOT_TMPFS", "OUTBOX_REPAIRED"]);
  });

  it("of something else leaves their windows whole", async () => {
    const node = await running([gate(500_000)]);
    expect((await reload(node, nodePlan([gate(500_000), dust()]))).outcome.is).toBe("applied");
    await node.clock.advance(12 * W);
    const summaries = summariesOf(node, "gate-1.passages");
    for (const summary of summaries.slice(1)) expect(summary).toMatchObject({ coverage: 1, quality: "ok" });
    expect(
      bodies(node)
        .slice(1)
        .every((body) => body === "number"),
    ).toBe(true);
  });
});
