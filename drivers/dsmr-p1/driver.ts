import type {
  BusEvent,
  ChannelSpec,
  DiscardReason,
  Driver,
  DriverApi,
  Framer,
  FrameSink,
  Session,
  SessionSink,
} from "../../src/driver-api/index.ts";

// Netbeheer Nederland "Dutch Smart Meter Requirements, P1 Companion Standard", here "P1". What it says is taken from the telegrams
// of ndokter/dsmr_parser: test/example_telegrams.py and the list of objects in nielsbasjes/dsmr-tools: Dsmr.g4.

type Version = "2.2" | "3.0" | "4" | "5";
interface Options {
  readonly version: Version;
  readonly serves: "household" | "street-lighting";
}

/**
 * How a version speaks. Rate and checksum: ndokter/dsmr_parser: dsmr_parser/clients/settings.py and telegram_specifications.py. How
 * often: every 10 s, since 5 every second, as these meters are known; the text of P1 was not at hand.
 */
interface Manner {
  readonly everyMs: number;
  readonly isSummed: boolean;
}
const MANNERS: Readonly<Record<Version, Manner>> = {
  "2.2": { everyMs: 10_000, isSummed: false },
  "3.0": { everyMs: 10_000, isSummed: false },
  "4": { everyMs: 10_000, isSummed: true },
  "5": { everyMs: 1_000, isSummed: true },
};
const LINE_OF_TODAY = { baudRate: 115_200 } as const;
const LINE_BEFORE_4 = { baudRate: 9_600, dataBits: 7, parity: "even", stopBits: 1 } as const;
/** Two telegrams may get lost before the meter counts as silent. */
const MISSED_TELEGRAMS = 3;

/** Our bound. The longest example, three phases and texts of 1,024 characters, stays below 3,000 bytes. */
const TELEGRAM_BYTES_MAX = 4_096;
const SLASH = 0x2f;
const EXCLAMATION = 0x21;
const LF = 0x0a;
const CR = 0x0d;
const OPEN = 0x28;
const CLOSE = 0x29;
/** `!`, four hex digits, CR LF. */
const SUM_BYTES = 4;
const LINE_END_BYTES = 2;

/** The longest reference that is looked at, such as `0-4:24.2.1`. Longer ones are not read. */
const REFERENCE_BYTES_MAX = 12;
const VERSION_OBJECT = "1-3:0.2.8";
const DEVICE_TYPE = /^0-([1-4]):24\.1\.0$/;
const METER_VALUE = /^0-([1-4]):24\.([23])\.[01]$/;
/** Device types of M-Bus (EN 13757-3): what hangs on the meter. */
const GAS = 3;
const WATER = 7;

const WH_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ["kWh", 1_000],
  ["Wh", 1],
]);
const W_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ["kW", 1_000],
  ["W", 1],
]);
const CUBIC_METRES: ReadonlyMap<string, number> = new Map([["m3", 1]]);

/** The objects that are read, and their units. All others are skipped as bytes: numbers of meters and texts never become a string. */
const ELECTRICITY: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map([
  ...["1.8.0", "1.8.1", "1.8.2", "2.8.0", "2.8.1", "2.8.2"].map((object) => [`1-0:${object}`, WH_PER_UNIT] as const),
  ["1-0:1.7.0", W_PER_UNIT],
  ["1-0:2.7.0", W_PER_UNIT],
]);
const VALUE = /^\((\d{1,12}(?:\.\d{1,3})?)\*([A-Za-z0-9]{1,4})\)$/;
/** Since 4: time of the meter's last reading, then the value. Before: a profile in brackets, its unit, and the value on the next line. */
const METER_READING = /^\(\d{12}[SW]\)\((\d{1,8}(?:\.\d{1,3})?)\*(m3)\)$/;
const METER_PROFILE = /^\(\d{12}\)\(\d+\)\(\d+\)\(\d+\)\(0-[1-4]:24\.2\.[01]\)\((m3)\)$/;
const PROFILE_VALUE = /^\((\d{1,8}(?:\.\d{1,3})?)\)$/;
/** `50` is 5.0, `42` is 4.2. */
const VERSION = /^\((\d)(\d)\)$/;

// Dsmr.g4: electricity F9(3,3) in kWh, power F5(3,3) in kW; gas as in the telegrams, 5 and 3 digits: what a telegram has room for.
const ENERGY = { unit: "kW.h", range: [0, 999_999.999], resolution: 0.001 } as const;
const POWER = { quantity: "power", unit: "W", range: [0, 99_999], resolution: 1, sensitivity: "identifying" } as const;
const VOLUME = { unit: "m3", range: [0, 99_999.999], resolution: 0.001, sensitivity: "identifying" } as const;
const HOUSEHOLD: readonly ChannelSpec[] = [
  { name: "import", quantity: "energy", ...ENERGY, sensitivity: "identifying" },
  { name: "export", quantity: "energy", ...ENERGY, sensitivity: "identifying" },
  { name: "power_import", ...POWER },
  { name: "power_export", ...POWER },
  { name: "gas", quantity: "gas", ...VOLUME },
  { name: "water", quantity: "water_use", ...VOLUME },
];
const STREET_LIGHTING: readonly ChannelSpec[] = [
  { name: "import", quantity: "street_lighting_energy", ...ENERGY, sensitivity: "environmental" },
];

/** What a telegram says, collected before anything is told: one line that is wrong casts doubt on the others. */
interface Telegram {
  readonly electricity: Map<string, number>;
  readonly deviceTypes: Map<string, number>;
  readonly meters: Map<string, number>;
  version: string | null;
  /** The M-Bus channel whose value stands on the next line. */
  pending: string | null;
}

const text = (bytes: Uint8Array, start: number, end: number): string => String.fromCharCode(...bytes.subarray(start, end));

/** Reads one line. False when it is an object that is read but not in the form that the standard gives it. */
function readLine(telegram: Telegram, bytes: Uint8Array, start: number, end: number): boolean {
  const { pending } = telegram;
  telegram.pending = null;
  if (pending !== null) {
    const value = PROFILE_VALUE.exec(text(bytes, start, end))?.[1];
    if (value !== undefined) telegram.meters.set(pending, Number(value));
    return value !== undefined;
  }
  const open = bytes.subarray(0, end).indexOf(OPEN, start);
  if (open < 0 || bytes[end - 1] !== CLOSE) return false;
  if (open - start > REFERENCE_BYTES_MAX) return true;
  const reference = text(bytes, start, open);
  const units = ELECTRICITY.get(reference);
  if (units !== undefined) {
    const [, value, unit = ""] = VALUE.exec(text(bytes, open, end)) ?? [];
    const factor = units.get(unit);
    // Whole Wh and W: the sum of two tariffs is free of the dust of a binary fraction.
    if (factor !== undefined) telegram.electricity.set(reference, Math.round(Number(value) * factor));
    return factor !== undefined;
  }
  if (reference === VERSION_OBJECT) {
    const [, major, minor] = VERSION.exec(text(bytes, open, end)) ?? [];
    if (major !== undefined) telegram.version = `${major}.${minor}`;
    return true;
  }
  return readMeter(telegram, reference, () => text(bytes, open, end));
}

/** What hangs on the meter: its type, and its value. */
function readMeter(telegram: Telegram, reference: string, rest: () => string): boolean {
  const typed = DEVICE_TYPE.exec(reference)?.[1];
  if (typed !== undefined) {
    const type = /^\((\d{1,3})\)$/.exec(rest())?.[1];
    if (type !== undefined) telegram.deviceTypes.set(typed, Number(type));
    return type !== undefined;
  }
  const [, channel, form] = METER_VALUE.exec(reference) ?? [];
  if (channel === undefined) return true;
  if (form === "3") {
    if (METER_PROFILE.test(rest())) telegram.pending = channel;
    return true;
  }
  const [, value, unit = ""] = METER_READING.exec(rest()) ?? [];
  // A heat meter has GJ: not one of ours, and nothing wrong with it.
  if (CUBIC_METRES.has(unit)) telegram.meters.set(channel, Number(value));
  return true;
}

/** The value of the only meter of this type; undefined for none, and for several, of which one may be out of use. */
function meterOf({ deviceTypes, meters }: Telegram, type: number): number | undefined {
  const channels = [...meters.keys()].filter((channel) => deviceTypes.get(channel) === type);
  return channels.length === 1 ? meters.get(channels[0] as string) : undefined;
}

/** The register over all tariffs; where the meter has none, the sum of its two tariffs, which is what that register counts. */
function energyKwh({ electricity }: Telegram, object: "1.8" | "2.8"): number | undefined {
  const [total, first, second] = [0, 1, 2].map((tariff) => electricity.get(`1-0:${object}.${tariff}`));
  if (total !== undefined) return total / 1_000;
  return first === undefined || second === undefined ? undefined : (first + second) / 1_000;
}

class DsmrP1 implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #manner: Manner;
  readonly #isHousehold: boolean;
  #out: SessionSink | null = null;

  constructor(framer: Framer, { version, serves }: Options) {
    this.#framer = framer;
    this.#manner = MANNERS[version];
    this.#isHousehold = serves === "household";
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") this.#opened(event.settings.serial, out);
    else if (event.type === "closed") this.#framer.reset(this);
  }

  #opened(serial: { readonly baudRate: number; readonly dataBits?: number } | undefined, out: SessionSink): void {
    out.expect(MISSED_TELEGRAMS * this.#manner.everyMs);
    // The rate can be set in the config, seven bits and parity cannot: the version implies them.
    if (!this.#manner.isSummed && serial !== undefined && serial.dataBits !== LINE_BEFORE_4.dataBits) out.reopen(LINE_BEFORE_4);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null) return;
    const telegram: Telegram = { electricity: new Map(), deviceTypes: new Map(), meters: new Map(), version: null, pending: null };
    if (!this.#read(telegram, bytes, start, start + length)) out.discard("syntax", length);
    else this.#tell(telegram, out);
  }

  #read(telegram: Telegram, bytes: Uint8Array, start: number, end: number): boolean {
    // The first line names the make and the number of the meter: it is skipped.
    let at = bytes.indexOf(LF, start) + 1;
    while (at < end && bytes[at] !== EXCLAMATION) {
      const next = bytes.indexOf(LF, at);
      const lineEnd = bytes[next - 1] === CR ? next - 1 : next;
      if (lineEnd > at && !readLine(telegram, bytes, at, lineEnd)) return false;
      at = next + 1;
    }
    return telegram.pending === null;
  }

  #tell(telegram: Telegram, out: SessionSink): void {
    // A telegram comes whether or not anybody is at home: that it came is the sign of life, not what it says.
    out.about({ model: telegram.version === null ? "P1 meter" : `P1 meter, DSMR ${telegram.version}` });
    const total = (channel: string, value: number | undefined): void => {
      if (value !== undefined) out.total(channel, value);
    };
    total("import", energyKwh(telegram, "1.8"));
    if (!this.#isHousehold) return;
    total("export", energyKwh(telegram, "2.8"));
    for (const [object, channel] of [
      ["1-0:1.7.0", "power_import"],
      ["1-0:2.7.0", "power_export"],
    ] as const) {
      const watt = telegram.electricity.get(object);
      if (watt !== undefined) out.reading(channel, watt);
    }
    total("gas", meterOf(telegram, GAS));
    total("water", meterOf(telegram, WATER));
  }
}

/** CRC-16/ARC over `/` to `!`, both included, as four hex digits (three telegrams of ndokter/dsmr_parser agree). */
function hasSum({ crc16Arc }: DriverApi, bytes: Uint8Array, start: number, end: number): boolean {
  const sumAt = end - LINE_END_BYTES - SUM_BYTES;
  if (bytes[sumAt - 1] !== EXCLAMATION) return false;
  const sum = text(bytes, sumAt, sumAt + SUM_BYTES);
  return /^[0-9A-F]{4}$/i.test(sum) && crc16Arc(bytes, start, sumAt) === Number.parseInt(sum, 16);
}

/** Without a checksum: nothing behind the `!`, and no other telegram begins inside, which is how one looks that was cut short. */
function isBare(bytes: Uint8Array, start: number, end: number): boolean {
  const last = bytes[end - 2] === CR ? end - 3 : end - 2;
  return bytes[last] === EXCLAMATION && bytes.subarray(0, end).indexOf(SLASH, start + 1) < 0;
}

/** The P1 port of Dutch smart meters, DSMR 2.2 to 5. */
export default (api: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "dsmr-p1",
  summary: "P1 port of a smart meter, DSMR 2.2 to 5: energy, power, gas and water",
  testedWith: "telegrams of meters (dsmr_parser)",
  port: "serial",
  serial: LINE_OF_TODAY,
  unchecked: "Telegrams of DSMR 2.2 and 3 have no checksum.",
  options: api.z.strictObject({
    version: api.z
      .enum(["2.2", "3.0", "4", "5"])
      .default("5")
      .describe('What the meter speaks. "2.2" and "3.0" are 9600 7E1 without a checksum; "4" and "5" are 115200 8N1 with one.'),
    serves: api.z
      .enum(["household", "street-lighting"])
      .default("household")
      .describe("street-lighting: the meter of a public lighting cabinet, behind which nobody lives. Only its energy is read."),
  }),
  channels: ({ serves }) => (serves === "household" ? HOUSEHOLD : STREET_LIGHTING),
  start: (options) => {
    const isSummed = MANNERS[options.version].isSummed;
    return new DsmrP1(
      api.telegramFramer({
        first: SLASH,
        closing: [LF, EXCLAMATION],
        last: LF,
        frameBytesMax: TELEGRAM_BYTES_MAX,
        isSound: (bytes, start, end) => (isSummed ? hasSum(api, bytes, start, end) : isBare(bytes, start, end)),
      }),
      options,
    );
  },
});
