import type { Chance } from "./chance.ts";

/** What hangs on the lamp post of a world. */
export type DeviceName = "sds011" | "pms5003" | "ops243" | "sound" | "till" | "rain" | "door";

/** How a world is before anything goes wrong. */
export interface Scenario {
  readonly devices: readonly DeviceName[];
  /** Length of the windows of environmental streams. */
  readonly windowMs: number;
  readonly latenessMs: number;
  readonly inFlightMax: number;
  readonly ackTimeoutMs: number;
  /** Receive Maximum and Maximum Packet Size of the broker; null: it names none. */
  readonly receiveMaximum: number;
  readonly packetBytesMax: number | null;
  readonly oneWayMs: number;
  /** When nobody passes: what leaves must look the same but for the noise (promise P1). */
  readonly isEmptyStreet: boolean;
}

/** Windows of people, ms: the shortest that a port in the field may have (CONTRACT §1). */
export const PEOPLE_WINDOW_MS = 300_000;
/** What the gate tells of an event, and what the door does: together within the budget of 1. */
export const EPSILON = { passages: 0.4, speed: 0.2, door: 0.2, till: 0.2 } as const;

const SERIAL: Readonly<Record<string, string>> = {
  sds011: "air-1: { driver: sds011, serial: { path: /dev/air }%STREAMS% }",
  pms5003: "dust-1: { driver: pms5003, serial: { path: /dev/dust }%STREAMS% }",
};

/** Which world a seed makes. `isEmptyStreet` changes nothing else. */
export function scenarioOf(chance: Chance, isEmptyStreet = false): Scenario {
  const dice = chance.of("scenario");
  const environmental = shuffled(["sds011", "pms5003", "sound", "rain"] as const, (below) => dice.below(below));
  const people = shuffled(["ops243", "door", "till"] as const, (below) => dice.below(below));
  const devices = [...environmental.slice(0, dice.between(1, 3)), ...people.slice(0, dice.between(0, 2))];
  return {
    devices: devices.length > 1 ? devices : [...devices, people[0] as DeviceName],
    windowMs: dice.pick([60_000, 120_000, 300_000]),
    latenessMs: dice.pick([5_000, 30_000]),
    inFlightMax: dice.pick([20, 1, 5]),
    ackTimeoutMs: dice.pick([30_000, 10_000]),
    receiveMaximum: dice.pick([65_535, 20, 1]),
    packetBytesMax: dice.pick([null, null, 4_096]),
    oneWayMs: dice.pick([10, 80, 400]),
    isEmptyStreet,
  };
}

function shuffled<T>(items: readonly T[], below: (below: number) => number): readonly T[] {
  const rest = [...items];
  return items.map(() => rest.splice(below(rest.length), 1)[0] as T);
}

/** The node file of a world. */
export function nodeFileOf({ devices, windowMs, latenessMs, inFlightMax, ackTimeoutMs }: Scenario): string {
  const lateness = `lateness: ${latenessMs}ms`;
  const stream = `window: ${windowMs / 1_000}s, ${lateness}`;
  const noised = (epsilon: number, more = ""): string =>
    `{ policy: noised, epsilon: ${epsilon}, window: ${PEOPLE_WINDOW_MS / 1_000}s, ${lateness}${more} }`;
  const sensors: Readonly<Record<DeviceName, readonly string[]>> = {
    sds011: [withStreams("sds011", `pm25: { ${stream} }, pm10: { ${stream} }`)],
    pms5003: [withStreams("pms5003", `pm1: { ${stream} }, pm10: { ${stream} }`)],
    ops243: [
      "gate-1:",
      "  driver: ops243",
      "  serial: { path: /dev/gate }",
      "  streams:",
      `    passages: ${noised(EPSILON.passages)}`,
      `    speed: ${noised(EPSILON.speed)}`,
      "    passages_1h: { from: passages, window: 1h }",
    ],
    sound: [
      "sound-1:",
      "  driver: json-lines",
      "  serial: { path: /dev/sound }",
      "  options:",
      "    everyMs: 10000",
      "    fields:",
      "      level: { key: laeq, quantity: sound_level, range: [20, 140], resolution: 0.1 }",
      "      warmth: { key: air.t, quantity: temperature, range: [-40, 85], resolution: 0.1 }",
      `  streams: { level: { ${stream} }, warmth: { ${stream} } }`,
    ],
    till: [
      "till-1:",
      "  driver: json-lines",
      "  serial: { path: /dev/till }",
      "  options: { fields: { entries: { key: people.in, quantity: entries, counts: increments, resolution: 1 } } }",
      `  streams: { entries: ${noised(EPSILON.till, ", bound: 1")} }`,
    ],
    rain: [
      "rain-1:",
      "  driver: pulse-counter",
      "  gpio: { line: GPIO17, edge: falling, debounce: 50ms }",
      "  options: { quantity: rainfall, perPulse: 0.2794 }",
      `  streams: { rainfall: { ${stream} } }`,
    ],
    door: [
      "door-1:",
      "  driver: pulse-counter",
      "  gpio: { line: GPIO27, edge: falling, debounce: 50ms }",
      "  options: { quantity: entries, perPulse: 1 }",
      `  streams: { entries: ${noised(EPSILON.door, ", bound: 1")} }`,
    ],
  };
  return [
    "stoep: 1",
    "node: { id: sim, purpose: simulation }",
    "broker:",
    "  url: mqtts://broker.invalid",
    "  prefix: simulated/city",
    "  username: sim",
    "  password: { env: NONE }",
    `  inFlight: ${inFlightMax}`,
    `  ackTimeout: ${ackTimeoutMs}ms`,
    "sensors:",
    ...devices.flatMap((device) => sensors[device].map((line) => `  ${line}`)),
    "",
  ].join("\n");
}

const withStreams = (device: string, streams: string): string =>
  (SERIAL[device] as string).replace("%STREAMS%", `, streams: { ${streams} }`);
