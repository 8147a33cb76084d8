import type {
  BusEvent,
  ChannelSpec,
  DiscardReason,
  Driver,
  DriverApi,
  Framer,
  FrameSink,
  ReadingDetail,
  Session,
  SessionSink,
} from "../../src/driver-api/index.ts";

// Vaisala "WXT530 Series User Guide" M211840EN and "WXT510 User's Guide" M210470EN, in this file "M211840" and "M210470".

interface Options {
  readonly address: string;
  readonly everySeconds: number;
  readonly checksum: boolean;
}

/** Our bound. A composite message with all fields has some 250 characters. */
const LINE_BYTES_MAX = 384;
const CR = 0x0d;
/** Two answers may get lost before the instrument counts as silent. */
const MISSED_ANSWERS = 3;
const EVERY_SECONDS_MAX = 3_600;
const POLL = "poll";

/** M211840 §7: address, `R`, number of the message, fields. With `r` three characters of CRC follow the last field. */
const MESSAGE = /^([0-9A-Za-z])([Rr])([0-5]),(.+)$/s;
const FIELD = /^([A-Z][a-z])=(-?\d{1,6}(?:\.\d{1,3})?)([A-Za-z#])$/;
const CRC_BYTES = 3;
/** M211840 §8: `#` in place of a unit: the value is not valid. */
const INVALID = "#";

/** M211840 §8.2 "aRU": how the rain counter is reset. `A`: after each message, so that each value is what is new. */
const RAIN_SETTINGS = /^([0-9A-Za-z])RU,(?:.*,)?Z=([MALY])(?:,|$)/;
const RAIN = "Rc";

type Convert = (value: number) => number;
const times =
  (factor: number): Convert =>
  (value) =>
    value * factor;
const same: Convert = (value) => value;
const DEGREES: Readonly<Record<string, Convert>> = { D: same };
/** M210470 §8: M m/s, K km/h, S mph, N knots; the international mile and knot. */
const SPEEDS: Readonly<Record<string, Convert>> = { M: same, K: times(1 / 3.6), S: times(0.447_04), N: times(1_852 / 3_600) };
/** H hPa, P Pa, B bar, M mmHg, I inHg (conventional millimetre and inch of mercury). */
const PRESSURES: Readonly<Record<string, Convert>> = {
  H: same,
  P: times(0.01),
  B: times(1_000),
  M: times(1.333_224),
  I: times(33.863_89),
};
/** What a field becomes. Fields that are not here, such as the duration of rain and hail, are not read. */
const FIELDS: Readonly<Record<string, { readonly channel: string; readonly units: Readonly<Record<string, Convert>> }>> = {
  Dn: { channel: "wind_direction_min", units: DEGREES },
  Dm: { channel: "wind_direction", units: DEGREES },
  Dx: { channel: "wind_direction_max", units: DEGREES },
  Sn: { channel: "wind_speed_min", units: SPEEDS },
  Sm: { channel: "wind_speed", units: SPEEDS },
  Sx: { channel: "wind_gust", units: SPEEDS },
  Ta: { channel: "temperature", units: { C: same, F: (value) => (value - 32) / 1.8 } },
  Ua: { channel: "humidity", units: { P: same } },
  Pa: { channel: "pressure", units: PRESSURES },
  [RAIN]: { channel: "rainfall", units: { M: same, I: times(25.4) } },
  Vs: { channel: "supply", units: { V: same } },
};
/** What is converted is rounded to thousandths, finer than any resolution below. */
const STEPS = 1_000;

const SUSPECT: ReadingDetail = { quality: "suspect" };

// Ranges as the data sheet of the WXT530 series is known (wind to 60 m/s, -52 to 60 degrees, 500 to 1100 hPa); resolutions as in the
// examples of M211840 and M210470. Rain: M211840 "aRU": the counter ends at 655.35 mm.
const WIND = { quantity: "wind_speed", unit: "m/s", range: [0, 60], resolution: 0.1, sensitivity: "environmental" } as const;
const DIRECTION = { quantity: "wind_direction", unit: "deg", range: [0, 360], resolution: 1, sensitivity: "environmental" } as const;
const CHANNELS: readonly ChannelSpec[] = [
  { name: "wind_speed", ...WIND },
  { name: "wind_direction", ...DIRECTION },
  { name: "wind_gust", ...WIND },
  { name: "temperature", quantity: "temperature", unit: "Cel", range: [-52, 60], resolution: 0.1, sensitivity: "environmental" },
  { name: "humidity", quantity: "humidity", unit: "%", range: [0, 100], resolution: 0.1, sensitivity: "environmental" },
  { name: "pressure", quantity: "pressure", unit: "hPa", range: [500, 1_100], resolution: 0.1, sensitivity: "environmental" },
  { name: "rainfall", quantity: "rainfall", unit: "mm", range: [0, 655.35], resolution: 0.01, sensitivity: "environmental" },
  { name: "wind_speed_min", ...WIND, publish: false },
  { name: "wind_direction_min", ...DIRECTION, publish: false },
  { name: "wind_direction_max", ...DIRECTION, publish: false },
  { name: "supply", quantity: "voltage", unit: "V", range: [0, 40], resolution: 0.1, sensitivity: "environmental", publish: false },
];

interface Value {
  readonly field: string;
  readonly channel: string;
  readonly value: number | null;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** The fields of a message, or null when one is wrong: that casts doubt on the others. */
function parseFields(text: string): readonly Value[] | null {
  const values: Value[] = [];
  const seen = new Set<string>();
  for (const part of text.split(",")) {
    const [, field, digits, unit] = FIELD.exec(part) ?? [];
    if (field === undefined || unit === undefined || seen.has(field)) return null;
    seen.add(field);
    const known = Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined;
    if (known === undefined) continue;
    const convert = Object.hasOwn(known.units, unit) ? known.units[unit] : undefined;
    if (unit === INVALID) values.push({ field, channel: known.channel, value: null });
    else if (convert === undefined) return null;
    else values.push({ field, channel: known.channel, value: Math.round(convert(Number(digits)) * STEPS) / STEPS });
  }
  return values;
}

class Wxt5xx implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #crc16Arc: DriverApi["crc16Arc"];
  readonly #address: string;
  readonly #everyMs: number;
  readonly #ask: Uint8Array;
  readonly #askRain: Uint8Array;
  /** Whether each rain value is what is new, or a running total; null until the instrument said so. */
  #isRainNew: boolean | null = null;
  #out: SessionSink | null = null;

  constructor({ delimiterFramer, crc16Arc }: DriverApi, { address, everySeconds, checksum }: Options) {
    this.#framer = delimiterFramer({ frameBytesMax: LINE_BYTES_MAX });
    this.#crc16Arc = crc16Arc;
    this.#address = address;
    this.#everyMs = everySeconds * 1_000;
    this.#ask = ascii(`${address}${checksum ? "r" : "R"}\r\n`);
    this.#askRain = ascii(`${address}RU\r\n`);
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") {
      // Another instrument may hang on the line now.
      this.#isRainNew = null;
      out.expect(MISSED_ANSWERS * this.#everyMs);
      this.#poll(out);
    } else if (event.type === "timer" && event.name === POLL) this.#poll(out);
    else if (event.type === "closed") this.#framer.reset(this);
  }

  /** Both are questions; no setting of the instrument is changed. */
  #poll(out: SessionSink): void {
    if (this.#isRainNew === null) out.write(this.#askRain);
    out.write(this.#ask);
    out.timer(POLL, this.#everyMs);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null || length === 0) return;
    const problem = this.#read(bytes, start, length, out);
    if (problem !== null) out.discard(problem, length + (bytes[start + length] === CR ? 2 : 1));
  }

  /** Why a line was not used, or null when it was. */
  #read(bytes: Uint8Array, start: number, length: number, out: SessionSink): DiscardReason | null {
    const line = String.fromCharCode(...bytes.subarray(start, start + length));
    const [, rainAddress, reset] = RAIN_SETTINGS.exec(line) ?? [];
    if (reset !== undefined && rainAddress === this.#address) {
      this.#isRainNew = reset === "A";
      return null;
    }
    const [, address, letter, , rest = ""] = MESSAGE.exec(line) ?? [];
    // `0TX,Start-up`, and settings: said, and not a measurement.
    if (address === undefined) return /^[0-9A-Za-z](?:TX|[A-Z]U),/.test(line) ? "unexpected" : "syntax";
    if (letter === "r" && !this.#hasCrc(bytes, start, start + length)) return "checksum";
    if (address !== this.#address) return "unexpected";
    const values = parseFields(letter === "r" ? rest.slice(0, -CRC_BYTES) : rest);
    if (values === null) return "syntax";
    this.#tell(values, out);
    return null;
  }

  /** M210470 ch. 6 and SDI-12 §4.4.12: CRC-16/ARC over what stands before it, six bits a character. */
  #hasCrc(bytes: Uint8Array, start: number, end: number): boolean {
    const at = end - CRC_BYTES;
    if (at <= start) return false;
    const crc = this.#crc16Arc(bytes, start, at);
    return [crc >> 12, (crc >> 6) & 0x3f, crc & 0x3f].every((six, index) => bytes[at + index] === (0x40 | six));
  }

  #tell(values: readonly Value[], out: SessionSink): void {
    // M211840 §3.1: without wind the direction that is reported is the one from before.
    const isCalm = values.some(({ field, value }) => field === "Sm" && value === 0);
    for (const { field, channel, value } of values) {
      if (field === RAIN && value !== null) this.#tellRain(channel, value, out);
      else out.reading(channel, value, isCalm && field.startsWith("D") && value !== null ? SUSPECT : undefined);
    }
  }

  #tellRain(channel: string, value: number, out: SessionSink): void {
    if (this.#isRainNew === null) return;
    if (this.#isRainNew) out.reading(channel, value);
    else out.total(channel, value);
  }
}

/** Vaisala WXT510, WXT520 and WXT530 series: weather in one housing. */
export default (api: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "wxt5xx",
  summary: "Vaisala WXT510, WXT520 and WXT530 weather transmitters: wind, rain, temperature, humidity, pressure",
  testedWith: "messages of a WXT (weewx)",
  port: "serial",
  serial: { baudRate: 19_200 },
  unchecked: "Messages without a checksum (`R`), which come with `checksum: false` or unasked.",
  options: api.z.strictObject({
    address: api.z
      .string()
      .regex(/^[0-9A-Za-z]$/, "must be one letter or digit")
      .default("0")
      .describe("Address of the instrument: one letter or digit."),
    everySeconds: api.z
      .int()
      .min(1)
      .max(EVERY_SECONDS_MAX)
      .default(10)
      .describe("How often it is asked. Set its own averaging time and update interval to the same."),
    checksum: api.z
      .boolean()
      .default(true)
      .describe("Asks for answers with a checksum. false: for a line on which another host needs them without."),
  }),
  channels: () => CHANNELS,
  start: (options) => new Wxt5xx(api, options),
});
