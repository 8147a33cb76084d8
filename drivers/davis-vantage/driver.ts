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

// Davis Instruments "Vantage Pro, Vantage Pro2 and Vantage Vue Serial Communication Reference Manual" V2.6.1, in this file "manual";
// the layout of both packets as weewx/weewx: src/weewx/drivers/vantage.py has them as well.

/** Manual §X: `LOO`, 92 bytes, LF CR, and the CRC with its high byte first, so that the CRC over all of it is 0. */
const HEADER = [0x4c, 0x4f, 0x4f];
const PACKET_BYTES = 99;
const TYPE_AT = 4;
const LOOP = 0;
const LOOP2 = 1;

/** Manual §V: a sleeping console wants an LF, answers LF CR within 1.2 s, and may be asked three times. */
const LF = 0x0a;
const CR = 0x0d;
const WAKE = Uint8Array.of(LF);
const WAKE_MS = 1_200;
const WAKE_TRIES = 3;
/** Manual §VI: how a command is taken. */
const ACK = 0x06;
/** Manual §X: a packet comes every 2 s at most; two of them and some room. */
const PACKETS_MS = 6_000;
/** Manual §XIII: setup bits, bits 4 and 5: what a click of the rain collector is. */
const ASK_SETUP = "EEBRD 2B 01\n";
const SETUP_MS = 2_000;
const SETUP_BYTES = 4;
const COLLECTOR_SHIFT = 4;
const COLLECTOR_MASK = 3;
/** Hundredths of a millimetre for each click: 0.01 inch, 0.2 mm, 0.1 mm; the fourth is not in the manual. */
const CLICK_HUNDREDTHS = [25.4, 20, 10] as const;

const MISSED_ANSWERS = 3;
const EVERY_SECONDS_MAX = 600;
const POLL = "poll";
const ANSWER = "answer";

const SUSPECT: ReadingDetail = { quality: "suspect" };
/** Manual §X: the gust of the last ten minutes. */
const TEN_MINUTES: ReadingDetail = { coversMs: 600_000 };

const hundredths = (value: number): number => Math.round(value * 100) / 100;
/** The international mile. */
const fromMph = (mph: number): number => hundredths(mph * 0.447_04);
const fromFahrenheitTenths = (tenths: number): number => hundredths((tenths / 10 - 32) / 1.8);
/** Thousandths of an inch of mercury, the conventional one: 33.86389 hPa. */
const fromInchThousandths = (thousandths: number): number => hundredths(thousandths * 0.033_863_89);

type Convert = (raw: number) => number;

/** Where a channel stands in a packet. `dash`: what the console writes when it has no value (manual §X). */
interface Field {
  readonly channel: string;
  readonly at: number;
  readonly bytes: 1 | 2;
  readonly isSigned?: boolean;
  readonly dash: readonly number[];
  readonly convert: Convert;
  readonly detail?: ReadingDetail;
}

const same: Convert = (raw) => raw;

/** At the same places in both packets. The direction is apart: it means nothing without wind. */
const COMMON: readonly Field[] = [
  { channel: "temperature", at: 12, bytes: 2, isSigned: true, dash: [32_767], convert: fromFahrenheitTenths },
  { channel: "humidity", at: 33, bytes: 1, dash: [255], convert: same },
  { channel: "wind_speed", at: 14, bytes: 1, dash: [255], convert: fromMph },
  { channel: "irradiance", at: 44, bytes: 2, dash: [32_767], convert: same },
  { channel: "pressure_msl", at: 7, bytes: 2, dash: [0], convert: fromInchThousandths },
];
const LOOP_FIELDS: readonly Field[] = [
  ...COMMON,
  // Manual §X: ((value * 300) / 512) / 100 volts.
  { channel: "supply", at: 87, bytes: 2, dash: [0], convert: (raw) => hundredths((raw * 300) / 51_200) },
];
const LOOP2_FIELDS: readonly Field[] = [
  ...COMMON,
  // In whole miles an hour, as weewx reads it; the manual can be read as tenths.
  { channel: "wind_gust", at: 22, bytes: 2, dash: [255, 65_535], convert: fromMph, detail: TEN_MINUTES },
  { channel: "pressure", at: 67, bytes: 2, dash: [0], convert: fromInchThousandths },
];
const WIND_AT = 14;
const DIRECTION_AT = 16;
const DIRECTION_DASH: readonly number[] = [0, 32_767];
const YEAR_RAIN_AT = 54;
const RAIN_DASH = 65_535;

const ENVIRONMENTAL = { sensitivity: "environmental" } as const;
/** Davis data sheets DS6152 and DS6250: ranges of the sensor suite; steps are those of the packet. */
const LOOP_CHANNELS: readonly ChannelSpec[] = [
  { name: "wind_speed", quantity: "wind_speed", unit: "m/s", range: [0, 90], resolution: 0.1, ...ENVIRONMENTAL },
  { name: "wind_direction", quantity: "wind_direction", unit: "deg", range: [0, 360], resolution: 1, ...ENVIRONMENTAL },
  { name: "temperature", quantity: "temperature", unit: "Cel", range: [-40, 65], resolution: 0.1, ...ENVIRONMENTAL },
  { name: "humidity", quantity: "humidity", unit: "%", range: [1, 100], resolution: 1, ...ENVIRONMENTAL },
  // An hour at the highest rate that is told (1,016 mm/h) is ten times this: more than this at once was typed in at the console.
  { name: "rainfall", quantity: "rainfall", unit: "mm", range: [0, 100], resolution: 0.01, ...ENVIRONMENTAL },
  { name: "irradiance", quantity: "irradiance", unit: "W/m2", range: [0, 1_800], resolution: 1, ...ENVIRONMENTAL },
  { name: "pressure_msl", quantity: "pressure", unit: "hPa", range: [540, 1_100], resolution: 0.1, ...ENVIRONMENTAL },
  { name: "supply", quantity: "voltage", unit: "V", range: [0, 20], resolution: 0.01, ...ENVIRONMENTAL, publish: false },
];
const LOOP2_CHANNELS: readonly ChannelSpec[] = [
  { name: "wind_gust", quantity: "wind_speed", unit: "m/s", range: [0, 90], resolution: 0.1, ...ENVIRONMENTAL, publish: false },
  { name: "pressure", quantity: "pressure", unit: "hPa", range: [540, 1_100], resolution: 0.1, ...ENVIRONMENTAL },
];

const word = (bytes: Uint8Array, at: number): number => (bytes[at] as number) | ((bytes[at + 1] as number) << 8);

function rawOf(bytes: Uint8Array, start: number, { at, bytes: width, isSigned }: Field): number {
  const raw = width === 1 ? (bytes[start + at] as number) : word(bytes, start + at);
  return isSigned === true && raw > 0x7fff ? raw - 0x10000 : raw;
}

class Vantage implements Session, FrameSink {
  readonly #packets: Framer;
  readonly #setup: Framer;
  readonly #ask: Uint8Array;
  readonly #everyMs: number;
  /** What is read of a LOOP2: another program may have asked for one. */
  readonly #loop2Fields: readonly Field[];
  /** What a click of the rain collector is, in hundredths of a millimetre; null: not asked yet, or not known. */
  #click: number | null = null;
  #is: "idle" | "waking" | "setup" | "packets" = "idle";
  #wakes = 0;
  #heardLf = false;
  #out: SessionSink | null = null;

  constructor(packets: Framer, setup: Framer, { everySeconds, packets: kind }: Options) {
    this.#packets = packets;
    this.#setup = setup;
    this.#everyMs = everySeconds * 1_000;
    this.#loop2Fields = kind === "both" ? LOOP2_FIELDS : COMMON;
    // Manual §VIII: LPS 3 sends both packets in turn.
    this.#ask = new TextEncoder().encode(kind === "both" ? "LPS 3 2\n" : "LOOP 1\n");
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#hear(event.data, out);
    else if (event.type === "opened") {
      out.expect(MISSED_ANSWERS * this.#everyMs + PACKETS_MS);
      // It may be another console.
      this.#click = null;
      this.#poll(out);
    } else if (event.type === "timer") this.#timer(event.name, out);
    else if (event.type === "closed") this.#rest();
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  #timer(name: string, out: SessionSink): void {
    if (name === POLL) this.#poll(out);
    else if (name !== ANSWER || this.#is === "idle") return;
    else if (this.#is === "waking" && this.#wakes < WAKE_TRIES) this.#wake(out);
    else this.#rest();
  }

  #poll(out: SessionSink): void {
    out.timer(POLL, this.#everyMs);
    this.#rest();
    this.#wakes = 0;
    this.#wake(out);
  }

  #wake(out: SessionSink): void {
    this.#is = "waking";
    this.#wakes++;
    this.#heardLf = false;
    out.write(WAKE);
    out.timer(ANSWER, WAKE_MS);
  }

  /** What is half there stays half. */
  #rest(): void {
    this.#is = "idle";
    this.#packets.reset(this);
    this.#setup.reset(this);
  }

  #awake(out: SessionSink): void {
    const isSetup = this.#click === null;
    this.#is = isSetup ? "setup" : "packets";
    out.write(isSetup ? new TextEncoder().encode(ASK_SETUP) : this.#ask);
    out.timer(ANSWER, isSetup ? SETUP_MS : PACKETS_MS);
  }

  /** Byte by byte: what stands between packets answers commands, and what stands in one does not. */
  #hear(data: Uint8Array, out: SessionSink): void {
    for (let at = 0; at < data.length; at++) {
      const byte = data[at] as number;
      if (this.#is === "setup") this.#setup.push(data.subarray(at, at + 1), this);
      else if (this.#packets.pendingBytes > 0 || !this.#isControl(byte, out)) this.#packets.push(data.subarray(at, at + 1), this);
    }
  }

  /** Whether a byte between packets is the answer that is waited for. */
  #isControl(byte: number, out: SessionSink): boolean {
    if (this.#is === "packets") return byte === ACK;
    if (this.#is !== "waking") return false;
    if (byte === LF) {
      this.#heardLf = true;
      return true;
    }
    if (byte !== CR || !this.#heardLf) return false;
    this.#awake(out);
    return true;
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null) return;
    if (length === SETUP_BYTES) {
      const collector = ((bytes[start + 1] as number) >> COLLECTOR_SHIFT) & COLLECTOR_MASK;
      this.#click = CLICK_HUNDREDTHS[collector] ?? Number.NaN;
      this.#awake(out);
      return;
    }
    const type = bytes[start + TYPE_AT];
    if (type === LOOP) this.#loop(bytes, start, out);
    else if (type === LOOP2) this.#values(this.#loop2Fields, bytes, start, out);
    else this.discard("unexpected", length);
  }

  #loop(bytes: Uint8Array, start: number, out: SessionSink): void {
    this.#values(LOOP_FIELDS, bytes, start, out);
    const clicks = word(bytes, start + YEAR_RAIN_AT);
    if (this.#click === null || Number.isNaN(this.#click)) return;
    if (clicks === RAIN_DASH) out.reading("rainfall", null);
    else out.total("rainfall", Math.round(clicks * this.#click) / 100);
  }

  #values(fields: readonly Field[], bytes: Uint8Array, start: number, out: SessionSink): void {
    for (const field of fields) {
      const raw = rawOf(bytes, start, field);
      if (field.dash.includes(raw)) out.reading(field.channel, null);
      else out.reading(field.channel, field.convert(raw), field.detail);
    }
    // Manual §X: 1 to 360 degrees. In a calm the vane's last one stays.
    const direction = word(bytes, start + DIRECTION_AT);
    if (DIRECTION_DASH.includes(direction)) out.reading("wind_direction", null);
    else out.reading("wind_direction", direction, bytes[start + WIND_AT] === 0 ? SUSPECT : undefined);
  }
}

interface Options {
  readonly packets: "both" | "loop";
  readonly everySeconds: number;
}

/** Davis Vantage Pro2 and Vantage Vue: wind, rain, temperature, humidity, pressure and sun from the console's serial port. */
export default (api: DriverApi): Driver<Options> => {
  const crcIsZero = (bytes: Uint8Array, start: number, end: number): boolean => api.crc16Ccitt(bytes, start, end) === 0;
  const packets = () =>
    api.headerFramer({
      header: HEADER,
      prefixBytes: HEADER.length,
      frameBytes: () => PACKET_BYTES,
      frameBytesMax: PACKET_BYTES,
      isSound: crcIsZero,
    });
  const setup = () =>
    api.headerFramer({
      header: [ACK],
      prefixBytes: 1,
      frameBytes: () => SETUP_BYTES,
      frameBytesMax: SETUP_BYTES,
      isSound: (bytes, start, end) => crcIsZero(bytes, start + 1, end),
    });
  return {
    apiVersion: 1,
    name: "davis-vantage",
    summary: "Davis Vantage Pro2 and Vue consoles: wind, rain, temperature, humidity, pressure, sun",
    testedWith: "packets made by the manual's layout",
    port: "serial",
    serial: { baudRate: 19_200 },
    options: api.z.strictObject({
      packets: api.z
        .enum(["both", "loop"])
        .default("both")
        .describe("both: LOOP and LOOP2 in turn. loop: LOOP alone, for consoles with a firmware before 1.90, which know no other."),
      everySeconds: api.z
        .int()
        .min(5)
        .max(EVERY_SECONDS_MAX)
        .default(10)
        .describe("How often the console is woken and asked. It has new wind every 2.5 s, and takes 2 s a packet."),
    }),
    channels: ({ packets: kind }) => (kind === "both" ? [...LOOP_CHANNELS, ...LOOP2_CHANNELS] : LOOP_CHANNELS),
    start: (options) => new Vantage(packets(), setup(), options),
  };
};
