import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadDriver } from "../../../src/adapters/driver-loader.ts";
import type { SensorPlan } from "../../../src/config/plan.ts";
import type { BusEvent, Session, SessionSink } from "../../../src/driver-api/driver.ts";
import { FakeFileBus } from "../../../src/testing/fake-file-bus.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { channelPlan, driverOf, nodePlan, PASSAGES, sensorPlan, streamPlan } from "../../support/plans.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

type Handler = (event: BusEvent, out: SessionSink) => void;

/** A sensor whose driver keeps what it hears, and answers as a test says. */
function heard(answer: Handler = () => undefined, changes: Parameters<typeof sensorPlan>[0] = {}) {
  const events: BusEvent[] = [];
  const session: Session = {
    handle(event, out) {
      events.push(event.type === "bytes" ? { ...event, data: event.data.slice() } : event);
      answer(event, out);
    },
  };
  return { events, plan: sensorPlan({ driver: driverOf(session), ...changes }) };
}

async function running(...sensors: readonly SensorPlan[]): Promise<VirtualNode> {
  const node = new VirtualNode();
  await node.start(nodePlan(sensors));
  await node.clock.advance(10);
  return node;
}

const types = (events: readonly BusEvent[]) => events.map(({ type }) => type);
const PATH = "/dev/air-1";
const stateOf = (node: VirtualNode, sensor = "air-1") => node.node.status().sensors[sensor];

describe("a sensor", () => {
  it("opens its port with the settings of the plan and tells its session what happens", async () => {
    const { events, plan } = heard();
    const node = await running(plan);
    node.ports.say(PATH, "hello");
    expect(node.ports.last(PATH).settings).toEqual({ baudRate: 9_600 });
    expect(types(events)).toEqual(["opened", "bytes"]);
    expect(stateOf(node)).toMatchObject({ state: "ok", trouble: null, balanced: true, counters: { bytes: 5, opened: 1 } });
  });

  it("that says that it worked for longer than its sensing element lives is a problem of the node", async () => {
    const { plan } = heard((event, out) => event.type === "bytes" && out.about({ hours: event.data[0] ?? 0 }));
    const channels = () => [{ name: "pm25", quantity: "pm25", unit: "ug/m3", range: [0, 1], resolution: 1, lifeHours: 100 } as never];
    const node = await running({ ...plan, driver: { ...plan.driver, channels } });
    const problems = () => node.node.status().status.problems.flatMap(({ code, sensor }) => (sensor === null ? [] : [`${code} ${sensor}`]));
    node.ports.say(PATH, "d");
    expect(problems()).toEqual([]);
    node.ports.say(PATH, "e");
    expect(problems()).toEqual(["SENSOR_LIFE_EXCEEDED air-1"]);
    expect(stateOf(node)).toMatchObject({ state: "ok", trouble: null });
    expect(node.node.status().status.health).toBe("degraded");
  });

  it("that is not enabled is left alone", async () => {
    const { events, plan } = heard(undefined, { enabled: false });
    const node = await running(plan);
    expect(node.ports.opened).toEqual([]);
    expect(events).toEqual([]);
    expect(stateOf(node)).toMatchObject({ state: "disabled" });
  });

  it("comes back after it was unplugged, with the same session", async () => {
    const { events, plan } = heard();
    const node = await running(plan);
    node.ports.last(PATH).listener({ type: "closed", code: "gone", detail: "unplugged", remedy: "plug it in" });
    expect(stateOf(node)).toMatchObject({ state: "fault", trouble: "gone" });
    await node.clock.advance(1_000);
    expect(types(events)).toEqual(["opened", "closed", "opened"]);
    expect(stateOf(node)).toMatchObject({ state: "ok" });
    expect(node.events.of("SensorClosed")).toMatchObject([{ code: "gone", detail: "unplugged", remedy: "plug it in" }]);
  });

  it("says the same trouble once, however often it is tried", async () => {
    const node = await running(heard().plan);
    node.ports.refused.set(PATH, "gone");
    node.ports.last(PATH).listener({ type: "closed", code: "gone", detail: "", remedy: "" });
    await node.clock.advance(120_000);
    expect(node.ports.opened.length).toBeGreaterThan(10);
    expect(node.events.of("SensorClosed")).toHaveLength(1);
    node.ports.refused.set(PATH, "permission");
    await node.clock.advance(120_000);
    expect(node.events.of("SensorClosed").map(({ code }) => code)).toEqual(["gone", "permission"]);
  });

  it("hears nothing of a port that was closed", async () => {
    const { events, plan } = heard();
    const node = await running(plan);
    const old = node.ports.last(PATH);
    old.listener({ type: "closed", code: "gone", detail: "", remedy: "" });
    await node.clock.advance(1_000);
    const count = events.length;
    old.listener({ type: "bytes", data: new Uint8Array(3) });
    old.listener({ type: "closed", code: "io", detail: "", remedy: "" });
    expect(events).toHaveLength(count);
    expect(stateOf(node)).toMatchObject({ state: "ok" });
  });

  it("may ask for other settings, which it gets with a new port", async () => {
    const answer: Handler = (event, out) => {
      if (event.type === "bytes") out.reopen({ baudRate: 115_200 });
    };
    const { events, plan } = heard(answer);
    const node = await running(plan);
    node.ports.say(PATH, "x");
    await node.clock.advance(10);
    expect(node.ports.opened.map(({ settings, isClosed }) => [settings, isClosed])).toEqual([
      [{ baudRate: 9_600 }, true],
      [{ baudRate: 115_200 }, false],
    ]);
    expect(types(events)).toEqual(["opened", "bytes", "closed", "opened"]);
  });

  it("writes to its port, and gets timers, of which those of a closed port are forgotten", async () => {
    const answer: Handler = (event, out) => {
      if (event.type === "opened") {
        out.write(Uint8Array.of(1, 2));
        out.timer("poll", 1_000);
        out.timer("never", 500);
        out.timer("never", null);
        out.timer("later", 60_000);
      }
      if (event.type === "timer" && event.name === "poll") out.timer("poll", 1_000);
    };
    const { events, plan } = heard(answer);
    const node = await running(plan);
    await node.clock.advance(3_500);
    expect(node.ports.last(PATH).written).toEqual([Uint8Array.of(1, 2)]);
    const timers = () => events.flatMap((event) => (event.type === "timer" ? [event.name] : []));
    expect(timers()).toEqual(["poll", "poll", "poll"]);
    node.ports.refused.set(PATH, "gone");
    node.ports.last(PATH).listener({ type: "closed", code: "gone", detail: "", remedy: "" });
    await node.clock.advance(120_000);
    expect(timers()).toHaveLength(3);
  });

  it("is told at once that a port of today cannot answer a request", async () => {
    const answer: Handler = (event, out) => {
      if (event.type === "opened") out.request("id", { data: Uint8Array.of(1) }, 1_000);
    };
    const { events, plan } = heard(answer);
    await running(plan);
    expect(events.at(-1)).toMatchObject({ type: "noReply", tag: "id", reason: "exception" });
  });

  it("counts what it discards and what is known to be lost", async () => {
    const answer: Handler = (event, out) => {
      if (event.type === "bytes") out.discard("noise", 2);
    };
    const node = await running(heard(answer).plan);
    node.ports.say(PATH, "abc");
    node.ports.last(PATH).listener({ type: "lost", what: "bytes", count: 4 });
    node.ports.last(PATH).listener({ type: "lost", what: "edges", count: null });
    expect(stateOf(node)).toMatchObject({ balanced: true, counters: { bytes: 3, discardedBytes: { noise: 2 }, lostEdges: 5 } });
  });
});

describe("an edge", () => {
  const gpio = (answer: Handler) =>
    heard(answer, { port: { is: "gpio", lines: {} }, channels: [PASSAGES], streams: [streamPlan(PASSAGES, { windowMs: 300_000 })] });
  const passing: Handler = (event, out) => {
    if (event.type === "edge") out.passage("passages", { direction: "away" });
  };

  it("counts when the kernel saw it, if its stamp can be true", async () => {
    const node = await running(gpio(passing).plan);
    await node.clock.advance(20_000);
    const nowMs = node.clock.monotonicMs();
    const { listener } = node.ports.last("gpio");
    const stamps = [nowMs - 2_000, nowMs + 1, nowMs - 10_000, null];
    for (const stamp of stamps)
      listener({ type: "edge", line: "line", rising: true, atNs: stamp === null ? null : BigInt(stamp) * 1_000_000n });
    await node.clock.advance(300);
    const samples = node.live.records().filter(({ marks }) => marks & 1);
    expect(samples.map(({ atMs }) => atMs)).toEqual([nowMs - 2_000, nowMs, nowMs, nowMs]);
  });
});

describe("silence", () => {
  const rhythmic: Handler = (event, out) => {
    if (event.type === "opened") out.expect(5_000);
    if (event.type === "bytes") out.reading("pm25", 7);
  };

  it("reopens the port at once, then every few seconds, and is over when life is shown", async () => {
    const { plan } = heard(rhythmic);
    const node = await running(plan);
    for (let second = 0; second < 10; second++) {
      node.ports.say(PATH, "7");
      await node.clock.advance(1_000);
    }
    expect(node.ports.opened).toHaveLength(1);
    await node.clock.advance(5_000);
    expect(stateOf(node)).toMatchObject({ state: "silent", trouble: "silent" });
    await node.clock.advance(60_000);
    expect(node.ports.opened.length).toBeGreaterThan(4);
    expect(node.events.of("SensorSilent")).toHaveLength(1);
    expect(stateOf(node)).toMatchObject({ state: "silent" });
    for (let second = 0; second < 10; second++) {
      node.ports.say(PATH, "7");
      await node.clock.advance(1_000);
    }
    expect(stateOf(node)).toMatchObject({ state: "ok" });
    expect(node.events.of("SensorAlive")).toHaveLength(1);
  });

  it("is not concluded from a pause of the node itself: what came meanwhile is read first, and nothing of it is lost", async () => {
    const { events, plan } = heard(rhythmic);
    const node = await running(plan);
    node.ports.say(PATH, "7");
    await node.clock.advance(1_000);
    node.clock.stall(8_000);
    await node.clock.advance(1);
    node.ports.say(PATH, "77");
    await node.clock.advance(4_000);
    expect(types(events)).toEqual(["opened", "bytes", "bytes"]);
    expect(stateOf(node)).toMatchObject({ state: "ok", trouble: null });
    // Nothing came while it was away, nor after.
    node.clock.stall(8_000);
    await node.clock.advance(500);
    expect(types(events).at(-1)).toBe("closed");
    expect(stateOf(node)).toMatchObject({ state: "silent", trouble: "silent" });
  });

  it("is not known of a sensor that speaks when something happens", async () => {
    const node = await running(heard().plan);
    await node.clock.advance(3_600_000);
    expect(node.ports.opened).toHaveLength(1);
    expect(stateOf(node)).toMatchObject({ state: "ok" });
  });

  it("of people is none, and their passages are no life: only what the device says about itself is", async () => {
    const answer: Handler = (event, out) => {
      if (event.type === "opened") out.expect(5_000);
      if (event.type !== "bytes") return;
      if (event.data[0] === 0x70) out.passage("passages", { direction: "away" });
      else out.about({ model: "OPS243" });
    };
    const { plan } = heard(answer, { channels: [PASSAGES], streams: [streamPlan(PASSAGES)] });
    const node = await running(plan);
    for (let second = 0; second < 30; second++) {
      node.ports.say(PATH, "about");
      await node.clock.advance(1_000);
    }
    expect(stateOf(node)).toMatchObject({ state: "ok" });
    for (let second = 0; second < 6; second++) {
      node.ports.say(PATH, "p");
      await node.clock.advance(1_000);
    }
    expect(stateOf(node)).toMatchObject({ state: "silent", counters: null });
  });
});

describe("a driver", () => {
  it("that throws is reopened, and the others do not notice", async () => {
    const bad: Handler = (event) => {
      if (event.type === "bytes") throw new Error("unexpected frame");
    };
    const good: Handler = (event, out) => {
      if (event.type === "bytes") out.reading("pm25", 7);
    };
    const { events, plan } = heard(bad);
    const node = await running(plan, heard(good, { id: "air-2" }).plan);
    node.ports.say(PATH, "x");
    node.ports.say("/dev/air-2", "x");
    await node.clock.advance(1);
    expect(stateOf(node)).toMatchObject({ state: "fault", trouble: "driver-threw" });
    expect(stateOf(node, "air-2")).toMatchObject({ state: "ok", counters: { stored: 1 } });
    expect(node.events.of("DriverThrew")).toEqual([{ type: "DriverThrew", sensor: "air-1", detail: "unexpected frame" }]);
    await node.clock.advance(5_000);
    expect(types(events)).toEqual(["opened", "bytes", "closed", "opened"]);
    expect(stateOf(node)).toMatchObject({ state: "ok" });
  });

  it("that throws on everything does not bring the node down", async () => {
    const always: Handler = () => {
      throw new Error("always");
    };
    const node = await running(heard(always).plan, heard(undefined, { id: "air-2" }).plan);
    await node.clock.advance(60_000);
    expect(node.ports.opened.length).toBeGreaterThan(3);
    expect(stateOf(node, "air-2")).toMatchObject({ state: "ok" });
    await node.stop();
  });

  it("that quotes a reading of people when it throws is not quoted in the log", async () => {
    const answer: Handler = (event, out) => {
      if (event.type === "bytes") out.passage("passages", JSON.parse(new TextDecoder().decode(event.data)) as object);
    };
    const { plan } = heard(answer, { channels: [PASSAGES], streams: [streamPlan(PASSAGES)] });
    const node = await running(plan);
    node.ports.say(PATH, "towards 42.7 km/h");
    expect(node.events.of("DriverThrew")).toEqual([{ type: "DriverThrew", sensor: "air-1", detail: "SyntaxError" }]);
    expect(JSON.stringify(node.events.all)).not.toContain("42.7");
  });

  it("that cannot start is given up, and the others start", async () => {
    const broken = driverOf(() => {
      throw new Error("no such table");
    });
    const node = await running(sensorPlan({ driver: broken }), heard(undefined, { id: "air-2" }).plan);
    expect(stateOf(node)).toMatchObject({ state: "fault", trouble: "driver-threw" });
    expect(stateOf(node, "air-2")).toMatchObject({ state: "ok" });
    expect(node.events.of("SensorGivenUp")).toMatchObject([{ sensor: "air-1", code: "driver-threw" }]);
    expect(node.fatal).toEqual([]);
  });

  it("that reports a fault is reopened or not, as it says", async () => {
    for (const [retry, opened] of [
      ["reopen", 2],
      ["never", 1],
    ] as const) {
      const answer: Handler = (event, out) => {
        if (event.type === "bytes") out.fault("laser-worn", retry);
      };
      const { events, plan } = heard(answer);
      const node = await running(plan);
      node.ports.say(PATH, "x");
      // Not from within the call: a session is not told that its port closed while it speaks.
      expect(types(events)).toEqual(["opened", "bytes"]);
      await node.clock.advance(1);
      expect(stateOf(node)).toMatchObject({ state: "fault", trouble: "laser-worn" });
      await node.clock.advance(6_000);
      expect(node.ports.opened).toHaveLength(opened);
      expect(node.events.of("SensorFault")).toMatchObject([{ code: "laser-worn" }]);
    }
  });
});

describe("onStartFailure", () => {
  const refused = async (onStartFailure: "fail" | "skip" | "retry") => {
    const node = new VirtualNode();
    node.ports.refused.set(PATH, "gone");
    await node.start(nodePlan([heard(undefined, { onStartFailure }).plan, heard(undefined, { id: "air-2" }).plan]));
    await node.clock.advance(60_000);
    return node;
  };

  it("fail asks for the end of the node", async () => {
    const node = await refused("fail");
    expect(node.fatal).toEqual(["air-1: gone"]);
  });

  it("skip gives the sensor up until the next start", async () => {
    const node = await refused("skip");
    expect(node.fatal).toEqual([]);
    expect(node.ports.opened.filter(({ path }) => path === PATH)).toHaveLength(1);
    expect(stateOf(node)).toMatchObject({ state: "fault", trouble: "gone" });
    expect(node.events.of("SensorGivenUp")).toHaveLength(1);
    expect(stateOf(node, "air-2")).toMatchObject({ state: "ok" });
  });

  it("retry goes on until it is there", async () => {
    const node = await refused("retry");
    expect(node.ports.opened.filter(({ path }) => path === PATH).length).toBeGreaterThan(5);
    node.ports.refused.clear();
    await node.clock.advance(11_000);
    expect(stateOf(node)).toMatchObject({ state: "ok" });
  });
});

it("plays a replay that is not repeated once", async () => {
  const port = { is: "replay", file: "street.txt", speed: 1, repeat: false } as const;
  const node = await running(heard(undefined, { port }).plan);
  node.ports.last("street.txt").listener({ type: "closed", code: "ended", detail: "", remedy: "" });
  await node.clock.advance(600_000);
  expect(node.ports.opened).toHaveLength(1);
  expect(stateOf(node)).toMatchObject({ trouble: "ended" });
});

it("runs a simulator without any port, and says in its summaries that it is one", async () => {
  const answer: Handler = (event, out) => {
    if (event.type === "opened") out.expect(5_000);
    if (event.type === "opened" || event.type === "timer") {
      out.reading("pm25", 7);
      out.timer("next", 1_000);
    }
  };
  const node = await running(heard(answer, { port: { is: "simulator" }, streams: [streamPlan(undefined, { windowMs: 60_000 })] }).plan);
  await node.clock.advance(95_000);
  expect(node.outbox.summaries()).toMatchObject([{ flags: ["simulated"], stats: { mean: 7 } }]);
});

describe("a sensor that the kernel shows as files", () => {
  const FOLDER = "/sys/bus/w1/devices/28-1";
  const W1_SLAVE = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";

  async function thermometer(): Promise<{ node: VirtualNode; bus: FakeFileBus }> {
    const loaded = await loadDriver("ds18b20", [{ path: join(import.meta.dirname, "../../../drivers") }]);
    if (!loaded.ok) throw new Error(loaded.problem.detail);
    const clock = new VirtualClock();
    const bus = new FakeFileBus({ clock, readMs: 800 });
    bus.put(FOLDER, { w1_slave: W1_SLAVE });
    const options = loaded.driver.options.parse({});
    const channel = channelPlan({ name: "temperature", quantity: "temperature", unit: "Cel", range: [-55, 125] });
    const plan = sensorPlan({
      driver: loaded.driver,
      options,
      port: { is: "file", path: FOLDER },
      channels: [channel],
      streams: [streamPlan(channel)],
    });
    const node = new VirtualNode(clock, { files: bus });
    await node.start(nodePlan([plan]));
    return { node, bus };
  }

  it("is asked on its rhythm, and every byte of an answer is counted", async () => {
    const { node } = await thermometer();
    await node.clock.advance(60_000);
    expect(stateOf(node)).toMatchObject({ state: "ok", trouble: null, balanced: true });
    expect(stateOf(node)?.counters).toMatchObject({ bytes: 6 * W1_SLAVE.length, stored: 6, emitted: 6 });
  });

  it("that is pulled is a fault until it is back", async () => {
    const { node, bus } = await thermometer();
    await node.clock.advance(15_000);
    bus.pull(FOLDER);
    await node.clock.advance(15_000);
    expect(stateOf(node)).toMatchObject({ state: "fault", trouble: "gone" });
    bus.put(FOLDER, { w1_slave: W1_SLAVE });
    await node.clock.advance(60_000);
    expect(stateOf(node)).toMatchObject({ state: "ok", trouble: null });
  });

  it("whose reads fail or never end is silent, and none of the others notices", async () => {
    const { node, bus } = await thermometer();
    await node.clock.advance(15_000);
    bus.put(FOLDER, { w1_slave: { errno: 5 } });
    await node.clock.advance(60_000);
    expect(stateOf(node)).toMatchObject({ state: "silent", balanced: true });
    bus.put(FOLDER, { w1_slave: "stuck" });
    await node.clock.advance(60_000);
    expect(stateOf(node)).toMatchObject({ state: "silent", balanced: true });
  });
});
