import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import createJsonLines from "../../drivers/json-lines/driver.ts";
import createOps243 from "../../drivers/ops243/driver.ts";
import createPulseCounter from "../../drivers/pulse-counter/driver.ts";
import createSds011 from "../../drivers/sds011/driver.ts";
import { createPinoEvents } from "../../src/adapters/pino-events.ts";
import type { Connect } from "../../src/adapters/sqlite/database.ts";
import { openStores, type Stores } from "../../src/adapters/sqlite/stores.ts";
import { parseNodeFile } from "../../src/config/parse.ts";
import { planNode } from "../../src/config/plan-node.ts";
import { driverApi } from "../../src/driver-api/api.ts";
import type { Driver } from "../../src/driver-api/driver.ts";
import type { Crypto } from "../../src/ports/crypto.ts";
import type { World } from "../../src/runtime/node.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { seededBytes } from "./noise/seeded-bytes.ts";
import { OPS243_PRODUCT, OPS243_UNITS, ops243Line } from "./ops243.ts";
import { ScriptedBroker } from "./scripted-broker.ts";
import { sds011Frame } from "./sds011.ts";
import { fixedCrypto, VirtualNode } from "./virtual-node.ts";

export const WINDOW_MS = 5 * 60_000;
const SECOND_MS = 1_000;
/** How often the air is measured, and the radar answers. */
const AIR_EVERY_MS = 2 * SECOND_MS;
const ANSWER_EVERY_MS = 20 * SECOND_MS;
const PASSING_MS = 10 * SECOND_MS;

/** An epsilon so small that most of the noise has seven digits: released minus exact is then a number that stands nowhere by chance. */
const FILE = `
stoep: 1
node: { id: n0042, purpose: a test }
broker: { url: mqtts://mqtt.voorbeeld.example, prefix: city/voorbeeld, password: { env: NONE }, username: n0042 }
window: 5m
sensors:
  gate-1:
    driver: ops243
    options: { holdOffMs: 100 }
    serial: { path: /dev/gate }
    streams:
      passages: { policy: noised, epsilon: 0.000001 }
      speed: { policy: noised, epsilon: 0.000001 }
      passages_1h: { from: passages, window: 1h }
  door-1:
    driver: pulse-counter
    gpio: { line: GPIO17, edge: falling }
    options: { quantity: entries, perPulse: 1 }
    streams:
      entries: { policy: noised, epsilon: 0.000001, bound: 1 }
  till-1:
    driver: json-lines
    serial: { path: /dev/till }
    options: { fields: { entries: { key: people.in, quantity: entries, counts: increments, resolution: 1 } } }
    streams:
      entries: { policy: noised, epsilon: 0.000001, bound: 1 }
  radio-1:
    driver: radio
    serial: { path: /dev/radio, baud: 115200 }
    streams:
      devices: { policy: noised, epsilon: 0.000001 }
  air-1:
    driver: sds011
    serial: { path: /dev/air }
`;

/** Meters of households, as many as a group needs: each tells a power that stands nowhere by chance in the busy window. */
export const HOUSEHOLDS_W: readonly number[] = Array.from({ length: 15 }, (_, index) => 401.137 + index * 1.013);
const METERS = HOUSEHOLDS_W.map((_, index) => `meter-${index + 10}`);
const METERS_FILE = `${METERS.map(
  (id) => `  ${id}:
    driver: json-lines
    serial: { path: /dev/${id} }
    options: { fields: { power: { key: watt, quantity: power, resolution: 0.001 } } }
    streams: { power: {} }
`,
).join("")}groups:
  block: { members: ["meter-*.power"], policy: minimum-count }
`;

/** A speed, as the radar prints it and as a record holds it. */
export const SPEED_KMH = 87.634;
export const SPEED_KEPT_KMH = 87.6;
/** What a till says came in, nonsense as it is: a value that no statistic keeps, since it is cut down to 1. */
export const TILL_VALUE = 12_345.678901234567;
export const ADDRESS = Uint8Array.of(0xa4, 0xc1, 0x38, 0x5e, 0x91, 0xd7);
export const ADDRESS_TEXT = Buffer.from(ADDRESS).toString("hex");
/** PM2.5 of the street, which may be told to anybody. */
export const AIR_PM25 = 87.3;
/** How many pass in the busy window: more than there are summaries in a day, whose numbers would be the same. */
export const BUSY = { passages: 8_545, door: 3_911, devices: 4_919 } as const;

const addressOf = (index: number): Uint8Array => Uint8Array.of(...ADDRESS.subarray(0, 4), index >> 8, index & 0xff);

/** Reads addresses in hex, a line each; whatever is no address it cannot bear, and says so with what it read. */
function radioDriver(api: typeof driverApi, quotesInName: boolean): Driver {
  return {
    apiVersion: 1,
    name: "radio",
    summary: "addresses in hex",
    port: "serial",
    options: api.z.strictObject({}),
    channels: () => [{ name: "devices", quantity: "devices", unit: "1", range: [0, 1], resolution: 1, sensitivity: "identifying" }],
    start: () => ({
      handle: (event, out) => {
        if (event.type === "opened") out.expect(null);
        if (event.type !== "bytes") return;
        for (const line of new TextDecoder().decode(event.data).trim().split("\n")) {
          if (!/^[0-9a-f]{12}$/.test(line)) throw quotesInName ? new Quoting(line) : new Error(`${line} is no address`);
          out.identity("devices", Uint8Array.from(Buffer.from(line, "hex")));
        }
      },
    }),
  };
}

/** An error whose name, which is told, quotes as well. */
class Quoting extends Error {
  constructor(what: string) {
    super("not readable");
    this.name = `Unreadable ${what}`;
  }
}

/** How a day is spoiled, so that something is left behind. */
export interface Spoiled {
  readonly connect?: Connect;
  readonly crypto?: Partial<Crypto>;
  /** What is told to the log beside what is told anyway. */
  spy?(write: (line: object) => void): void;
  /** What is changed about the stores once they are open. */
  stores?(stores: Stores): void;
  readonly quotes?: boolean;
}

/** Everything that a node wrote, sent and said. */
export interface Remains {
  readonly folder: string;
  readonly live: string;
  readonly node: string;
  readonly log: string;
  readonly status: string;
  readonly sent: readonly { readonly topic: string; readonly text: string }[];
}

/** Exact numbers of each window, by topic and start: what the street was, which nobody may know. */
type Exact = Map<string, readonly number[]>;

/** A node in virtual time over its real stores in real files, on a street of which everything is known. */
export class ForensicDay {
  readonly clock = new VirtualClock();
  readonly folder = mkdtempSync(join(tmpdir(), "stoep-day-"));
  readonly exact: Exact = new Map();
  #windows = 0;
  readonly #spoiled: Spoiled;
  readonly #broker = new ScriptedBroker(this.clock);
  readonly #status: string[] = [];
  #log = "";
  #node: VirtualNode | null = null;

  private constructor(spoiled: Spoiled) {
    this.#spoiled = spoiled;
    this.#broker.friendly = true;
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  /** The node starts on the border of two windows. */
  static async start(spoiled: Spoiled = {}): Promise<ForensicDay> {
    const day = new ForensicDay(spoiled);
    await day.#start();
    return day;
  }

  get live(): string {
    return join(this.folder, "live.db");
  }

  async #start(): Promise<void> {
    const { connect } = this.#spoiled;
    const stores = await openStores({
      directory: this.folder,
      live: { path: this.live, bootId: "boot-1", bytesMax: 64e6 },
      machine: null,
      wallMs: this.clock.wallMs(),
      randomBytes,
      ...(connect === undefined ? {} : { connect }),
    });
    this.#spoiled.stores?.(stores);
    const write = (text: string): void => {
      this.#log += text;
    };
    const world: Partial<World> = {
      ...stores,
      broker: this.#broker,
      crypto: { ...fixedCrypto, ...seededBytes(42), ...this.#spoiled.crypto },
      events: createPinoEvents(this.clock, "debug", { write }),
    };
    this.#node = new VirtualNode(this.clock, world);
    await this.#node.start(this.#plan());
    await this.clock.advance(10);
    this.node.ports.say("/dev/gate", OPS243_UNITS + OPS243_PRODUCT);
  }

  get node(): VirtualNode {
    if (this.#node === null) throw new Error("the day has not begun");
    return this.#node;
  }

  /** The next windows whole, up to but without number `end`, with these road users each. */
  async until(end: number, each: (window: number) => Street): Promise<void> {
    for (; this.#windows < end; this.#windows++) {
      await this.during(each(this.#windows));
      await this.#quiet(this.#toEnd());
    }
  }

  /** Towards the end of a window, with these in it: what is kept of them is not yet overwritten by what comes after when it is closed. */
  async during(street: Street): Promise<void> {
    await this.#quiet(this.#toEnd() - 2 * PASSING_MS);
    this.#pass(street);
    await this.#quiet(PASSING_MS);
  }

  /** Until the windows so far are closed, and what was in them is gone; `lateness` is 30 s. */
  async closed(): Promise<void> {
    await this.#quiet(40 * SECOND_MS);
    this.#status.push(JSON.stringify(this.node.node.status()));
  }

  /** Somebody says what no driver can bear. */
  garble(text: string): void {
    this.node.ports.say("/dev/radio", text);
  }

  /** What is left by now. */
  remains(): Remains {
    const sent = this.#broker.published.map(({ topic, text }) => ({ topic, text }));
    const status = this.#status.join("\n");
    return { folder: this.folder, live: this.live, node: join(this.folder, "node.db"), log: this.#log, status, sent };
  }

  async stop(): Promise<void> {
    await this.node.stop();
  }

  #toEnd(): number {
    return WINDOW_MS - (this.clock.wallMs() % WINDOW_MS);
  }

  async #quiet(forMs: number): Promise<void> {
    for (let ms = 0; ms < forMs; ms += AIR_EVERY_MS) {
      const air = this.node.ports.last("/dev/air");
      if (!air.isClosed) air.listener({ type: "bytes", data: sds011Frame({ pm25: AIR_PM25, pm10: 20.1 }) });
      if (ms % ANSWER_EVERY_MS === 0) this.node.ports.say("/dev/gate", OPS243_PRODUCT);
      if (ms % ANSWER_EVERY_MS === 0) this.#meters(METERS.map((_, index) => 400 + index));
      if (ms === 0) this.#status.push(JSON.stringify(this.node.node.status()));
      await this.clock.advance(AIR_EVERY_MS);
    }
  }

  #meters(watts: readonly number[]): void {
    for (const [index, watt] of watts.entries()) this.node.ports.say(`/dev/${METERS[index]}`, `{"watt":${watt.toFixed(3)}}\n`);
  }

  #pass({ passages, door, devices }: Street): void {
    const { ports } = this.node;
    const start = new Date(Math.floor(this.clock.wallMs() / WINDOW_MS) * WINDOW_MS).toISOString().replace(".000", "");
    const note = (stream: string, ...numbers: readonly number[]): unknown => this.exact.set(`${stream} ${start}`, numbers);
    const [towards, away] = [Math.ceil(passages / 2), Math.floor(passages / 2)];
    note("gate-1/passages", towards, away);
    note("gate-1/speed", passages);
    note("door-1/entries", door);
    note("till-1/entries", door === 0 ? 0 : 1);
    note("radio-1/devices", devices);
    // Each turn ends the passage before.
    ports.say(
      "/dev/gate",
      Array.from({ length: passages }, (_, at) => ops243Line(SPEED_KMH, at % 2 === 0 ? "inbound" : "outbound")).join(""),
    );
    if (door > 0) ports.say("/dev/till", `{"people":{"in":${TILL_VALUE}}}\n`);
    const gpio = ports.last("gpio");
    const atNs = this.clock.monotonicNs();
    for (let index = 0; index < door; index++) gpio.listener({ type: "edge", line: "line", rising: false, atNs });
    const addresses = Array.from({ length: devices }, (_, index) => (index === 0 ? ADDRESS : addressOf(index)));
    if (passages === BUSY.passages) this.#meters(HOUSEHOLDS_W);
    if (devices > 0) ports.say("/dev/radio", addresses.map((address) => `${Buffer.from(address).toString("hex")}\n`).join(""));
    this.#spoiled.spy?.((line) => {
      this.#log += `${JSON.stringify(line)}\n`;
    });
  }

  #plan() {
    const drivers = new Map<string, Driver>([
      ["ops243", createOps243(driverApi) as Driver],
      ["pulse-counter", createPulseCounter(driverApi) as Driver],
      ["json-lines", createJsonLines(driverApi) as Driver],
      ["sds011", createSds011(driverApi) as Driver],
      ["radio", radioDriver(driverApi, this.#spoiled.quotes === true)],
    ]);
    const { plan, problems } = planNode(parseNodeFile(FILE + METERS_FILE, "node.yaml"), drivers);
    if (plan === null) throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join("\n"));
    return plan;
  }
}

/** How many pass in one window. */
export type Street = Readonly<Record<keyof typeof BUSY, number>>;
export const NOBODY: Street = { passages: 0, door: 0, devices: 0 };
