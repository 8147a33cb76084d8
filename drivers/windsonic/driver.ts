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

// Gill Instruments "WindSonic User Manual", Doc No 1405-PS-0019 Issue 28, in this file "manual".

/** Manual §9.1: `<STX>Q,229,002.74,M,00,<ETX>16<CR><LF>`. */
const STX = 0x02;
const ETX = 0x03;
const LF = 0x0a;
/** Behind ETX: two hex digits, CR, LF. */
const TRAILER_BYTES = 4;
/** The frame above has 25 bytes, in the UV format 26; the rest is room for a longer one. */
const FRAME_BYTES_MAX = 48;

/** Manual §10 "Px": the slowest rate is one message every 4 s. Two may get lost before the sensor counts as silent. */
const SLOWEST_MS = 4_000;
const MISSED_MESSAGES = 3;

/** Manual §9.1: node, direction, speed, unit, status. Direction and speed are empty (CSV) or all nines (fixed field) on an error. */
const POLAR = /^[A-Z],(\d{3})?,(\d{3}\.\d{2})?,([MNPKF]),(\d\d),$/;
/** Manual §11.5: 00 is right; 01, 02 and 04 lack samples, 08 and 09 lost their calibration or program. */
const STATUS_OK = "00";

/** Manual §9.1: units of speed, in m/s. The international knot, mile and foot. */
const METRES_PER_SECOND: ReadonlyMap<string, number> = new Map([
  ["M", 1],
  ["N", 1_852 / 3_600],
  ["P", 0.447_04],
  ["K", 1 / 3.6],
  ["F", 0.005_08],
]);
/** A converted speed is rounded to a tenth of the resolution. */
const STEPS_PER_METRE = 1_000;

/** Manual §9.1: below 0.05 m/s, the lowest threshold that can be set, a direction in the message is the one from before. */
const DIRECTION_FROM = 0.05;
const SUSPECT: ReadingDetail = { quality: "suspect" };

// Manual §5: WindSonic up to 60 m/s, WindSonic 75 up to 75 m/s; resolution 0.01 m/s and 1 degree.
const CHANNELS: readonly ChannelSpec[] = [
  { name: "wind_speed", quantity: "wind_speed", unit: "m/s", range: [0, 75], resolution: 0.01, sensitivity: "environmental" },
  { name: "wind_direction", quantity: "wind_direction", unit: "deg", range: [0, 359], resolution: 1, sensitivity: "environmental" },
];

const text = (bytes: Uint8Array, start: number, end: number): string => String.fromCharCode(...bytes.subarray(start, end));

class WindSonic implements Session, FrameSink {
  readonly #framer: Framer;
  #out: SessionSink | null = null;

  constructor(framer: Framer) {
    this.#framer = framer;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") out.expect(MISSED_MESSAGES * SLOWEST_MS);
    else if (event.type === "closed") this.#framer.reset(this);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null) return;
    const end = start + length - TRAILER_BYTES - 1;
    const [message, direction, speed, unit = "", status] = POLAR.exec(text(bytes, start + 1, end)) ?? [];
    const factor = METRES_PER_SECOND.get(unit);
    // The checksum is right: the instrument said it, in a format that is not read here.
    if (message === undefined || factor === undefined) return out.discard("unexpected", length);
    const isGood = status === STATUS_OK;
    const metres = isGood && speed !== undefined ? Math.round(Number(speed) * factor * STEPS_PER_METRE) / STEPS_PER_METRE : null;
    out.reading("wind_speed", metres);
    if (!isGood || direction === undefined) out.reading("wind_direction", null);
    else out.reading("wind_direction", Number(direction), metres === null || metres < DIRECTION_FROM ? SUSPECT : undefined);
  }
}

/** Gill WindSonic: wind by ultrasound, in the format that it speaks when delivered. */
export default ({ z, telegramFramer, xor8 }: DriverApi): Driver<Record<string, never>> => ({
  apiVersion: 1,
  name: "windsonic",
  summary: "Gill WindSonic ultrasonic anemometer: wind speed and direction",
  testedWith: "its manual",
  port: "serial",
  serial: { baudRate: 9_600 },
  options: z.strictObject({}),
  channels: () => CHANNELS,
  start: () =>
    new WindSonic(
      telegramFramer({
        first: STX,
        closing: [ETX],
        last: LF,
        frameBytesMax: FRAME_BYTES_MAX,
        // Manual §9.1: exclusive or of what stands between STX and ETX, without both.
        isSound: (bytes, start, end) => {
          const etx = end - TRAILER_BYTES - 1;
          const sum = text(bytes, etx + 1, etx + 3);
          return (
            bytes[etx] === ETX &&
            /^[0-9A-F]{2}\r$/.test(text(bytes, etx + 1, end - 1)) &&
            xor8(bytes, start + 1, etx) === Number.parseInt(sum, 16)
          );
        },
      }),
    ),
});
