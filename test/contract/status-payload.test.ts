import { describe, expect, it } from "vitest";
import type { NodePlan, SensorPlan } from "../../src/config/plan.ts";
import { driverOf, nodePlan, PASSAGES, SPEED, sensorPlan, streamPlan } from "../support/plans.ts";
import { VirtualNode } from "../support/virtual-node.ts";

/** A counter of people: each byte is a passage at 42 km/h. */
function gate(): SensorPlan {
  const driver = driverOf({
    handle(event, out) {
      if (event.type !== "bytes") return;
      for (let passage = 0; passage < event.data.length; passage++) out.passage("passages", { direction: "towards", speedKmh: 42 });
    },
  });
  const streams = [streamPlan(PASSAGES, { sensor: "gate-1" }), streamPlan(SPEED, { sensor: "gate-1" })];
  return sensorPlan({ id: "gate-1", driver, channels: [PASSAGES, SPEED], streams });
}

async function running(plan: NodePlan): Promise<VirtualNode> {
  const node = new VirtualNode();
  await node.start(plan);
  await node.clock.advance(2_000);
  return node;
}

const TOPIC = "city/voorbeeld/n0042";

describe("status", () => {
  it("has the fields of the contract, in their order", async () => {
    const node = await running(nodePlan([sensorPlan()]));
    const [first] = node.broker.published.filter(({ topic }) => topic === `${TOPIC}/status`);
    expect(first).toMatchObject({ retain: true, expirySeconds: 900 });
    expect(JSON.parse(first?.text ?? "")).toEqual({
      v: 1,
      node: "n0042",
      instance: "9f3a01c2",
      boot: "boot-1",
      run: 1,
      conn: 1,
      state: "online",
      at: "2026-11-23T10:00:00.026Z",
      every: 300,
      health: "ok",
      problems: [],
      version: "0.1.0",
      rev: expect.stringMatching(/^[0-9a-f]{8}$/) as string,
      config: { active: "c0ffee00", rejected: null },
      time: { state: "synced", errorMs: null },
      outbox: { pending: 2, firstUnacked: null, lastSeq: 0, hours: expect.any(Number) as number, lost: [], lostEarlier: 0 },
      sensors: { "air-1": "ok" },
      expires: { cert: null, ca: null, ipDatabase: null },
    });
    expect(Object.keys(JSON.parse(first?.text ?? "") as object)).toEqual(
      "v node instance boot run conn state at every health problems version rev config time outbox sensors expires".split(" "),
    );
  });

  it("leaves a will that names the connection and says nothing else", async () => {
    const node = await running(nodePlan([sensorPlan()]));
    const will = node.broker.requests[0]?.will;
    expect(will).toMatchObject({ topic: `${TOPIC}/status`, retain: true, expirySeconds: null });
    expect(new TextDecoder().decode(will?.payload)).toBe(
      '{"v":1,"state":"lost","node":"n0042","instance":"9f3a01c2","boot":"boot-1","run":1,"conn":1}',
    );
  });

  it("is the same with nobody and with five hundred passages, on the wire, on the socket and in the log", async () => {
    const [quiet, busy] = [await running(nodePlan([gate()])), await running(nodePlan([gate()]))];
    for (let second = 0; second < 400; second++) {
      if (second % 4 === 0) busy.ports.say("/dev/gate-1", "xxxxx");
      await quiet.clock.advance(1_000);
      await busy.clock.advance(1_000);
    }
    const published = (node: VirtualNode) => node.broker.published.filter(({ token }) => token < 0);
    expect(published(quiet).length).toBeGreaterThan(1);
    expect(published(busy)).toEqual(published(quiet));
    expect(busy.node.status()).toEqual(quiet.node.status());
    expect(busy.events.all).toEqual(quiet.events.all);
    expect(busy.live.bytes()).toBeGreaterThan(quiet.live.bytes());
  });
});

describe("meta", () => {
  it("of the node and of each sensor is retained, and queued before any summary", async () => {
    const node = await running(nodePlan([sensorPlan(), gate()]));
    expect(node.outbox.rows.map(({ message, seq }) => [message.topic, message.retain, seq])).toEqual([
      [`${TOPIC}/meta`, true, null],
      [`${TOPIC}/air-1/meta`, true, null],
      [`${TOPIC}/gate-1/meta`, true, null],
    ]);
    expect(node.broker.on(`${TOPIC}/meta`)[0]).toEqual({
      v: 1,
      about: "node",
      rev: expect.stringMatching(/^[0-9a-f]{8}$/) as string,
      node: "n0042",
      name: "Vondelstraat, lamp post 42",
      owner: { name: "Gemeente Voorbeeld", contact: "sensoren@voorbeeld.example", website: null },
      purpose: "Traffic flow and air quality",
      location: { latitude: 52.361, longitude: 4.873, height: 4.5 },
      timeZone: "Europe/Amsterdam",
      software: { name: "stoep", version: "0.1.0" },
    });
    expect(node.broker.on(`${TOPIC}/gate-1/meta`)[0]).toMatchObject({
      about: "sensor",
      sensor: "gate-1",
      driver: "fake",
      simulated: false,
      streams: {
        passages: {
          topic: `${TOPIC}/gate-1/passages/summary`,
          kind: "passage",
          cells: { directions: ["towards", "away"] },
          windowSeconds: 900,
          latenessSeconds: 30,
          privacy: { policy: "minimum-count", k: 10 },
        },
        speed: { bins: [0, 30, 50, 70, 250] },
      },
    });
  });

  it("does not speak of withheld streams", async () => {
    const withheld = streamPlan(PASSAGES, { sensor: "gate-1", policy: { is: "withheld" } });
    const node = await running(nodePlan([{ ...gate(), streams: [withheld] }]));
    expect(node.broker.on(`${TOPIC}/gate-1/meta`)[0]).toMatchObject({ streams: {} });
  });

  it("keeps its rev while nothing changes, is not queued again, and gets another rev when something does", async () => {
    const first = await running(nodePlan([sensorPlan()]));
    const second = new VirtualNode();
    for (const [key, value] of first.outbox.factOf) second.outbox.factOf.set(key, value);
    await second.start(nodePlan([sensorPlan({ azimuth: 170 })]));
    expect(second.outbox.rows.map(({ message }) => message.topic)).toEqual([`${TOPIC}/air-1/meta`]);
  });
});
