import type { BusEvent, ChannelSpec, Driver, DriverApi, Framer, FrameSink, Session, SessionSink } from "../../src/driver-api/index.ts";

// Plantower "PMS5003 series data manual" V2.3, in this file "manual". PMS3003, PMS7003, PMSA003 and PMS5003ST share its frame.

/** Manual, appendix I: `42 4D`, length of what follows, big-endian words, and the sum of all bytes before it. */
const HEADER = [0x42, 0x4d];
const PREFIX_BYTES = 4;
/** Length fields: an answer to a command 4, PMS3003 20, PMS5003, 7003 and A003 28, PMS5003ST 36. */
const ANSWER_LENGTH = 4;
const LENGTHS: readonly number[] = [ANSWER_LENGTH, 20, 28, 36];
const FRAME_BYTES_MAX = PREFIX_BYTES + 36;
/** Manual, appendix I: data 4, 5 and 6 are PM1.0, PM2.5 and PM10 "under atmospheric environment", ug/m3. */
const PM1_AT = 10;
const PM25_AT = 12;
const PM10_AT = 14;

/**
 * Manual, appendix II: wake, and active mode: `42 4D`, command, two data bytes, sum. A sensor that is awake and active is not
 * disturbed by them.
 */
const WAKE = Uint8Array.of(0x42, 0x4d, 0xe4, 0x00, 0x01, 0x01, 0x74);
const ACTIVE_MODE = Uint8Array.of(0x42, 0x4d, 0xe1, 0x00, 0x01, 0x01, 0x71);

/** Manual: active mode reports every 200 to 800 ms while values change, and every 2.3 s while they do not. */
const REPORT_MS_MAX = 2_300;
/** Two reports may get lost before the sensor counts as silent. */
const MISSED_REPORTS = 3;

const WARMING = { quality: "warming" } as const;

// Manual: effective range 0 to 500, maximum range at least 1000 ug/m3, step 1; stable 30 s after the fan starts; mean time to
// failure at least 3 years of operation (26,280 h).
const CHANNEL = {
  unit: "ug/m3",
  range: [0, 1_000],
  resolution: 1,
  sensitivity: "environmental",
  warmUpMs: 30_000,
  lifeHours: 26_280,
} as const;
const CHANNELS: readonly ChannelSpec[] = [
  { name: "pm1", quantity: "pm1", ...CHANNEL },
  { name: "pm25", quantity: "pm25", ...CHANNEL },
  { name: "pm10", quantity: "pm10", ...CHANNEL },
];

const word = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

function frameBytes(bytes: Uint8Array, start: number): number | null {
  const length = word(bytes, start + 2);
  return LENGTHS.includes(length) ? PREFIX_BYTES + length : null;
}

function isSound(bytes: Uint8Array, start: number, end: number): boolean {
  let sum = 0;
  for (let at = start; at < end - 2; at++) sum += bytes[at] as number;
  return sum === word(bytes, end - 2);
}

function isAllZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}

class Pms5003 implements Session, FrameSink {
  readonly #framer: Framer;
  #out: SessionSink | null = null;

  constructor(framer: Framer) {
    this.#framer = framer;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") {
      out.expect(MISSED_REPORTS * REPORT_MS_MAX);
      out.write(WAKE);
      out.write(ACTIVE_MODE);
    } else if (event.type === "closed") this.#framer.reset(this);
  }

  discard(reason: Parameters<FrameSink["discard"]>[0], byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null || length === PREFIX_BYTES + ANSWER_LENGTH) return;
    const pm1 = word(bytes, start + PM1_AT);
    const pm25 = word(bytes, start + PM25_AT);
    const pm10 = word(bytes, start + PM10_AT);
    // While the fan starts, every data word is zero, the particle counts too. Clean air alone never looks like that.
    const isWarming = (pm1 | pm25 | pm10) === 0 && isAllZero(bytes, start + PREFIX_BYTES, start + length - 2);
    const detail = isWarming ? WARMING : undefined;
    out.reading("pm1", pm1, detail);
    out.reading("pm25", pm25, detail);
    out.reading("pm10", pm10, detail);
  }
}

/** Plantower PMS5003 and its relatives: particulate matter by laser scattering. */
export default ({ z, headerFramer }: DriverApi): Driver => ({
  apiVersion: 1,
  name: "pms5003",
  summary: "Plantower PMS5003, PMS7003, PMSA003 and PMS3003 particulate matter sensors: PM1, PM2.5 and PM10",
  testedWith: "frames of PyPMS",
  port: "serial",
  serial: { baudRate: 9_600 },
  options: z.strictObject({}),
  channels: () => CHANNELS,
  start: () =>
    new Pms5003(headerFramer({ header: HEADER, prefixBytes: PREFIX_BYTES, frameBytes, frameBytesMax: FRAME_BYTES_MAX, isSound })),
});
