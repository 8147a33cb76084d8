import type {
  BusEvent,
  ChannelSpec,
  Direction,
  DiscardReason,
  Driver,
  DriverApi,
  Framer,
  FrameSink,
  Session,
  SessionSink,
} from "../../src/driver-api/index.ts";

// OmniPreSense "AN-010 API Interface" and "UM-003 OPS243-A User Manual", in this file "AN-010" and "UM-003".

/** AN-010: `OJ` JSON lines, `UK` speeds in km/h, `??` module information. Two characters each, without a line end. */
const COMMANDS = ["OJ", "UK", "??"].map(ascii);
const ASK = ascii("??");
/** How often the module information is asked for: its answer is the only sign of life on an empty street. */
const ASK_EVERY_MS = 30_000;
const MISSED_ANSWERS = 3;

/** Longest line: the module information fits into 200 bytes (AN-010); the rest is room for boot text. */
const LINE_BYTES_MAX = 512;
const CR = 0x0d;

/** UM-003 p. 8: what the answers to `UC UF UK UM US` call the unit; the international mile and foot. */
const KMH_PER_UNIT: ReadonlyMap<unknown, number> = new Map([
  ["cm-per-sec", 0.036],
  ["ft-per-sec", 1.09728],
  ["km-per-hr", 1],
  ["m-per-sec", 3.6],
  ["mph", 1.609344],
]);
/** UM-003 p. 8: m/s after power-on. Speed lines do not repeat their unit. */
const KMH_PER_UNIT_DEFAULT = 3.6;
/** Tenths of km/h: finer than the radar resolves, and free of the dust of a conversion. */
const STEPS_PER_KMH = 10;

/** AN-010: fields of the module information that say what stands at the other end. */
const FACTS = [
  ["Product", "model"],
  ["Version", "firmware"],
] as const;

const HOLD_OFF = "hold-off";
const ASK_TIMER = "ask";
/** One object as the radar saw it so far: every detection in one direction without a pause of the hold-off. */
interface Track {
  readonly direction: Direction;
  readonly maxKmh: number;
  readonly lastMs: number;
}

const CHANNELS: readonly ChannelSpec[] = [
  {
    name: "passages",
    quantity: "passages",
    unit: "1",
    range: [0, 1],
    resolution: 1,
    sensitivity: "presence",
    cells: { directions: ["towards", "away"] },
    maxPerPassage: 1,
  },
  // UM-003: up to 348 mph (560 km/h) at the highest sampling rate.
  { name: "speed", quantity: "speed", unit: "km/h", range: [0, 560], resolution: 0.1, sensitivity: "presence" },
];

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/**
 * A speed in quotes. V8 puts short strings of JSON among the names that it keeps, from where a speed may still stand in memory long after
 * it was dropped (seen in what a core would hold): it is read as a number.
 */
const QUOTED_SPEED = /("speed"\s*:\s*)"(-?(?:0|[1-9]\d*)(?:\.\d+)?)"/;

/** A JSON object, or null for anything else, such as the text that the module prints at boot. */
function parseObject(bytes: Uint8Array, start: number, length: number): Record<string, unknown> | null {
  try {
    const text = String.fromCharCode(...bytes.subarray(start, start + length));
    const value: unknown = JSON.parse(text.replace(QUOTED_SPEED, "$1$2"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Speeds are numbers or, depending on the firmware, strings. */
function parseSpeed(value: unknown): number | null {
  const isWritten = typeof value === "number" || (typeof value === "string" && value.trim() !== "");
  const speed = isWritten ? Number(value) : Number.NaN;
  return Number.isFinite(speed) ? speed : null;
}

/** AN-010: inbound is towards the radar. Where the line names no direction, the sign does: plus is inbound. */
function directionOf(direction: unknown, speed: number): Direction {
  if (direction === "inbound") return "towards";
  if (direction === "outbound") return "away";
  return speed > 0 ? "towards" : "away";
}

class Ops243 implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #holdOffMs: number;
  #kmhPerUnit = KMH_PER_UNIT_DEFAULT;
  #track: Track | null = null;
  #atMs = 0;
  #out: SessionSink | null = null;

  constructor(framer: Framer, holdOffMs: number) {
    this.#framer = framer;
    this.#holdOffMs = holdOffMs;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    this.#atMs = event.atMs;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") this.#opened(out);
    else if (event.type === "timer") this.#timer(event.name, out);
    else if (event.type === "closed") {
      this.#framer.reset(this);
      this.#endTrack(out);
    }
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null || length === 0) return;
    const line = parseObject(bytes, start, length);
    const problem = line === null ? "syntax" : this.#line(line, out);
    // The line ending belongs to the line.
    if (problem !== null) out.discard(problem, length + (bytes[start + length] === CR ? 2 : 1));
  }

  #opened(out: SessionSink): void {
    // A module that was plugged in again has forgotten its settings.
    this.#kmhPerUnit = KMH_PER_UNIT_DEFAULT;
    out.expect(MISSED_ANSWERS * ASK_EVERY_MS);
    for (const command of COMMANDS) out.write(command);
    out.timer(ASK_TIMER, ASK_EVERY_MS);
  }

  #timer(name: string, out: SessionSink): void {
    if (name === HOLD_OFF) this.#endTrack(out);
    if (name !== ASK_TIMER) return;
    out.write(ASK);
    out.timer(ASK_TIMER, ASK_EVERY_MS);
  }

  /** Why a line was not used, or null when it was. */
  #line(line: Record<string, unknown>, out: SessionSink): DiscardReason | null {
    if (line.speed !== undefined) {
      const speed = parseSpeed(line.speed);
      if (speed === null) return "syntax";
      if (speed !== 0) this.#detection(directionOf(line.direction, speed), Math.abs(speed), out);
      return null;
    }
    // Range answers carry `Units` too, with the range's own unit beside it (UM-003 p. 8).
    if (line.Units !== undefined && line.RangeUnit === undefined) {
      const kmhPerUnit = KMH_PER_UNIT.get(line.Units);
      if (kmhPerUnit === undefined) return "unexpected";
      this.#kmhPerUnit = kmhPerUnit;
      return null;
    }
    for (const [key, fact] of FACTS) {
      if (typeof line[key] !== "string") continue;
      out.about({ [fact]: line[key] });
      return null;
    }
    return "unexpected";
  }

  #detection(direction: Direction, speed: number, out: SessionSink): void {
    const track = this.#track;
    const kmh = Math.round(speed * this.#kmhPerUnit * STEPS_PER_KMH) / STEPS_PER_KMH;
    const isSame = track !== null && track.direction === direction && this.#atMs - track.lastMs < this.#holdOffMs;
    if (!isSame) this.#endTrack(out);
    this.#track = { direction, maxKmh: isSame ? Math.max(track.maxKmh, kmh) : kmh, lastMs: this.#atMs };
    out.timer(HOLD_OFF, this.#holdOffMs);
  }

  /** The highest speed is reported: off its axis a radar sees the cosine of the speed, so the others are too low. */
  #endTrack(out: SessionSink): void {
    const track = this.#track;
    if (track === null) return;
    this.#track = null;
    out.timer(HOLD_OFF, null);
    out.passage("passages", { direction: track.direction, speedKmh: track.maxKmh });
  }
}

/** OmniPreSense OPS243 and OPS241: Doppler radar that reports the speed of what moves in front of it. */
export default ({ z, delimiterFramer }: DriverApi): Driver<{ holdOffMs: number }> => ({
  apiVersion: 1,
  name: "ops243",
  summary: "OmniPreSense OPS243-A and OPS241-A Doppler radars: passages by direction and their speed",
  testedWith: "its API manual",
  port: "serial",
  serial: { baudRate: 115_200 },
  unchecked: "Lines of JSON and text have no checksum.",
  options: z.strictObject({
    holdOffMs: z
      .int()
      .min(100)
      .max(10_000)
      .default(1_000)
      .describe("Detections in one direction with pauses shorter than this are one object. Milliseconds."),
  }),
  channels: () => CHANNELS,
  start: ({ holdOffMs }) => new Ops243(delimiterFramer({ frameBytesMax: LINE_BYTES_MAX }), holdOffMs),
});
