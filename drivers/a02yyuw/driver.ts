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

// DFRobot wiki, "Waterproof Ultrasonic Sensor", in this file "wiki": SEN0311 is the A02YYUW; SEN0312, which was at hand, speaks the same.

/** Wiki, "UART output": `FF`, distance high, distance low, and the low byte of the sum of these three. Millimetres. */
const HEAD = 0xff;
const FRAME_BYTES = 4;
/** Wiki of SEN0311, "specification", from memory: 30 to 4500 mm (werner.rothschopf.net: A02YYUW, and esphome have the same ends). */
const NEAREST_MM = 30;
const FARTHEST_MM = 4_500;
const MM_PER_M = 1_000;

/** Wiki, "output communication": a frame every 100 to 300 ms. */
const REPORT_MS_MAX = 300;
/** Three reports may get lost before the sensor counts as silent. */
const EXPECT_WITHIN_MS = 4 * REPORT_MS_MAX;

/** What the sensor measures. No quantity of the vocabulary fits it: what a distance tells depends on what stands in front. */
const DISTANCE: ChannelSpec = {
  name: "distance",
  quantity: "distance",
  unit: "mm",
  range: [NEAREST_MM, FARTHEST_MM],
  resolution: 1,
  sensitivity: "environmental",
  publish: false,
};

/** The level of the water below a sensor that hangs `heightMm` above zero. */
const levelOf = (heightMm: number, distanceMm: number): number => (heightMm - distanceMm) / MM_PER_M;

const levelChannel = (heightMm: number): ChannelSpec => ({
  name: "level",
  quantity: "water_level",
  unit: "m",
  range: [levelOf(heightMm, FARTHEST_MM), levelOf(heightMm, NEAREST_MM)],
  resolution: 1 / MM_PER_M,
  sensitivity: "environmental",
});

/** Hundred metres: higher than any bridge that this sensor can see water from, with room for a zero far below the bed. */
const HEIGHT_MM_MAX = 100_000;

class A02yyuw implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #heightMm: number | null;
  #out: SessionSink | null = null;

  constructor(framer: Framer, heightMm: number | null) {
    this.#framer = framer;
    this.#heightMm = heightMm;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") out.expect(EXPECT_WITHIN_MS);
    else if (event.type === "closed") this.#framer.reset(this);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  /** What is out of range is told all the same: core counts it and drops it. */
  frame(bytes: Uint8Array, start: number): void {
    const out = this.#out;
    if (out === null) return;
    const distanceMm = ((bytes[start + 1] as number) << 8) | (bytes[start + 2] as number);
    // The sensor reports whatever stands before it: each frame is a sign of life, and says nothing about people.
    out.about({});
    out.reading("distance", distanceMm);
    if (this.#heightMm !== null) out.reading("level", levelOf(this.#heightMm, distanceMm));
  }
}

interface Options {
  readonly heightMm?: number | undefined;
}

/** A02YYUW: distance by ultrasound, in millimetres, by itself. */
export default ({ z, headerFramer, sum8 }: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "a02yyuw",
  summary: "DFRobot A02YYUW waterproof ultrasonic sensor: distance, and the level of water below it",
  testedWith: "its data sheet",
  port: "serial",
  serial: { baudRate: 9_600 },
  options: z.strictObject({
    heightMm: z
      .int()
      .min(-HEIGHT_MM_MAX)
      .max(HEIGHT_MM_MAX)
      .optional()
      .describe(
        "How high the face of the sensor is above the zero of the level, such as the bed or the local datum, in millimetres. It gives " +
          "the channel level: this height less the distance.",
      ),
  }),
  channels: ({ heightMm }) => (heightMm === undefined ? [DISTANCE] : [levelChannel(heightMm), DISTANCE]),
  start: ({ heightMm }) =>
    new A02yyuw(
      headerFramer({
        header: [HEAD],
        prefixBytes: 1,
        frameBytes: () => FRAME_BYTES,
        frameBytesMax: FRAME_BYTES,
        isSound: (bytes, start, end) => sum8(bytes, start, end - 1) === bytes[end - 1],
      }),
      heightMm ?? null,
    ),
});
