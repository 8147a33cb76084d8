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

// Sensirion "Datasheet SPS30" V1.0 (March 2020), in this file "datasheet"; the command codes also as Sensirion's own driver has
// them (Sensirion/embedded-uart-sps: sps30-uart/sps30.c).

/** Datasheet §5.1: flag, escape, and the mask for what was escaped: `7E 7D 11 13` become `7D 5E`, `7D 5D`, `7D 31`, `7D 33`. */
const FLAG = 0x7e;
const ESCAPE = 0x7d;
const MASK = 0x20;
/** Datasheet §5.1: an answer is `ADR CMD STATE LEN DATA CHK`; with CHK, the sum of all its bytes ends in FF. */
const CMD_AT = 1;
const STATE_AT = 2;
const LEN_AT = 3;
const DATA_AT = 4;
const FRAME_BYTES_MIN = 5;
/** Ten floats, the longest data of the answers that are asked for. */
const VALUES_BYTES = 40;
const FRAME_BYTES_MAX = FRAME_BYTES_MIN + VALUES_BYTES;
const SUM = 0xff;

/** Datasheet §5.3. */
const START_MEASUREMENT = 0x00;
const READ_VALUES = 0x03;
const DEVICE_INFORMATION = 0xd0;
const SERIAL_NUMBER = 0x03;
const READ_VERSION = 0xd1;
/** What to start with: measure (1), answers as floats (3). */
const MEASURE_IN_FLOATS = [0x01, 0x03];
/** Data of the answer to `READ_VERSION`: major and minor of the firmware first, seven bytes in all. */
const VERSION_BYTES = 7;

/** Datasheet §5.2: in STATE, bit 7 says that a bit of the device status is set: the fan or the laser has a fault. */
const DEVICE_FAULT = 0x80;
/** Datasheet §5.2: in STATE, "command not allowed in current state": idle when asked for values, measuring when started. */
const NOT_ALLOWED = 0x43;

/** Datasheet §1.1: a new value every 1.00 ± 0.04 s. */
const ASK_EVERY_MS = 1_000;
/** Every 25th question may come too early for a new value; two answers more may get lost before the sensor counts as silent. */
const EXPECT_WITHIN_MS = 4 * ASK_EVERY_MS;
const ASK_TIMER = "ask";
/** Datasheet §1.1, start-up time: 8 to 30 s after the start of a measurement, the longest in clean air. */
const WARM_UP_MS = 30_000;

const WARMING = { quality: "warming" } as const;
/** Said in so many words: a sensor that was running before its port was opened is warm. */
const WARM = { quality: "ok" } as const;
const SUSPECT = { quality: "suspect" } as const;

// Datasheet §1.1: 0 to 1000 ug/m3; more than 10 years at 24 hours a day (87,600 h). The values are floats: tenths are finer than
// the accuracy of 10 ug/m3 and keep the differences of clean air.
const CHANNEL = {
  unit: "ug/m3",
  range: [0, 1_000],
  resolution: 0.1,
  sensitivity: "environmental",
  warmUpMs: WARM_UP_MS,
  lifeHours: 87_600,
} as const;
/** Datasheet §5.3.3: the first four of the ten floats, in this order. */
const CHANNELS: readonly ChannelSpec[] = [
  { name: "pm1", quantity: "pm1", ...CHANNEL },
  { name: "pm25", quantity: "pm25", ...CHANNEL },
  { name: "pm4", quantity: "pm4", ...CHANNEL },
  { name: "pm10", quantity: "pm10", ...CHANNEL },
];
const FLOAT_BYTES = 4;
/** Ten-thousandths of ug/m3: far finer than the sensor, and free of the dust of binary fractions. */
const STEPS = 10_000;

/** Datasheet §5.1: to the sensor, `7E ADR CMD LEN DATA CHK 7E` with address 0. None of the bytes used here needs stuffing. */
function command(code: number, ...data: readonly number[]): Uint8Array {
  const sum = [code, data.length, ...data].reduce((total, byte) => total + byte, 0);
  return Uint8Array.of(FLAG, 0, code, data.length, ...data, ~sum & 0xff, FLAG);
}

const START = command(START_MEASUREMENT, ...MEASURE_IN_FLOATS);
const ASK_VALUES = command(READ_VALUES);
const ASK_VERSION = command(READ_VERSION);
const ASK_SERIAL = command(DEVICE_INFORMATION, SERIAL_NUMBER);

class Sps30 implements Session, FrameSink {
  readonly #framer: Framer;
  #out: SessionSink | null = null;
  #atMs = 0;
  #warmUntilMs = 0;

  constructor(framer: Framer) {
    this.#framer = framer;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    this.#atMs = event.atMs;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") this.#opened(out);
    else if (event.type === "timer" && event.name === ASK_TIMER) {
      out.write(ASK_VALUES);
      out.timer(ASK_TIMER, ASK_EVERY_MS);
    } else if (event.type === "closed") this.#framer.reset(this);
  }

  #opened(out: SessionSink): void {
    out.expect(EXPECT_WITHIN_MS);
    out.write(ASK_VERSION);
    out.write(ASK_SERIAL);
    this.#start(out);
    out.timer(ASK_TIMER, ASK_EVERY_MS);
  }

  /** After power-on, and after a power cut that the port did not notice, the sensor is idle and does not measure. */
  #start(out: SessionSink): void {
    out.write(START);
    this.#warmUntilMs = this.#atMs + WARM_UP_MS;
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null) return;
    const code = bytes[start + CMD_AT] as number;
    const state = bytes[start + STATE_AT] as number;
    const isRefused = (state & ~DEVICE_FAULT) === NOT_ALLOWED;
    const data = bytes.subarray(start + DATA_AT, start + length - 1);
    if (code === READ_VALUES) {
      if (isRefused) this.#start(out);
      else if (data.length === VALUES_BYTES) this.#values(data, (state & DEVICE_FAULT) !== 0, out);
    } else if (code === START_MEASUREMENT) {
      // It was measuring already, since it was not switched off: its fan has long started.
      if (isRefused) this.#warmUntilMs = this.#atMs;
    } else if (code === READ_VERSION && data.length === VERSION_BYTES) out.about({ model: "SPS30", firmware: `${data[0]}.${data[1]}` });
    else if (code === DEVICE_INFORMATION && data.length > 1) out.about({ serial: textOf(data) });
  }

  #values(data: Uint8Array, hasFault: boolean, out: SessionSink): void {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const detail: ReadingDetail | undefined = this.#atMs < this.#warmUntilMs ? WARMING : hasFault ? SUSPECT : WARM;
    for (const [index, { name }] of CHANNELS.entries()) {
      const value = view.getFloat32(index * FLOAT_BYTES);
      out.reading(name, Number.isFinite(value) ? Math.round(value * STEPS) / STEPS : null, detail);
    }
  }
}

/** Text up to its zero; what is no printable ASCII is left out. */
function textOf(data: Uint8Array): string {
  const end = data.indexOf(0);
  const letters = [...(end < 0 ? data : data.subarray(0, end))].filter((byte) => byte > 0x20 && byte < 0x7f);
  return String.fromCharCode(...letters);
}

/** Sensirion SPS30: particulate matter by laser scattering, SHDLC on a serial line. */
export default ({ z, stuffedFramer, sum8 }: DriverApi): Driver => ({
  apiVersion: 1,
  name: "sps30",
  summary: "Sensirion SPS30 particulate matter sensor: PM1, PM2.5, PM4 and PM10",
  testedWith: "a capture of PyPMS",
  port: "serial",
  serial: { baudRate: 115_200 },
  options: z.strictObject({}),
  channels: () => CHANNELS,
  start: () =>
    new Sps30(
      stuffedFramer({
        flag: FLAG,
        escape: ESCAPE,
        mask: MASK,
        frameBytesMin: FRAME_BYTES_MIN,
        frameBytesMax: FRAME_BYTES_MAX,
        isSound: (bytes, start, end) => bytes[start + LEN_AT] === end - start - FRAME_BYTES_MIN && sum8(bytes, start, end) === SUM,
      }),
    ),
});
