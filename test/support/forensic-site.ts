import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Canaries } from "./canaries.ts";
import type { Lab } from "./lab.ts";
import type { NodeSite } from "./node-process.ts";
import { CAPTURE_HEAD, captureOf, OPS243_UNITS, ops243Line } from "./ops243.ts";
import type { PtyPair } from "./pty.ts";

export const WINDOW_MS = 10_000;
/** At serial ports, where it is the shortest for people. */
export const PORT_WINDOW_MS = 300_000;

/** What comes in at the serial ports: numbers and an address that stand nowhere by chance. */
const ON_PORTS = { speedKmh: 63.714, keptKmh: 63.7, till: 31_415.926535897932, address: Uint8Array.of(0xb8, 0x27, 0xeb, 0x3c, 0x71, 0x9e) };
/** What comes in from captures, which may have windows of seconds: nobody is behind them. */
const IN_CAPTURES = {
  speedKmh: 87.634,
  keptKmh: 87.6,
  till: 27_182.818284590452,
  address: Uint8Array.of(0xa4, 0xc1, 0x38, 0x5e, 0x91, 0xd7),
};
type Planted = typeof ON_PORTS;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** 30 objects within 4.5 s: 23 towards the radar, 7 away from it. */
const OBJECTS = Array.from({ length: 30 }, (_, index) => (index % 4 === 3 ? "outbound" : "inbound") as "inbound" | "outbound");
const DOOR = 61;
/** To what a counter cuts down each reading: it makes noise of ten digits. */
const BOUND = 1_000;
/** Exact numbers of the window in which everybody passes, by sensor and stream. */
export const EXACT: Readonly<Record<string, readonly number[]>> = {
  "gate-c/passages": [23, 7],
  "gate-c/speed": [30],
  "till-c/entries": [3 * BOUND],
  "radio-c/devices": [1],
  "door-c/entries": [DOOR],
};

const till = (value: number): string => `{"people":{"in":${value}}}\r\n`;

/** A driver that no catalogue has: it reads addresses in hex, a line each. */
const RADIO = `
const channels = [{ name: "devices", quantity: "devices", unit: "1", range: [0, 1], resolution: 1, sensitivity: "identifying" }];
export default ({ z, delimiterFramer }) => ({
  apiVersion: 1, name: "radio", summary: "addresses in hex", port: "serial", serial: { baudRate: 115200 },
  options: z.strictObject({}), channels: () => channels,
  start: () => {
    const framer = delimiterFramer({ frameBytesMax: 64 });
    return {
      handle(event, out) {
        if (event.type === "opened") out.expect(null);
        if (event.type === "bytes") framer.push(event.data, {
          discard: (reason, count) => out.discard(reason, count),
          frame(bytes, start, length) {
            const text = String.fromCharCode(...bytes.subarray(start, start + length));
            if (!/^[0-9a-f]{12}$/.test(text)) throw new Error(text + " is no address");
            out.identity("devices", Uint8Array.from(text.match(/../g), (pair) => Number.parseInt(pair, 16)));
          },
        });
      },
    };
  },
});
`;

function driverAt(site: NodeSite): { path: string; sha256: string } {
  const path = join(site.folder, "drivers", "radio", "driver.mjs");
  mkdirSync(join(site.folder, "drivers", "radio"), { recursive: true });
  writeFileSync(path, RADIO);
  return { path, sha256: createHash("sha256").update(RADIO).digest("hex") };
}

/** Noise of seven digits; see test/support/forensic-day.ts. */
const POLICY = { policy: "noised", epsilon: "0.000001" };
const entriesOptions = (): object => ({
  fields: { entries: { key: "people.in", quantity: "entries", counts: "increments", resolution: 1 } },
});

/** A node with three sensors of people at serial ports, and four that play captures out of pipes: no file of the test holds those. */
export class ForensicSite {
  readonly site: NodeSite;
  readonly #pipes: readonly (readonly [string, string])[];
  readonly #ptys: readonly PtyPair[];

  static async open(lab: Lab, brokerUrl: string): Promise<ForensicSite> {
    const ptys = await Promise.all(["gate-p", "till-p", "radio-p"].map(() => lab.pty()));
    return new ForensicSite(lab, brokerUrl, ptys);
  }

  private constructor(lab: Lab, brokerUrl: string, ptys: readonly PtyPair[]) {
    const onPort = (index: number, stream: string, more: object = {}): object => ({
      serial: { path: ptys[index]?.path },
      streams: { [stream]: { ...POLICY, window: "5m", ...more } },
    });
    const inCapture = (file: string, streams: Readonly<Record<string, object>>): object => ({
      replay: { file },
      streams: Object.fromEntries(Object.entries(streams).map(([name, more]) => [name, { ...POLICY, window: "10s", ...more }])),
    });
    // Made anew each time: what stands twice would be written with an anchor.
    const radar = (): object => ({ driver: "ops243", options: { holdOffMs: 100 } });
    const counter = (): object => ({ driver: "json-lines", options: entriesOptions() });
    const sensors = {
      "gate-p": { ...radar(), ...onPort(0, "speed") },
      "till-p": { ...counter(), ...onPort(1, "entries", { bound: 1 }) },
      "radio-p": { driver: "radio", ...onPort(2, "devices") },
      "gate-c": { ...radar(), ...inCapture("gate.txt", { passages: {}, speed: {} }) },
      "till-c": { ...counter(), ...inCapture("till.txt", { entries: { bound: BOUND } }) },
      "radio-c": { driver: "radio", ...inCapture("radio.txt", { devices: {} }) },
      "door-c": {
        ...{ driver: "pulse-counter", options: { quantity: "entries", perPulse: 1 } },
        ...inCapture("door.txt", { entries: { bound: BOUND } }),
      },
    };
    this.site = lab.site({ broker: { url: brokerUrl }, sensors: {} });
    this.site.write({ broker: { url: brokerUrl }, driverPaths: [driverAt(this.site)], sensors });
    this.#ptys = ptys;
    const { speedKmh, till: value, address } = IN_CAPTURES;
    const lines = (text: string): string => `# stoep-golden 1\n+0ms open\n${`+100ms < ${JSON.stringify(text)}\n`.repeat(3)}`;
    const street = OBJECTS.map((way) => captureOf([speedKmh], way).replace("+100ms", "+150ms")).join("");
    const pulses = `# stoep-golden 1\n+0ms open line=high\n${"+50ms edge line falling\n".repeat(DOOR)}`;
    this.#pipes = [
      [this.site.pipe("gate.txt"), CAPTURE_HEAD + street],
      [this.site.pipe("till.txt"), lines(till(value))],
      [this.site.pipe("radio.txt"), lines(`${hex(address)}\n`)],
      [this.site.pipe("door.txt"), pulses],
    ];
  }

  /** Everybody passes, at every input. */
  async pass(): Promise<void> {
    const [gate, counter, radio] = this.#ptys;
    const { speedKmh, till: value, address } = ON_PORTS;
    const street = OBJECTS.map((way) => ops243Line(speedKmh, way)).join("");
    await Promise.all([
      gate?.feed(OPS243_UNITS + street),
      counter?.feed(till(value).repeat(3)),
      radio?.feed(`${hex(address)}\n`.repeat(3)),
      ...this.#pipes.map(([pipe, text]) => writeFile(pipe, text)),
    ]);
  }

  /** Takes the captures away: a pipe that nobody writes to would hold up the end of the process that reads it. */
  unplug(): void {
    for (const [pipe] of this.#pipes) rmSync(pipe);
  }

  /** The radio says what its driver cannot bear, and it quotes it. */
  async garble(): Promise<void> {
    await this.#ptys[2]?.feed(`${hex(ON_PORTS.address)}!\n`);
  }
}

/** What of some inputs must not be found. */
function canariesOf({ speedKmh, keptKmh, till: value, address }: Planted): Canaries {
  return new Canaries().number(speedKmh, keptKmh, value, Number.parseInt(hex(address), 16)).identifier(address);
}

export const onPorts = (): Canaries => canariesOf(ON_PORTS);
export const inCaptures = (): Canaries => canariesOf(IN_CAPTURES);

/** What came in at the serial ports, byte for byte as it stood on the line and as it was parsed: to be looked for in memory. */
export function asItCameIn(): ReadonlyMap<string, Buffer> {
  const { speedKmh, till: value, address } = ON_PORTS;
  return new Map([
    ["a speed on the line", Buffer.from(String(speedKmh))],
    ["a speed, parsed", float64(speedKmh)],
    ["a count on the line", Buffer.from(String(value))],
    ["a count, parsed", float64(value)],
    ["an address on the line", Buffer.from(hex(address))],
    ["an address, parsed", Buffer.from(address)],
  ]);
}

function float64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}
