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

// Winsen "MH-Z19B User's Manual" V1.6, in this file "manual".

/** Manual, "commands": 9 bytes both ways. To the sensor `FF 01`, command, data; from it `FF`, command, data; a check byte last. */
const FRAME_BYTES = 9;
const HEAD = 0xff;
const SENSOR = 0x01;
const READ_CO2 = 0x86;
const SELF_CALIBRATION = 0x79;
const ON = 0xa0;
const OFF = 0x00;

/** The sensor has a new value every 5 s (revspace.nl: MHZ19, measured; the manual does not say). */
const ASK_EVERY_MS = 5_000;
/** Two answers may get lost before the sensor counts as silent. */
const MISSED_ANSWERS = 3;
const ASK_TIMER = "ask";
/** Manual, "main parameters": preheat time 3 min. Whether it was switched on just now the sensor does not say. */
const WARM_UP_MS = 180_000;

const CHANNELS: readonly ChannelSpec[] = [
  {
    name: "co2",
    quantity: "co2",
    unit: "[ppm]",
    // Manual, 0x99: the ranges that can be set end at 2,000, 5,000 or 10,000 ppm. The answer is a whole number.
    range: [0, 10_000],
    resolution: 1,
    sensitivity: "environmental",
    warmUpMs: WARM_UP_MS,
    // Manual, "main parameters": more than 5 years.
    lifeHours: 43_800,
  },
];

/** Manual: the check byte makes the sum of all bytes behind the first one end in zero. */
function command(code: number, data = 0): Uint8Array {
  return Uint8Array.of(HEAD, SENSOR, code, data, 0, 0, 0, 0, -(SENSOR + code + data) & 0xff);
}

const ASK = command(READ_CO2);
/** What is written at the start; the sensor has no command to read the switch. */
const SWITCH = { leave: null, on: command(SELF_CALIBRATION, ON), off: command(SELF_CALIBRATION, OFF) } as const;

class Mhz19 implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #switch: Uint8Array | null;
  #out: SessionSink | null = null;

  constructor(framer: Framer, selfCalibration: Uint8Array | null) {
    this.#framer = framer;
    this.#switch = selfCalibration;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") this.#opened(out);
    else if (event.type === "timer" && event.name === ASK_TIMER) this.#ask(out);
    else if (event.type === "closed") this.#framer.reset(this);
  }

  #opened(out: SessionSink): void {
    out.expect(MISSED_ANSWERS * ASK_EVERY_MS);
    if (this.#switch !== null) out.write(this.#switch);
    this.#ask(out);
  }

  #ask(out: SessionSink): void {
    out.write(ASK);
    out.timer(ASK_TIMER, ASK_EVERY_MS);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number): void {
    if (bytes[start + 1] !== READ_CO2) return;
    // Manual, 0x86: high byte, low byte.
    const ppm = ((bytes[start + 2] as number) << 8) | (bytes[start + 3] as number);
    this.#out?.reading("co2", ppm);
  }
}

/** Winsen MH-Z19B: carbon dioxide by infrared absorption. */
export default ({ z, headerFramer, sum8 }: DriverApi): Driver<{ selfCalibration: keyof typeof SWITCH }> => ({
  apiVersion: 1,
  name: "mhz19",
  summary: "Winsen MH-Z19B carbon dioxide sensor",
  testedWith: "its manual, PyPMS",
  port: "serial",
  serial: { baudRate: 9_600 },
  options: z.strictObject({
    selfCalibration: z
      .enum(["leave", "on", "off"])
      .default("leave")
      .describe(
        "The sensor's own correction, which takes the lowest value of a day for fresh air. on, off: written at each start. leave: the " +
          "sensor stays as it is; from the factory it is on.",
      ),
  }),
  channels: () => CHANNELS,
  start: ({ selfCalibration }) =>
    new Mhz19(
      headerFramer({
        header: [HEAD],
        prefixBytes: 2,
        frameBytes: (bytes, start) => (bytes[start + 1] === READ_CO2 || bytes[start + 1] === SELF_CALIBRATION ? FRAME_BYTES : null),
        frameBytesMax: FRAME_BYTES,
        isSound: (bytes, start, end) => sum8(bytes, start + 1, end) === 0,
      }),
      SWITCH[selfCalibration],
    ),
});
