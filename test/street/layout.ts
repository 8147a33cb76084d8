import type { Dice } from "../../src/testing/simulation/chance.ts";
import {
  CabinetDoor,
  CupAnemometer,
  CyclePath,
  LightingPulses,
  PeopleGate,
  TippingBucket,
  WithheldContact,
} from "./instruments/contacts.ts";
import { Pms5003, Sds011, Sps30 } from "./instruments/dust.ts";
import { Mhz19, SenseairS8 } from "./instruments/gas.ts";
import { ascii } from "./instruments/instrument.ts";
import { GnssReceiver, HouseholdMeter, LightingMeter } from "./instruments/meters.ts";
import { ModbusBus, unitsOf } from "./instruments/modbus.ts";
import { Sdi12Line } from "./instruments/sdi12.ts";
import { JsonBoard, PairsBoard, SoundMeter } from "./instruments/sound.ts";
import { Ds18b20 } from "./instruments/thermometer.ts";
import { Ops243, Tfmini } from "./instruments/traffic.ts";
import { VantageConsole } from "./instruments/vantage.ts";
import { A02yyuw, WindSonic, Wxt530 } from "./instruments/weather.ts";
import { BUS, type Sensor, type Street } from "./street.ts";

/** Windows of people: the shortest that a port in the field may have (CONTRACT §1). */
export const PEOPLE_WINDOW_SECONDS = 300;
/** What each stream of people tells of an event: five of them, together within the budget of 1. */
export const EPSILON = 0.2;

const noised = (more: object = {}): object => ({ policy: "noised", epsilon: EPSILON, window: `${PEOPLE_WINDOW_SECONDS}s`, ...more });

/** Noise on a line: any bytes but those that a frame begins with, now and then. */
const noise =
  (...heads: readonly number[]) =>
  (dice: Dice): readonly number[] =>
    dice.percent(30) ? Array.from(dice.bytes(dice.between(1, 12))).filter((byte) => !heads.includes(byte)) : [];

/** Lines of text that are no measurement: what an instrument prints when it starts, half lines, bytes that are no text. */
const chatter =
  (...lines: readonly string[]) =>
  (dice: Dice): readonly number[] =>
    dice.percent(15) ? ascii(dice.pick(lines as [string, ...string[]])) : [];

const SERIAL: readonly Sensor[] = [
  { id: "air-1", make: (dice) => new Sds011(dice) },
  { id: "air-2", make: (dice) => new Sds011(dice), windowSeconds: 60 },
  { id: "air-3", make: (dice) => new Sds011(dice), disturbance: { between: noise(0xaa) } },
  { id: "dust-1", make: (dice) => new Pms5003(dice) },
  { id: "dust-2", make: (dice) => new Pms5003(dice), windowSeconds: 60 },
  { id: "dust-3", make: (dice) => new Pms5003(dice), disturbance: { bitFlips: 10 } },
  { id: "fine-1", make: (dice) => new Sps30(dice, { isMeasuring: false }) },
  { id: "fine-2", make: (dice) => new Sps30(dice, { isMeasuring: true }) },
  { id: "gas-1", make: (dice) => new Mhz19(dice), windowSeconds: 60 },
  { id: "gas-2", make: (dice) => new Mhz19(dice, { selfCalibration: "off" }) },
  { id: "gas-3", make: (dice) => new SenseairS8(dice, { selfCalibrationHours: 0 }), disturbance: { bitFlips: 5 } },
  { id: "gas-4", make: (dice) => new SenseairS8(dice) },
  { id: "quay-1", make: (dice) => new A02yyuw(dice, 3_200) },
  { id: "quay-2", make: (dice) => new A02yyuw(dice, 4_500) },
  { id: "quay-3", make: (dice) => new A02yyuw(dice, -250), windowSeconds: 60 },
  { id: "wind-1", make: (dice) => new WindSonic(dice) },
  { id: "wind-2", make: (dice) => new WindSonic(dice), windowSeconds: 60, disturbance: { between: noise(0x02) } },
  { id: "weather-1", make: (dice) => new Wxt530(dice, 5, "M") },
  { id: "weather-2", make: (dice) => new Wxt530(dice, 6, "A") },
  { id: "weather-3", make: (dice) => new VantageConsole(dice) },
  { id: "soil-1", make: (dice) => new Sdi12Line(dice) },
  {
    id: "sound-1",
    make: (dice) => new SoundMeter(dice, { isLong: true }),
    disturbance: { between: chatter("SLM-1 V2.3\r\n", ";;OVER\r\n") },
  },
  { id: "sound-2", make: (dice) => new SoundMeter(dice, { isLong: false }) },
  { id: "board-1", make: (dice) => new JsonBoard(dice), disturbance: { between: chatter("boot ok\n", '{"laeq":\n', "\u00ff\u00fe\n") } },
  { id: "board-2", make: (dice) => new PairsBoard(dice) },
  { id: "gate-1", make: (dice) => new Ops243(dice, { passages: noised(), speed: noised() }) },
  { id: "path-1", make: (dice) => new Tfmini(dice, { passages: noised() }) },
  { id: "lights-1", make: (dice) => new LightingMeter(dice) },
  { id: "home-1", make: (dice) => new HouseholdMeter(dice) },
  { id: "gnss-1", make: (dice) => new GnssReceiver(dice) },
];

const CONTACTS: readonly Sensor[] = [
  { id: "rain-1", make: (dice) => new TippingBucket(dice) },
  { id: "rain-2", make: (dice) => new TippingBucket(dice), windowSeconds: 60 },
  { id: "cups-1", make: (dice) => new CupAnemometer(dice) },
  { id: "cups-2", make: (dice) => new CupAnemometer(dice), windowSeconds: 60 },
  { id: "pulses-1", make: (dice) => new LightingPulses(dice) },
  { id: "entry-1", make: (dice) => new PeopleGate(dice, { entries: noised({ bound: 1 }) }) },
  { id: "track-1", make: (dice) => new CyclePath(dice, { passages: noised() }) },
  {
    id: "door-1",
    make: (dice) => new CabinetDoor(dice, { quantity: "cabinet_door", states: ["closed", "open"], highState: 1, meanMs: 30_000 }),
  },
  {
    id: "probe-1",
    make: (dice) => new CabinetDoor(dice, { quantity: "water_detected", states: ["dry", "wet"], highState: 0, meanMs: 90_000 }),
    windowSeconds: 60,
  },
  { id: "bench-1", make: (dice) => new WithheldContact(dice, "pir", { edge: "both", stream: "presence" }) },
  { id: "bay-1", make: (dice) => new WithheldContact(dice, "parking-bay", { edge: "both", stream: "state" }) },
  {
    id: "flat-1",
    make: (dice) => new WithheldContact(dice, "s0-meter", { options: { pulsesPerKwh: 1_000 }, edge: "falling", stream: "energy" }),
  },
];

/** Sensors that the kernel shows as folders with files. */
const FILES: readonly Sensor[] = [
  { id: "road-1", make: (dice) => new Ds18b20(dice) },
  { id: "road-2", make: (dice) => new Ds18b20(dice) },
];

/** Everything on this street; the bus is one line of it. */
export const LINES: readonly Sensor[] = [...SERIAL, ...CONTACTS, ...FILES, { id: BUS, make: (dice) => new ModbusBus(dice, unitsOf()) }];
/** The sensors of the node. */
export const SENSORS: readonly string[] = [...SERIAL, ...CONTACTS, ...FILES, ...unitsOf()].map(({ id }) => id);

/** Streams whose counts are published with noise: from which sensor, and how they are told apart. */
export const PEOPLE: readonly string[] = ["gate-1.passages", "gate-1.speed", "path-1.passages", "entry-1.entries", "track-1.passages"];

/** Where the lines of a sensor are, as the config names them. */
export interface Wiring {
  /** Path of the serial line of a sensor. */
  path(sensor: string): string;
  /** Name of a GPIO line of a sensor. */
  line(sensor: string, line: string): string;
  /** Folder of a sensor that the kernel shows as files. */
  folder(sensor: string): string;
}

/** The parts `sensors:` and `buses:` of a node file. */
export function partsOf(street: Street, wiring: Wiring): { readonly sensors: Readonly<Record<string, object>>; readonly buses: object } {
  const alone = [...SERIAL, ...CONTACTS, ...FILES].map(
    ({ id, windowSeconds }) => [id, sensorOf(street, id, wiring, windowSeconds)] as const,
  );
  const units = street.units.map((id) => {
    const unit = street.unit(id);
    return [id, { driver: "modbus", bus: BUS, unit: unit?.unit, options: unit?.options }] as const;
  });
  const buses = { [BUS]: { serial: { path: wiring.path(BUS), baud: street.instrument(BUS)?.baud } } };
  return { sensors: Object.fromEntries([...alone, ...units]), buses };
}

function sensorOf(street: Street, id: string, wiring: Wiring, windowSeconds: number | undefined): object {
  const thermometer = street.thermometer(id);
  if (thermometer !== null) return { driver: thermometer.driver, file: { path: wiring.folder(id) }, options: thermometer.options };
  const thing = street.instrument(id) ?? street.contact(id);
  if (thing === null) throw new Error(`${id} is not on the street`);
  const { driver, options, truths } = thing;
  const open = windowSeconds === undefined ? undefined : openStreams(truths, windowSeconds);
  const streams = thing.streams ?? open;
  const baud = street.instrument(id)?.baud ?? null;
  const serial = { path: wiring.path(id), ...(baud === null ? {} : { baud }) };
  const port = street.contact(id) === null ? { serial } : { gpio: gpioOf(street, id, wiring) };
  return { driver, ...port, options, ...(streams === undefined ? {} : { streams }) };
}

const openStreams = (truths: object, windowSeconds: number): object =>
  Object.fromEntries(Object.keys(truths).map((channel) => [channel, { window: `${windowSeconds}s` }]));

function gpioOf(street: Street, id: string, wiring: Wiring): object {
  const contact = street.contact(id);
  if (contact === null) return {};
  const { edge, debounce, lines } = contact;
  const line = (name: string): object => ({ line: wiring.line(id, name), edge, pull: "up", debounce });
  return lines.length === 1 ? line("line") : { lines: Object.fromEntries(lines.map((name) => [name, line(name)])) };
}
