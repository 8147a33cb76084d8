import { describe, expect, it } from "vitest";
import createOps243 from "../../drivers/ops243/driver.ts";
import createPulseCounter from "../../drivers/pulse-counter/driver.ts";
import createSds011 from "../../drivers/sds011/driver.ts";
import { parseNodeFile } from "../../src/config/parse.ts";
import { planNode } from "../../src/config/plan-node.ts";
import { driverApi } from "../../src/driver-api/api.ts";
import type { Driver, SessionSink } from "../../src/driver-api/driver.ts";
import type { Broker } from "../../src/ports/broker.ts";
import type { World } from "../../src/runtime/node.ts";
import { Watch } from "../../src/runtime/watch.ts";
import { PEOPLE_WATCH_MS_MAX } from "../../src/runtime/watches.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { seededBytes } from "../support/noise/seeded-bytes.ts";
import { OPS243_PRODUCT, OPS243_UNITS, ops243Line } from "../support/ops243.ts";
import { RecordingEvents } from "../support/recording-events.ts";
import { ScriptedBroker } from "../support/scripted-broker.ts";
import { sds011Frame } from "../support/sds011.ts";
import { fixedCrypto, VirtualNode } from "../support/virtual-node.ts";

// With and without road users, under one seed: everything that leaves the node, and the instant at which it leaves, must be the same,
// but for the noised numbers; and those must differ by what was counted, since noise knows nothing of counts. Published bytes, the log
// and what `stoep status` says are all compared. Each mutant below breaks this in one way, and must be found.

const FILE = `
stoep: 1
node: { id: n0042, purpose: a test }
broker: { url: mqtts://mqtt.voorbeeld.example, prefix: city/voorbeeld, password: { env: NONE }, username: n0042 }
window: 5m
sensors:
  gate-1:
    driver: ops243
    serial: { path: /dev/gate }
    streams:
      passages: { policy: noised, epsilon: 0.5 }
      speed: { policy: noised, epsilon: 0.3 }
      passages_1h: { from: passages, window: 1h }
  door-1:
    driver: pulse-counter
    gpio: { line: GPIO17, edge: falling }
    options: { quantity: entries, perPulse: 1 }
    streams:
      entries: { policy: noised, epsilon: 0.2, bound: 1 }
  air-1:
    driver: sds011
    serial: { path: /dev/air }
`;
const MINUTES = 75;
/** A speed that makes one bin of the histogram, 30 to 35 km/h, the only one that is counted in. */
const SPEED_KMH = 32.4;

/** How a run is spoiled. */
interface Mutant {
  residentBytes?(passed: number): number;
  driver?(driver: Driver, events: RecordingEvents): Driver;
  /** Of the random source: what it gives may depend on how many passed. */
  seed?(passed: number): number;
  /** Somebody watches the radar, with --people, for ten minutes: what comes in that time is read, or not. */
  watched?: "read" | "not-read";
  /** What is not published after all. */
  drops?(topic: string, text: string): boolean;
}

interface Told {
  readonly atMs: number;
  readonly topic: string;
  readonly text: string;
  readonly retain: boolean;
}

/** Everything that left in one run. */
interface Left {
  readonly told: readonly Told[];
  readonly log: readonly string[];
  readonly status: readonly string[];
}

function planOf(events: RecordingEvents, mutant: Mutant) {
  const radar = createOps243(driverApi) as Driver;
  const drivers = new Map<string, Driver>([
    ["ops243", mutant.driver?.(radar, events) ?? radar],
    ["pulse-counter", createPulseCounter(driverApi) as Driver],
    ["sds011", createSds011(driverApi) as Driver],
  ]);
  const { plan, problems } = planNode(parseNodeFile(FILE, "node.yaml"), drivers);
  if (plan === null) throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  return plan;
}

/** A broker that keeps what was handed to it, and when. */
function keeping(broker: ScriptedBroker, clock: VirtualClock, told: Told[], mutant: Mutant): Broker {
  const decoder = new TextDecoder();
  return {
    connect: (request, listener) => {
      const link = broker.connect(request, listener);
      const publish: typeof link.publish = (message, token) => {
        const text = decoder.decode(message.payload);
        if (mutant.drops?.(message.topic, text) !== true) {
          told.push({ atMs: clock.monotonicMs(), topic: message.topic, text, retain: message.retain });
        }
        link.publish(message, token);
      };
      return { ...link, publish };
    },
  };
}

/** An hour and a quarter of a street on which `passages` road users pass and as many people enter, then a clean stop. */
async function run(passages: number, mutant: Mutant = {}): Promise<Left> {
  const clock = new VirtualClock();
  const events = new RecordingEvents();
  const broker = new ScriptedBroker(clock);
  broker.friendly = true;
  let passed = 0;
  const told: Told[] = [];
  const log: string[] = [];
  const status: string[] = [];
  const bytes = seededBytes(mutant.seed?.(passages) ?? 42);
  const world: Partial<World> = {
    broker: keeping(broker, clock, told, mutant),
    crypto: { ...fixedCrypto, ...bytes },
    events: {
      emit: (event) => {
        events.emit(event);
        log.push(`${clock.monotonicMs()} ${JSON.stringify(event)}`);
      },
    },
    residentBytes: () => mutant.residentBytes?.(passed) ?? 64_000_000,
  };
  const node = new VirtualNode(clock, world);
  const emitting = { all: events.all, emit: (event: Parameters<RecordingEvents["emit"]>[0]) => world.events?.emit(event) };
  await node.start(planOf(emitting as RecordingEvents, mutant));
  await clock.advance(10);
  node.ports.say("/dev/gate", OPS243_UNITS + OPS243_PRODUCT);
  const everyS = passages === 0 ? Number.POSITIVE_INFINITY : Math.floor((MINUTES * 60) / passages);
  for (let second = 0; second < MINUTES * 60; second++) {
    const air = node.ports.last("/dev/air");
    if (!air.isClosed) air.listener({ type: "bytes", data: sds011Frame({ pm25: 12.3, pm10: 20.1 }) });
    if (second % 20 === 0) node.ports.say("/dev/gate", OPS243_PRODUCT);
    if (second % everyS === everyS - 1 && passed < passages) {
      passed++;
      node.ports.say("/dev/gate", ops243Line(SPEED_KMH, passed % 3 === 0 ? "outbound" : "inbound"));
      const door = node.ports.last("gpio");
      door.listener({ type: "edge", line: "line", rising: false, atNs: BigInt(Math.round(clock.monotonicMs())) * 1_000_000n });
    }
    if (second === 40 * 60) broker.close();
    if (second === 12 * 60 && mutant.watched !== undefined) watch(node, mutant.watched);
    if (second % 300 === 60) status.push(JSON.stringify(node.node.status()));
    await clock.advance(1_000);
  }
  status.push(JSON.stringify(node.node.status()));
  await node.stop();
  return { told, log, status };
}

/** A watch of what the port tells, with a reader that takes everything, or nothing. */
function watch(node: VirtualNode, how: "read" | "not-read"): void {
  const reader = {
    waitingBytes: 0,
    write(text: string) {
      if (how === "not-read") this.waitingBytes += 1_000 * text.length; // so that few are too many
    },
    end() {},
  };
  const world = { clock: node.clock, time: node.node.time, node: "n0042", version: "0.1.0" };
  const order = { sensor: "gate-1", forMs: PEOPLE_WATCH_MS_MAX, wants: "events", people: true, by: "a test" } as const;
  void node.node.watch(order, (grant) => new Watch(world, grant, reader));
}

interface Numbers {
  readonly cells?: { count: number }[];
  readonly total?: { count: number };
  readonly histogram?: { counts: number[]; v85: number | null };
  readonly stats?: { sum?: number };
}

/** A message without its noised numbers, and those. */
function parted({ topic, text, atMs, retain }: Told): { readonly rest: string; readonly numbers: readonly number[] } {
  const document = JSON.parse(text) as Numbers & { privacy?: { policy: string } };
  if (document.privacy?.policy !== "noised") return { rest: `${atMs} ${topic} ${retain} ${text}`, numbers: [] };
  const numbers: number[] = [];
  for (const cell of document.cells ?? []) {
    numbers.push(cell.count);
    cell.count = 0;
  }
  if (document.total !== undefined) document.total.count = 0;
  if (document.histogram !== undefined) {
    numbers.push(...document.histogram.counts.splice(0));
    document.histogram.v85 = null; // made of the released bins, and of nothing else
  }
  if (document.stats?.sum !== undefined) {
    numbers.push(document.stats.sum);
    document.stats.sum = 0;
  }
  return { rest: `${atMs} ${topic} ${retain} ${JSON.stringify(document)}`, numbers };
}

/** Throws where two runs can be told apart by anything but noised numbers; gives by how much those differ, by topic. */
function compared(none: Left, some: Left): ReadonlyMap<string, number> {
  const [before, after] = [none.told.map(parted), some.told.map(parted)];
  expect(after.map(({ rest }) => rest)).toEqual(before.map(({ rest }) => rest));
  expect(some.log).toEqual(none.log);
  expect(some.status).toEqual(none.status);
  const differences = new Map<string, number>();
  for (const [index, { numbers }] of after.entries()) {
    const { topic = "" } = none.told[index] ?? {};
    const steps = numbers.map((number, at) => number - (before[index]?.numbers[at] ?? 0));
    // The noise is the same, so that a number can only have grown by what was counted.
    expect(Math.min(0, ...steps)).toBe(0);
    const sum = steps.reduce((all, step) => all + step, 0);
    if (numbers.length > 0) differences.set(topic, (differences.get(topic) ?? 0) + sum);
  }
  return differences;
}

const topicOf = (stream: string): string => `city/voorbeeld/n0042/${stream}/summary`;

describe("P1: a street with road users leaves what an empty one leaves, but for noised numbers", () => {
  it.each([1, 500])("with %d of them, bytes, instants, log and status are those of none", { timeout: 60_000 }, async (passages) => {
    const [none, some] = [await run(0), await run(passages)];
    expect(none.told.length).toBeGreaterThan(60);
    const differences = compared(none, some);
    // Each counted once and nowhere twice; the last ones are in a window that was still open at the stop.
    for (const stream of ["gate-1/passages", "gate-1/speed", "door-1/entries"]) {
      const counted = differences.get(topicOf(stream)) ?? Number.NaN;
      expect(counted, stream).toBeLessThanOrEqual(passages);
      expect(counted, stream).toBeGreaterThanOrEqual(passages === 1 ? 0 : 0.9 * passages);
    }
  });

  it.each(["read", "not-read"] as const)(
    "while somebody watches with --people, and what he is told is %s",
    {
      timeout: 60_000,
    },
    async (watched) => {
      const [none, some] = [await run(0, { watched }), await run(500, { watched })];
      const flags = none.told.map(({ topic, text }) => topic.endsWith("/status") && text.includes('"WATCHED"'));
      expect(flags.filter(Boolean).length, "it is told that he does").toBeGreaterThan(1);
      expect(flags.at(-1), "and that he does not any more").toBe(false);
      compared(none, some);
    },
  );

  it("is the same twice with the same seed: the comparison rests on nothing else", { timeout: 60_000 }, async () => {
    const [one, two] = [await run(3), await run(3)];
    expect(two).toEqual(one);
  });
});

/** A radar whose session is told to somebody else first. */
function spied(driver: Driver, spy: (sink: SessionSink) => Partial<SessionSink>): Driver {
  return {
    ...driver,
    start: (options) => {
      const session = driver.start(options);
      return {
        handle: (event, out) => {
          const extra = spy(out) as Readonly<Record<string | symbol, unknown>>;
          const sink = new Proxy(out, {
            get: (target, name) => {
              const own = extra[name] ?? Reflect.get(target, name);
              return typeof own === "function" ? own.bind(target) : own;
            },
          });
          session.handle(event, sink);
        },
      };
    },
  };
}

describe("P1: the comparison finds", () => {
  const mutants: readonly (readonly [string, Mutant])[] = [
    ["a count in the local status", { residentBytes: (passed) => 64_000_000 + passed }],
    [
      "a line in the log for each reading",
      {
        driver: (driver, events) =>
          spied(driver, (out) => ({
            passage: (channel, passage) => {
              events.emit({ type: "GpioBackend", backend: "a road user", detail: "" });
              out.passage(channel, passage);
            },
          })),
      },
    ],
    [
      "a port that is opened again when nobody passes",
      {
        driver: (driver) =>
          spied(driver, (out) => ({
            expect: () => out.expect(120_000),
            about: () => undefined,
            passage: (channel, passage) => {
              out.about({});
              out.passage(channel, passage);
            },
          })),
      },
    ],
    ["noise that depends on how many passed", { seed: (passed) => 42 + passed }],
    [
      "windows that are left out when nobody passed",
      { drops: (topic, text) => topic.includes("gate-1/passages/") && Math.abs((JSON.parse(text) as Numbers).total?.count ?? 99) < 12 },
    ],
  ];

  it.each(mutants)("%s", { timeout: 60_000 }, async (_, mutant) => {
    const [none, some] = [await run(0, mutant), await run(500, mutant)];
    const isFound = (() => {
      try {
        const differences = compared(none, some);
        const counted = differences.get(topicOf("gate-1/passages")) ?? Number.NaN;
        return !(counted <= 500 && counted >= 450);
      } catch {
        return true;
      }
    })();
    expect(isFound).toBe(true);
  });
});
