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

// Benewake "TF-Luna" manual SJ-PM-TF-Luna A03 (appendix I: also A05), in this file "Luna"; "TFmini" SJ-PM-TFmini-T-01 A03, "mini".

/** Luna appendix I, mini §5.3: `59 59`, distance, strength, temperature (TFmini: mode, spare), little endian; the sum of all before. */
const HEADER = [0x59, 0x59];
const FRAME_BYTES = 9;
const DISTANCE_AT = 2;
const STRENGTH_AT = 4;
/** Luna §5.4: the distance is unreliable below 100 and at 65535 (overexposed). Mini §5.4 says below 20: the stricter one is taken. */
const STRENGTH_MIN = 100;
const OVEREXPOSED = 65_535;
/** Mini §5.4: up to 1200 cm; what is farther is reported as 1200. */
const FARTHEST_CM = 1_200;

/** Luna §5.5: 100 frames a second from the factory, 1 a second at least. Two may get lost. */
const EXPECT_WITHIN_MS = 3_000;
/** How often frames are told as a sign of life. */
const LIFE_EVERY_MS = 1_000;
/** Without one reliable distance for this long, what stands there is not known any more. */
const UNKNOWN_AFTER_MS = 1_000;

const CLEAR = 0;
const OCCUPIED = 1;
/** What one frame says: something is near, nothing is, or it does not say. */
type Evidence = typeof CLEAR | typeof OCCUPIED | "between" | "unreliable";

interface Options {
  readonly as: "passages" | "bay";
  readonly nearCm: number;
  readonly farCm: number;
  readonly arriveMs: number;
  readonly leaveMs: number;
  readonly noEcho: "unknown" | "clear";
}

const STATE = { unit: "1", range: [CLEAR, OCCUPIED], resolution: 1, sensitivity: "presence" } as const;
const BAY: readonly ChannelSpec[] = [{ name: "bay", quantity: "bay_state", ...STATE }];
const PASSAGES: readonly ChannelSpec[] = [
  { name: "passages", quantity: "passages", unit: "1", range: [0, 1], resolution: 1, sensitivity: "presence", cells: {}, maxPerPassage: 1 },
  { name: "presence", quantity: "presence", ...STATE },
];

const word = (bytes: Uint8Array, at: number): number => (bytes[at] as number) | ((bytes[at + 1] as number) << 8);

/** `near` below the near edge, `clear` from the far edge on; what lies between changes nothing. */
function evidenceOf(distanceCm: number, strength: number, { nearCm, farCm, noEcho }: Options): Evidence {
  if (strength === OVEREXPOSED) return "unreliable";
  if (strength < STRENGTH_MIN) return noEcho === "clear" ? CLEAR : "unreliable";
  // Zero is no distance: nearer than 20 cm is the dead zone of the TF-Luna, and what it sends there is not in the manual.
  if (distanceCm === 0) return "unreliable";
  if (distanceCm < nearCm) return OCCUPIED;
  return distanceCm >= farCm ? CLEAR : "between";
}

class Tfmini implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #options: Options;
  /** null: not known. */
  #state: typeof CLEAR | typeof OCCUPIED | null = null;
  /** Since when every frame has spoken for the other state. */
  #turn: { readonly to: typeof CLEAR | typeof OCCUPIED; readonly sinceMs: number } | null = null;
  #reliableMs = 0;
  #lifeMs: number | null = null;
  #atMs = 0;
  #out: SessionSink | null = null;

  constructor(framer: Framer, options: Options) {
    this.#framer = framer;
    this.#options = options;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    this.#atMs = event.atMs;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") {
      out.expect(EXPECT_WITHIN_MS);
      this.#lifeMs = null;
    } else if (event.type === "closed") {
      this.#framer.reset(this);
      // Who came or went while the port was closed, nobody saw.
      this.#state = null;
      this.#turn = null;
    }
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number): void {
    const out = this.#out;
    if (out === null) return;
    this.#live(out);
    const evidence = evidenceOf(word(bytes, start + DISTANCE_AT), word(bytes, start + STRENGTH_AT), this.#options);
    if (evidence === "unreliable") this.#unreliable(out);
    else this.#reliable(evidence, out);
  }

  /** Frames come whether anybody is there or not: they are life, and what is in them is not. */
  #live(out: SessionSink): void {
    if (this.#lifeMs !== null && this.#atMs - this.#lifeMs < LIFE_EVERY_MS) return;
    this.#lifeMs = this.#atMs;
    out.about({});
  }

  #unreliable(out: SessionSink): void {
    if (this.#atMs - this.#reliableMs < UNKNOWN_AFTER_MS) return;
    this.#turn = null;
    if (this.#state === null) return;
    this.#state = null;
    out.reading(this.#stateChannel, null);
  }

  #reliable(evidence: Exclude<Evidence, "unreliable">, out: SessionSink): void {
    this.#reliableMs = this.#atMs;
    if (evidence === "between" || evidence === this.#state) {
      this.#turn = null;
      return;
    }
    if (this.#turn?.to !== evidence) this.#turn = { to: evidence, sinceMs: this.#atMs };
    const { arriveMs, leaveMs } = this.#options;
    if (this.#atMs - this.#turn.sinceMs >= (evidence === OCCUPIED ? arriveMs : leaveMs)) this.#become(evidence, out);
  }

  /** One object is one passage, when it arrives. What stood there already when the sensor began to see was not seen arriving. */
  #become(state: typeof CLEAR | typeof OCCUPIED, out: SessionSink): void {
    const hasArrived = state === OCCUPIED && this.#state === CLEAR;
    this.#state = state;
    this.#turn = null;
    out.reading(this.#stateChannel, state);
    if (hasArrived && this.#options.as === "passages") out.passage("passages", {});
  }

  get #stateChannel(): string {
    return this.#options.as === "bay" ? "bay" : "presence";
  }
}

const optionsOf = ({ z }: DriverApi) =>
  z
    .strictObject({
      as: z
        .enum(["passages", "bay"])
        .default("passages")
        .describe(
          "passages: counts what comes into the beam, and says whether something is there. bay: says whether a parking bay is taken.",
        ),
      nearCm: z.int().min(1).max(FARTHEST_CM).describe("Something is there when it is nearer than this. Centimetres from the sensor."),
      farCm: z
        .int()
        .min(1)
        .max(FARTHEST_CM)
        .describe(
          "Nothing is there from this distance on. What lies between the two changes nothing, so that an edge does not count twice.",
        ),
      arriveMs: z
        .int()
        .min(0)
        .max(600_000)
        .default(50)
        .describe("How long something must be nearer than nearCm without a break. Milliseconds."),
      leaveMs: z
        .int()
        .min(0)
        .max(600_000)
        .default(500)
        .describe("How long nothing must be there before the next one counts as another. Milliseconds."),
      noEcho: z
        .enum(["unknown", "clear"])
        .default("unknown")
        .describe("What a frame with too weak an echo says. unknown: nothing. clear: the beam goes into the open, and nobody is there."),
    })
    .refine(({ nearCm, farCm }) => farCm > nearCm, { path: ["farCm"], message: "must be more than nearCm" })
    .meta({ examples: [{ nearCm: 250, farCm: 300 }] });

/** Benewake TFmini and TF-Luna: distance by the flight time of light, read as passages or as a parking bay. */
export default (api: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "tfmini",
  summary: "Benewake TFmini and TF-Luna lidars: passages through a beam, or whether a parking bay is taken",
  testedWith: "its manual",
  port: "serial",
  serial: { baudRate: 115_200 },
  options: optionsOf(api),
  channels: (options) => (options.as === "bay" ? BAY : PASSAGES),
  start: (options) =>
    new Tfmini(
      api.headerFramer({
        header: HEADER,
        prefixBytes: HEADER.length,
        frameBytes: () => FRAME_BYTES,
        frameBytesMax: FRAME_BYTES,
        isSound: (bytes, start, end) => api.sum8(bytes, start, end - 1) === bytes[end - 1],
      }),
      options,
    ),
});
