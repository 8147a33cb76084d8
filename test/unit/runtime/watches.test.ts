import { describe, expect, it } from "vitest";
import type { SensorPlan } from "../../../src/config/plan.ts";
import { sensorId } from "../../../src/core/units/ids.ts";
import { driverApi } from "../../../src/driver-api/api.ts";
import type { BusEvent, Session, SessionSink } from "../../../src/driver-api/driver.ts";
import { parseGolden } from "../../../src/driver-api/golden.ts";
import { OutboxError } from "../../../src/ports/outbox.ts";
import { type LineReader, WATCH_BYTES_MAX, WATCH_STALLED_MS_MAX, Watch } from "../../../src/runtime/watch.ts";
import type { WatchLine } from "../../../src/runtime/watch-lines.ts";
import { PEOPLE_WATCH_MS_MAX, WATCHES_MAX, type WatchOrder } from "../../../src/runtime/watches.ts";
import { channelPlan, driverOf, nodePlan, PASSAGES, SPEED, sensorPlan, streamPlan } from "../../support/plans.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

/** A reader that takes what it is given, or, stalled, nothing. */
class Reader implements LineReader {
  text = "";
  ended: string | null = null;
  isStalled = false;
  #waiting = 0;

  get waitingBytes(): number {
    return this.#waiting;
  }

  write(text: string): void {
    if (this.isStalled) this.#waiting += text.length;
    this.text += text;
  }

  end(how: string): void {
    this.ended = how;
  }

  drain(): void {
    this.isStalled = false;
    this.#waiting = 0;
  }

  get lines(): readonly WatchLine[] {
    return this.text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as WatchLine]));
  }

  of<Is extends WatchLine["is"]>(is: Is): readonly Extract<WatchLine, { is: Is }>[] {
    return this.lines.filter((line): line is Extract<WatchLine, { is: Is }> => line.is === is);
  }
}

/** Bytes are what a session does with them: `r 12.5` a reading, `x` noise, `w` a word to the device, `p` a passage, `i` an identifier. */
function session(): Session {
  const decoder = new TextDecoder();
  return {
    handle(event: BusEvent, out: SessionSink) {
      if (event.type === "opened") out.expect(60_000);
      if (event.type !== "bytes") return;
      const [word = "", value] = decoder.decode(event.data).split(" ");
      if (word === "r") out.reading("pm25", Number(value));
      else if (word === "s") out.reading("pm25", Number(value), { quality: "suspect" });
      else if (word === "n") out.reading("pm25", null);
      else if (word === "w") out.write(Uint8Array.of(0xaa, 0xb4));
      else if (word === "p") out.passage("passages", { direction: "towards", speedKmh: 31 });
      else if (word === "i") out.identity("devices", Uint8Array.of(0xde, 0xad, 0xbe, 0xef));
      else out.discard("noise", event.data.byteLength);
    },
  };
}

const air = (changes: Partial<Parameters<typeof sensorPlan>[0]> = {}): SensorPlan =>
  sensorPlan({ driver: driverOf(session, { options: driverApi.z.strictObject({}) }), ...changes });

const DEVICES = channelPlan({ name: "devices", quantity: "devices", kind: "identity", sensitivity: "identifying", range: [0, 1] });
const gate = (): SensorPlan =>
  sensorPlan({
    id: "gate-1",
    driver: driverOf(session, { options: driverApi.z.strictObject({}) }),
    channels: [PASSAGES, SPEED, DEVICES],
    streams: [streamPlan(PASSAGES, { sensor: "gate-1", windowMs: 300_000 })],
  });

async function running(...sensors: readonly SensorPlan[]): Promise<VirtualNode> {
  const node = new VirtualNode();
  await node.start(nodePlan(sensors));
  await node.clock.advance(2_000);
  return node;
}

const order = (changes: Partial<WatchOrder> = {}): WatchOrder => ({
  ...{ sensor: "air-1", forMs: 60_000, wants: "readings", people: false, by: "a test" },
  ...changes,
});

/** Watches; gives the answer and what the reader got. `watch`: what to end it with. */
async function watching(node: VirtualNode, asked: WatchOrder, reader = new Reader()) {
  let watch: Watch | null = null;
  const answering = node.node.watch(asked, (grant) => {
    watch = new Watch({ clock: node.clock, time: node.node.time, node: "n0042", version: "0.1.0" }, grant, reader);
    return watch;
  });
  await node.clock.advance(200);
  return { answer: await answering, reader, watch: watch as Watch | null };
}

describe("a watch", () => {
  it("tells values as they go into statistics, with their quality, and what was not used", async () => {
    const calibration = { scale: 2, offset: 1 };
    const node = await running(air({ channels: [channelPlan({ calibration })] }));
    node.ports.say("/dev/air-1", "x");
    const { answer, reader } = await watching(node, order());
    expect(answer).toEqual({ is: "watching" });
    for (const text of ["r 10", "s 11", "n", "r 900", "xyz"]) node.ports.say("/dev/air-1", text);
    await node.clock.advance(500);
    const [head] = reader.of("head");
    expect(head).toMatchObject({ node: "n0042", sensor: "air-1", driver: "fake", port: "serial 9600 8N1", isOfPeople: false });
    expect(head?.channels).toMatchObject([{ name: "pm25", unit: "ug/m3", sensitivity: "environmental" }]);
    expect(reader.of("reading").map(({ channel, value, note }) => [channel, value, note])).toEqual([
      ["pm25", 21, null],
      ["pm25", 23, "suspect"],
      ["pm25", null, "null"],
      ["pm25", 1_801, "out-of-range"],
    ]);
    expect(reader.of("unused").at(-1), "from its beginning on").toEqual({
      ...{ is: "unused", bytes: { noise: 3 }, readings: { null: 1, "out-of-range": 1 } },
    });
    expect(reader.of("state")).toEqual([{ is: "state", state: "ok", trouble: null }]);
  });

  it.each([
    ["warming", { warmUpMs: 3_600_000 }, null],
    ["maintenance", {}, 60_000],
  ])("tells of a value that is not used that it is not: %s", async (note, channel, maintainedMs) => {
    const node = await running(air({ channels: [channelPlan(channel)] }));
    if (maintainedMs !== null) void node.node.maintain(sensorId("air-1"), maintainedMs);
    await node.clock.advance(1_000);
    const { reader } = await watching(node, order());
    node.ports.say("/dev/air-1", "r 10");
    await node.clock.advance(500);
    expect(reader.of("reading")).toMatchObject([{ channel: "pm25", value: 10, note }]);
  });

  it("ends by itself, and says so; nothing is told after it", async () => {
    const node = await running(air());
    const { reader } = await watching(node, order({ forMs: 5_000 }));
    await node.clock.advance(5_000);
    expect(reader.lines.at(-1)).toEqual({ is: "end", because: "time" });
    expect(reader.ended).toBe("after-what-waits");
    const told = reader.text;
    node.ports.say("/dev/air-1", "r 10");
    await node.clock.advance(1_000);
    expect(reader.text).toBe(told);
    expect(node.events.of("WatchEnded")).toHaveLength(1);
  });

  it("ends when whoever watched has gone, when the node stops, and when the sensor is another one", async () => {
    const node = await running(air(), air({ id: "air-2" }), air({ id: "air-3" }));
    const [gone, changed, stopped] = [
      await watching(node, order()),
      await watching(node, order({ sensor: "air-2" })),
      await watching(node, order({ sensor: "air-3" })),
    ];
    gone.watch?.end("gone");
    const other = air({ id: "air-2", options: { other: true } });
    const reloading = node.node.reload({
      plan: nodePlan([air(), other, air({ id: "air-3" })]),
      identity: { version: "0.1.0", configRev: "c0ffee01", bootId: "boot-1", outboxHours: 720 },
      ports: { gpio: node.world.gpio, replay: node.world.replay },
      standing: new Set(),
    });
    await node.clock.advance(60_000);
    expect(await reloading).toMatchObject({ is: "applied" });
    expect([gone.reader.ended, changed.reader.lines.at(-1)]).toEqual(["at-once", { is: "end", because: "changed" }]);
    const late = await watching(node, order({ sensor: "air-3", forMs: 600_000 }));
    await node.stop();
    expect(late.reader.lines.at(-1)).toEqual({ is: "end", because: "stopped" });
    expect(stopped.reader.lines.at(-1)).toEqual({ is: "end", because: "time" });
    expect(node.events.of("WatchEnded")).toHaveLength(4);
    expect((await watching(node, order({ sensor: "air-3" }))).answer).toMatchObject({ is: "refused", because: "the node stops" });
  });

  it("of a sensor that is not there, that is switched off, or that is watched too often is refused with a remedy", async () => {
    const node = await running(air(), air({ id: "air-2", enabled: false }));
    expect((await watching(node, order({ sensor: "air-9" }))).answer).toMatchObject({ is: "refused", remedy: "name one of air-1, air-2" });
    expect((await watching(node, order({ sensor: "air-2" }))).answer).toMatchObject({ is: "refused", because: /switched off/ });
    for (let count = 0; count < WATCHES_MAX; count++) expect((await watching(node, order())).answer.is).toBe("watching");
    expect((await watching(node, order())).answer).toMatchObject({ is: "refused", remedy: "end one of them" });
    await node.clock.advance(60_000);
    expect((await watching(node, order())).answer.is, "the others are over").toBe("watching");
  });

  it("changes nothing of what a session is told, and of what is made of its answers, however many watch", async () => {
    const statistics = async (watchers: number) => {
      const node = await running(air());
      for (let count = 0; count < watchers; count++) await watching(node, order({ forMs: 3_600_000, wants: "readings" }));
      await node.clock.advance(200 * (2 - watchers)); // beginning a watch takes as long here
      for (let second = 0; second < 1_000; second++) {
        node.ports.say("/dev/air-1", `r ${second % 40}`);
        await node.clock.advance(1_000);
      }
      return node.outbox.summaries();
    };
    const [none, two] = [await statistics(0), await statistics(2)];
    expect(none.length).toBeGreaterThan(0);
    expect(two).toEqual(none);
  });
});

describe("a reader that is too slow", () => {
  const flood = (node: VirtualNode, count: number): void => {
    for (let index = 0; index < count; index++) node.ports.say("/dev/air-1", "r 10");
  };

  it("loses lines that are counted where they are missing, and what waits is bounded", async () => {
    const node = await running(air());
    const { reader } = await watching(node, order());
    reader.isStalled = true;
    for (let round = 0; round < 50; round++) {
      flood(node, 400);
      await node.clock.advance(100);
    }
    expect(reader.waitingBytes).toBeLessThanOrEqual(WATCH_BYTES_MAX);
    expect(reader.waitingBytes).toBeGreaterThan(WATCH_BYTES_MAX * 0.9);
    reader.drain();
    flood(node, 1);
    await node.clock.advance(1_000);
    const told = reader.of("reading").length;
    const missing = reader.of("gap").reduce((sum, { lines }) => sum + lines, 0);
    expect(missing).toBeGreaterThan(0);
    expect(told + missing).toBe(20_001);
    expect(
      reader.lines.findIndex(({ is }) => is === "gap"),
      "before what came after it",
    ).toBeLessThan(reader.lines.length - 1);
    expect(node.node.status().sensors["air-1"]?.counters?.stored, "nothing was held up").toBe(20_001);
  });

  it("is not sent away once it has taken everything, also when nothing more is told", async () => {
    const node = await running(air());
    const { reader } = await watching(node, order({ forMs: 600_000 }));
    reader.isStalled = true;
    for (let round = 0; round < 50; round++) {
      flood(node, 400);
      await node.clock.advance(100);
    }
    reader.drain();
    await node.clock.advance(2 * WATCH_STALLED_MS_MAX);
    expect(reader.ended).toBeNull();
  });

  it("is sent away when it takes nothing at all", async () => {
    const node = await running(air());
    const { reader } = await watching(node, order({ forMs: 600_000 }));
    reader.isStalled = true;
    flood(node, 20_000);
    await node.clock.advance(WATCH_STALLED_MS_MAX - 1_000);
    expect(reader.ended).toBeNull();
    await node.clock.advance(2_000);
    expect(reader.ended).toBe("at-once");
    expect(node.events.of("WatchEnded")).toHaveLength(1);
  });

  it("of a sensor of people is flagged for as long as it was granted: how soon it falls behind depends on how many pass", async () => {
    const node = await running(gate());
    const asked = order({ sensor: "gate-1", people: true, forMs: 300_000, wants: "events" });
    const { reader } = await watching(node, asked);
    reader.isStalled = true;
    for (let index = 0; index < 20_000; index++) node.ports.say("/dev/gate-1", "p and more of it, so that it fills up");
    await node.clock.advance(60_000);
    expect(reader.ended).toBe("at-once");
    expect(node.node.status().status.problems.map(({ code }) => code)).toContain("WATCHED");
    expect(node.events.of("WatchEnded")).toHaveLength(0);
    await node.clock.advance(245_000);
    expect(node.node.status().status.problems.map(({ code }) => code)).not.toContain("WATCHED");
    expect(node.events.of("WatchEnded")).toHaveLength(1);
  });
});

describe("a watch of a sensor of people", () => {
  const people = (changes: Partial<WatchOrder> = {}): WatchOrder => order({ sensor: "gate-1", people: true, ...changes });

  it("is refused without the word people, and for longer than ten minutes; nothing is written then", async () => {
    const node = await running(gate());
    const [without, long] = [
      await watching(node, order({ sensor: "gate-1" })),
      await watching(node, people({ forMs: PEOPLE_WATCH_MS_MAX + 1 })),
    ];
    expect(without.answer).toMatchObject({ is: "refused", remedy: expect.stringContaining("--people") });
    expect(long.answer).toMatchObject({ is: "refused", because: expect.stringContaining("10m") });
    expect([without.reader.text, long.reader.text]).toEqual(["", ""]);
    expect(node.outbox.changes.filter((text) => text.includes("watch"))).toEqual([]);
    expect(node.node.status().status.problems).toEqual([]);
  });

  it("stands in the egress log before its first byte leaves, and does not begin where that cannot be written", async () => {
    const node = await running(gate());
    const reader = new Reader();
    const commit = node.outbox.commit.bind(node.outbox);
    node.outbox.commit = async (batch) => {
      expect(reader.text, "not a byte before").toBe("");
      await commit(batch);
    };
    await watching(node, people({ forMs: 120_000, by: "local socket, says to be anna" }), reader);
    expect(reader.of("head")[0]).toMatchObject({ isOfPeople: true });
    const written = node.outbox.changes.filter((text) => text.includes("watch"));
    expect(written.map((text) => JSON.parse(text) as unknown)).toEqual([
      { watch: { sensor: "gate-1", wants: "readings", by: "local socket, says to be anna", forMs: 120_000 } },
    ]);
    node.outbox.commit = () => Promise.reject(new OutboxError("OUTBOX_FULL"));
    const refused = await watching(node, people());
    expect(refused.answer).toMatchObject({ is: "refused", because: expect.stringContaining("egress log cannot be written") });
    expect(refused.reader.text).toBe("");
  });

  it("is said in the retained status at once, and not any more when it is over", async () => {
    const node = await running(gate());
    const told = () => node.broker.published.filter(({ topic }) => topic.endsWith("/status"));
    const before = told().length;
    const { watch } = await watching(node, people());
    const codes = () => {
      expect(told().at(-1)?.retain).toBe(true);
      return (JSON.parse(told().at(-1)?.text ?? "") as { problems: { code: string; sensor: string }[] }).problems;
    };
    expect(told().length).toBe(before + 1);
    expect(codes()).toMatchObject([{ code: "WATCHED", sensor: "gate-1" }]);
    watch?.end("gone");
    await node.clock.advance(2_000);
    expect(codes()).toEqual([]);
  });

  it("shows passages, and of identifiers nothing, not even that there was one", async () => {
    const node = await running(gate());
    const { reader } = await watching(node, people());
    const before = reader.text;
    node.ports.say("/dev/gate-1", "i");
    await node.clock.advance(5_000);
    expect(reader.text.slice(before.length)).not.toMatch(/deadbeef|DE AD|222|identity/i);
    expect(reader.of("reading")).toEqual([]);
    node.ports.say("/dev/gate-1", "p");
    await node.clock.advance(200);
    expect(reader.of("passage")).toMatchObject([{ channel: "passages", direction: "towards", class: null, speedKmh: 31 }]);
  });
});

describe("a watch of events", () => {
  it("is a capture: how the port stands open, what came, and what was said to the device beside it", async () => {
    const node = await running(air());
    const { reader } = await watching(node, order({ wants: "events" }));
    await node.clock.advance(800);
    node.ports.say("/dev/air-1", "r 1\r\n");
    await node.clock.advance(250);
    node.ports.last("/dev/air-1").listener({ type: "bytes", data: Uint8Array.of(0xaa, 0xc0) });
    node.ports.say("/dev/air-1", "w");
    node.ports.last("/dev/air-1").listener({ type: "closed", code: "gone", detail: "", remedy: "" });
    await node.clock.advance(5_000);
    expect(reader.of("event").map(({ line }) => line)).toEqual([
      "+0ms open",
      '+1s < "r 1\\r\\n"',
      "+250ms < AA C0",
      "+0ms < 77",
      "+0ms closed gone",
      "+376ms open",
    ]);
    expect(reader.of("said")).toEqual([{ is: "said", line: "write AA B4" }]);
    expect(reader.of("reading")).toEqual([]);
    const capture = `# stoep-golden 1\n${reader
      .of("event")
      .map(({ line }) => line)
      .join("\n")}\n`;
    expect(parseGolden(capture)).toMatchObject({ ok: true });
  });

  it("has edges at the time of the kernel, and begins with the levels of now", async () => {
    const line = { line: { name: "GPIO17" }, edge: "both", pull: "up", debounceMs: 0 } as const;
    const driver = driverOf({ handle: () => undefined }, { port: "gpio", options: driverApi.z.strictObject({}) });
    const node = await running(sensorPlan({ driver, port: { is: "gpio", lines: { rain: line } } }));
    const port = node.ports.last("gpio");
    port.listener({ type: "opened", settings: { lines: { rain: { high: true } } } });
    const edge = (rising: boolean, atMs: number) =>
      port.listener({ type: "edge", line: "rain", rising, atNs: BigInt(Math.round(atMs * 1e6)) });
    edge(false, node.clock.monotonicMs());
    const { reader } = await watching(node, order({ wants: "events" }));
    const beganMs = node.clock.monotonicMs() - 200;
    await node.clock.advance(1_000);
    edge(true, beganMs + 1_000.0125);
    edge(false, beganMs + 1_000.5);
    await node.clock.advance(200);
    expect(reader.of("event").map((one) => one.line)).toEqual([
      "+0ms open rain=low",
      "+1000.013ms edge rain rising",
      "+0.487ms edge rain falling",
    ]);
  });

  it("says where edges were lost before they reached the node, and counts the bytes of a gap", async () => {
    const node = await running(air());
    const { reader } = await watching(node, order({ wants: "events" }));
    node.ports.last("/dev/air-1").listener({ type: "lost", what: "edges", count: 3 });
    await node.clock.advance(200);
    expect(reader.of("lost")).toEqual([{ is: "lost", edges: 3 }]);
    reader.isStalled = true;
    for (let index = 0; index < 40_000; index++) node.ports.say("/dev/air-1", "r 10 and some");
    reader.drain();
    await node.clock.advance(500);
    node.ports.say("/dev/air-1", "r 10 and some");
    await node.clock.advance(500);
    const bytes = reader.of("event").reduce((sum, { byteCount }) => sum + byteCount, 0);
    const missing = reader.of("gap").reduce((sum, { byteCount }) => sum + byteCount, 0);
    expect(missing).toBeGreaterThan(0);
    expect(bytes + missing).toBe(40_001 * 13);
  });
});
