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

/** Longest line. A sound meter that prints a third-octave spectrum stays below 1,000 bytes. */
const LINE_BYTES_MAX = 4_096;
const CR = 0x0d;
/** What the operator says to be the longest pause may be exceeded this many times over before the sensor counts as silent. */
const RHYTHM_MARGIN = 3;
const FIELDS_MAX = 64;
const CHANNEL_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Kinds of quantity that one number in a line can carry. */
const KINDS: readonly string[] = ["gauge", "level", "direction", "counter"];

interface Field {
  readonly key: string;
  readonly quantity: string;
  readonly unit?: string | undefined;
  readonly scale: number;
  readonly range: readonly [number, number];
  readonly resolution: number;
  readonly counts?: "increments" | "total" | undefined;
}

interface Options {
  readonly fields: Readonly<Record<string, Field>>;
  readonly everyMs: number | null;
}

/** A field as a session works with it. */
interface Mapping {
  readonly channel: string;
  readonly path: readonly string[];
  readonly scale: number;
  readonly isTotal: boolean;
}

/** What stands at a path: a number, null, `absent`, or `wrong` when it is something else. */
function valueAt(line: unknown, path: readonly string[]): number | null | "absent" | "wrong" {
  let value: unknown = line;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return "absent";
    value = (value as Record<string, unknown>)[key];
  }
  if (value === null) return null;
  if (typeof value === "string" && NUMBER.test(value)) return Number(value);
  return typeof value === "number" && Number.isFinite(value) ? value : "wrong";
}

/** `a=1 b=2`, separated by spaces, commas, semicolons or ampersands; null when a part is not `key=value`. */
function parsePairs(text: string): Record<string, string> | null {
  const pairs: Record<string, string> = {};
  for (const part of text.split(/[\s,;&]+/)) {
    if (part === "") continue;
    const at = part.indexOf("=");
    if (at <= 0) return null;
    pairs[part.slice(0, at)] = part.slice(at + 1);
  }
  return pairs;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

class JsonLines implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #everyMs: number | null;
  readonly #mappings: readonly Mapping[];
  readonly #values: (number | null | "absent")[];
  readonly #decoder = new TextDecoder();
  #out: SessionSink | null = null;

  constructor(framer: Framer, { fields, everyMs }: Options) {
    this.#framer = framer;
    this.#everyMs = everyMs;
    this.#mappings = Object.entries(fields).map(([channel, { key, scale, counts }]) => {
      return { channel, path: key.split("."), scale, isTotal: counts === "total" };
    });
    this.#values = this.#mappings.map(() => "absent");
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") out.expect(this.#everyMs === null ? null : this.#everyMs * RHYTHM_MARGIN);
    else if (event.type === "closed") this.#framer.reset(this);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null || length === 0) return;
    const text = this.#decoder.decode(bytes.subarray(start, start + length));
    const problem = this.#read(text.trimStart().startsWith("{") ? parseJson(text) : parsePairs(text));
    if (problem === null) {
      // The operator says that it speaks by itself, whoever is there: then each line shows life, of people as well.
      if (this.#everyMs !== null) out.about({});
      this.#emit(out);
    }
    // The line ending belongs to the line.
    else out.discard(problem, length + (bytes[start + length] === CR ? 2 : 1));
    // What somebody did is not kept until somebody else comes.
    this.#values.fill("absent");
  }

  /** All fields of a line, or none: one that is wrong casts doubt on the others. */
  #read(line: unknown): DiscardReason | null {
    if (line === null) return "syntax";
    let found = 0;
    for (const [index, { path }] of this.#mappings.entries()) {
      const value = valueAt(line, path);
      if (value === "wrong") return "syntax";
      if (value !== "absent") found++;
      this.#values[index] = value;
    }
    return found === 0 ? "unexpected" : null;
  }

  #emit(out: SessionSink): void {
    for (const [index, { channel, scale, isTotal }] of this.#mappings.entries()) {
      const value = this.#values[index];
      if (value === "absent" || value === undefined) continue;
      if (!isTotal) out.reading(channel, value === null ? null : value * scale);
      else if (value !== null) out.total(channel, value * scale);
    }
  }
}

const EXAMPLE = {
  fields: {
    laeq: { key: "laeq", quantity: "sound_level", range: [20, 140], resolution: 0.1 },
    temperature: { key: "air.t", quantity: "temperature", range: [-40, 85], resolution: 0.01 },
  },
  everyMs: 1_000,
};

function optionsSchema({ z, findQuantity }: DriverApi): Driver<Options>["options"] {
  const field = z
    .strictObject({
      key: z.string().min(1).max(128).describe("Where the value stands in a line. Dots lead into objects: `air.t`."),
      quantity: z.string().min(1).describe("What it measures, from the vocabulary. It decides the unit and the sensitivity."),
      unit: z.string().optional().describe("UCUM unit of the scaled value. Needed only when the vocabulary lacks the quantity."),
      scale: z.number().default(1).describe("Factor from the number in the line to the unit of the quantity."),
      range: z
        .tuple([z.number(), z.number()])
        .default([-1e9, 1e9])
        .describe("Lowest and highest scaled value the instrument can report; others are counted and dropped."),
      resolution: z.number().positive().default(0.01).describe("Smallest step of the scaled value; summaries are rounded to it."),
      counts: z.enum(["increments", "total"]).optional().describe("For counters: what is new since the last line, or a running total."),
    })
    .superRefine(({ quantity, unit, range, counts }, context) => {
      const complain = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
      const known = findQuantity(quantity);
      if (known === null && unit === undefined) complain("unit", `is needed: "${quantity}" is not in the vocabulary`);
      if (known !== null && unit !== undefined && unit !== known.unit) {
        complain("unit", `${quantity} is in ${known.unit}; use scale to convert`);
      }
      if (known !== null && !KINDS.includes(known.kind)) complain("quantity", `${quantity} is not one number in a line`);
      if ((known?.kind === "counter") !== (counts !== undefined)) complain("counts", "belongs to counters, and counters need it");
      if (range[0] >= range[1]) complain("range", "must be [lowest, highest]");
    });
  return z
    .strictObject({
      fields: z
        .record(z.string().regex(CHANNEL_NAME), field)
        .refine(
          (fields) => Object.keys(fields).length > 0 && Object.keys(fields).length <= FIELDS_MAX,
          `must hold 1 to ${FIELDS_MAX} fields`,
        )
        .describe("The channels, each with the field of the line that it is read from."),
      everyMs: z
        .int()
        .positive()
        .nullable()
        .default(null)
        .describe(
          "A line comes at least this often, in milliseconds, whether anything happens or not; the sensor is silent after three times as " +
            "long. null: lines come when something happens.",
        ),
    })
    .meta({ examples: [EXAMPLE] });
}

/** Any instrument that prints one JSON object, or `key=value` pairs, per line. */
export default (api: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "json-lines",
  summary: "Any instrument that prints a JSON object or key=value pairs per line",
  testedWith: "constructed lines",
  port: "serial",
  serial: { baudRate: 115_200 },
  generic: true,
  unchecked: "No line has a checksum.",
  options: optionsSchema(api),
  channels: ({ fields }) =>
    Object.entries(fields).map(([name, { quantity, unit, range, resolution }]): ChannelSpec => {
      // One that is not in the vocabulary is presence all the same, until the operator says `because:` (src/config).
      const sensitivity = api.findQuantity(quantity)?.floor ?? "environmental";
      return { name, quantity, unit: api.findQuantity(quantity)?.unit ?? unit ?? "1", range, resolution, sensitivity };
    }),
  start: (options) => new JsonLines(api.delimiterFramer({ frameBytesMax: LINE_BYTES_MAX }), options),
});
