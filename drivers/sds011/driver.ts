import type { BusEvent, ChannelSpec, Driver, DriverApi, Framer, FrameSink, Session, SessionSink } from "../../src/driver-api/index.ts";

// Nova Fitness "Laser Dust Sensor Control Protocol" V1.3, in this file "protocol"; "SDS011 specification" V1.3, here "datasheet".

/** Protocol: a frame to the host is 10 bytes, `AA C0|C5 D1..D6 SUM AB`. */
const FRAME_BYTES = 10;
const HEAD = 0xaa;
const TAIL = 0xab;
/** Protocol: second byte of a measurement, and of the answer to a command. */
const MEASUREMENT = 0xc0;
const ANSWER = 0xc5;

/** Protocol §1, §4, §5, §6: first data byte of a command and of its answer. */
const REPORTING_MODE = 0x02;
const SLEEP_AND_WORK = 0x06;
const FIRMWARE = 0x07;
const WORKING_PERIOD = 0x08;
const QUERY = 0;
const SET = 1;
/** Protocol §1: 0 reports by itself, 1 only when asked. §4: 1 works, 0 sleeps. */
const REPORTS_BY_ITSELF = 0;
const WORK = 1;

/** Protocol §5: 0 works all the time and reports every second; n = 1..30 works 30 s in every n minutes, then reports once. */
const PERIOD_MINUTES_MAX = 30;
const REPORT_MS = 1_000;
const MINUTE_MS = 60_000;
/** Two reports may get lost before the sensor counts as silent. */
const MISSED_REPORTS = 3;
/** With a working period: how late a report may be. */
const PERIOD_MARGIN_MS = 30_000;

const WARMING = { quality: "warming" } as const;

// Datasheet: range 0.0 to 999.9 ug/m3, step 0.1; laser life 8000 h. The reading settles within 30 s after the fan starts.
const CHANNEL = {
  unit: "ug/m3",
  range: [0, 999.9],
  resolution: 0.1,
  sensitivity: "environmental",
  warmUpMs: 30_000,
  lifeHours: 8_000,
} as const;
const CHANNELS: readonly ChannelSpec[] = [
  { name: "pm25", quantity: "pm25", ...CHANNEL },
  { name: "pm10", quantity: "pm10", ...CHANNEL },
];

/** Protocol: 19 bytes, `AA B4`, 13 data bytes, `FF FF` for any device, the low byte of the sum from byte 2 on, `AB`. */
function command(...data: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(19);
  bytes.set([HEAD, 0xb4, ...data]);
  bytes.set([0xff, 0xff], 15);
  bytes[17] = bytes.subarray(2, 17).reduce((sum, byte) => sum + byte, 0);
  bytes[18] = TAIL;
  return bytes;
}

const WAKE = command(SLEEP_AND_WORK, SET, WORK);
const ASK_FIRMWARE = command(FIRMWARE);
const ASK_MODE = command(REPORTING_MODE, QUERY);
const ASK_PERIOD = command(WORKING_PERIOD, QUERY);
const REPORT_BY_ITSELF = command(REPORTING_MODE, SET, REPORTS_BY_ITSELF);

const twoDigits = (value: number): string => String(value).padStart(2, "0");
const hex = (value: number): string => value.toString(16).toUpperCase().padStart(2, "0");

class Sds011 implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #everyMinutes: number;
  #out: SessionSink | null = null;

  constructor(framer: Framer, everyMinutes: number) {
    this.#framer = framer;
    this.#everyMinutes = everyMinutes;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") this.#opened(out);
    else if (event.type === "closed") this.#framer.reset(this);
  }

  /** Settings are asked for first and written only when they are wrong: the sensor keeps them in flash. */
  #opened(out: SessionSink): void {
    const minutes = this.#everyMinutes;
    out.expect(minutes === 0 ? MISSED_REPORTS * REPORT_MS : minutes * MINUTE_MS + PERIOD_MARGIN_MS);
    for (const request of [WAKE, ASK_FIRMWARE, ASK_MODE, ASK_PERIOD]) out.write(request);
  }

  discard(reason: Parameters<FrameSink["discard"]>[0], byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number): void {
    const out = this.#out;
    if (out === null) return;
    if (bytes[start + 1] === ANSWER) {
      this.#answer(bytes, start, out);
      return;
    }
    // Protocol: little endian, in tenths of ug/m3.
    const pm25 = (bytes[start + 2] as number) | ((bytes[start + 3] as number) << 8);
    const pm10 = (bytes[start + 4] as number) | ((bytes[start + 5] as number) << 8);
    // Both exactly zero means that nothing was measured yet (esphome/esphome: components/sds011/sds011.cpp).
    const detail = pm25 === 0 && pm10 === 0 ? WARMING : undefined;
    out.reading("pm25", pm25 / 10, detail);
    out.reading("pm10", pm10 / 10, detail);
  }

  #answer(bytes: Uint8Array, start: number, out: SessionSink): void {
    const [, , about = 0, first = 0, second = 0, third = 0, idHigh = 0, idLow = 0] = bytes.subarray(start, start + FRAME_BYTES);
    const isQueried = first === QUERY;
    if (about === FIRMWARE) {
      // Protocol §6: year, month and day of the firmware.
      const firmware = `20${twoDigits(first)}-${twoDigits(second)}-${twoDigits(third)}`;
      out.about({ model: "SDS011", firmware, serial: hex(idHigh) + hex(idLow) });
    } else if (about === REPORTING_MODE && isQueried && second !== REPORTS_BY_ITSELF) out.write(REPORT_BY_ITSELF);
    else if (about === WORKING_PERIOD && isQueried && second !== this.#everyMinutes) {
      out.write(command(WORKING_PERIOD, SET, this.#everyMinutes));
    }
  }
}

/** Nova Fitness SDS011: particulate matter by laser scattering. */
export default ({ z, headerFramer, sum8 }: DriverApi): Driver<{ everyMinutes: number }> => ({
  apiVersion: 1,
  name: "sds011",
  summary: "Nova Fitness SDS011 particulate matter sensor: PM2.5 and PM10",
  testedWith: "its data sheet",
  port: "serial",
  serial: { baudRate: 9_600 },
  options: z.strictObject({
    everyMinutes: z
      .int()
      .min(0)
      .max(PERIOD_MINUTES_MAX)
      .default(0)
      .describe("0: measures all the time. 1 to 30: the sensor works 30 s in every so many minutes, which makes its laser last longer."),
  }),
  channels: () => CHANNELS,
  start: ({ everyMinutes }) =>
    new Sds011(
      headerFramer({
        header: [HEAD],
        prefixBytes: 2,
        frameBytes: (bytes, start) => (bytes[start + 1] === MEASUREMENT || bytes[start + 1] === ANSWER ? FRAME_BYTES : null),
        frameBytesMax: FRAME_BYTES,
        // Protocol: the sum covers bytes 2 to 7 only.
        isSound: (bytes, start) => bytes[start + 9] === TAIL && sum8(bytes, start + 2, start + 8) === bytes[start + 8],
      }),
      everyMinutes,
    ),
});
