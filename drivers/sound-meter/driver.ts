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

// MS6701: no document of the maker was at hand. The frame is that of two programs that agree, found with instruments of this type:
// K. A. Vander Velden's ms670x.py (public domain, here "ms670x.py") and a class MS6701 on pyserial.

interface Options {
  readonly format: "ascii" | "ms6701";
  readonly field: number;
  readonly range: readonly [number, number];
  readonly everyMs: number;
}

/** What the operator says to be the pause between values may be exceeded this many times over before the meter counts as silent. */
const RHYTHM_MARGIN = 3;

/** Our bound: a line with the values of a third-octave spectrum stays below it. */
const LINE_BYTES_MAX = 512;
const FIELDS_MAX = 64;
const CR = 0x0d;
const PRINTABLE = /^[\t\x20-\x7e]+$/;
const SEPARATOR = /\s*[,;\t]\s*|\s+/;
/** A unit that stands apart from its number belongs to it. */
const UNIT_APART = /(\d)\s+(?=dB)/gi;
const NUMBER = /^(\+?\d{1,3}(?:\.\d{1,2})?)(?:dB)?\s*(\(?[A-DZ]\)?)?$/i;
/** `sound_level` is A-weighted; a number without a letter is what the operator says it is. */
const IS_A = /^\(?A\)?$/i;

/** ms670x.py: `ser = …2400 8N1`. */
const MS6701_LINE = { baudRate: 2_400 } as const;
/** ms670x.py: 18 bytes. First 0xA0 plus the number of the range for what is measured now; 0x80 upwards is read from its memory. */
const MS6701_BYTES = 18;
const MS6701_LIVE = 0xa0;
const MS6701_MASK = 0xf8;
const MS6701_FIRST_MAX = 0xa6;
/** ms670x.py: bits of the second byte. */
const OVER = 0x01;
const UNDER = 0x02;
const SLOW = 0x04;
const A_WEIGHTED = 0x08;
/** ms670x.py: the widest of its ranges. */
const MS6701_RANGE = [30, 130] as const;

const SUSPECT: ReadingDetail = { quality: "suspect" };

/** What a frame says, or why it is not used. */
type Said = { readonly value: number | null; readonly detail?: ReadingDetail } | DiscardReason;

/** `61.5`, `61.5 dBA`, `2026-11-23;10:00;61.5 dB(A);70.2`. */
function readLine(line: string, { field, range }: Options): Said {
  if (!PRINTABLE.test(line)) return "syntax";
  const part = line.trim().replace(UNIT_APART, "$1").split(SEPARATOR)[field - 1];
  const [, digits, weighting = "A"] = NUMBER.exec(part ?? "") ?? [];
  if (digits === undefined) return "syntax";
  const value = Number(digits);
  // A number that no level can be belongs to another text, such as the version in the line that a meter prints when it starts.
  return IS_A.test(weighting) && value >= range[0] && value <= range[1] ? { value } : "unexpected";
}

function readMs6701(bytes: Uint8Array, start: number): Said {
  const [, flags = 0, hundreds = 0, tens = 0, ones = 0, tenths = 0] = bytes.subarray(start, start + 6);
  if ((flags & A_WEIGHTED) === 0) return "unexpected";
  if ((flags & (OVER | UNDER)) !== 0) return { value: null };
  const value = (hundreds * 1_000 + tens * 100 + ones * 10 + tenths) / 10;
  // The mean energy of slow values is the LAeq; fast ones leave out what happened between two of them.
  return (flags & SLOW) === 0 ? { value, detail: SUSPECT } : { value };
}

/** Behind the first byte no byte has its highest bit set; the level is four decimal digits. Bytes of the clock are not looked at. */
function isMs6701(bytes: Uint8Array, start: number, end: number): boolean {
  if ((bytes[start] as number) > MS6701_FIRST_MAX || (bytes[start + 2] as number) > 1) return false;
  return bytes.subarray(start + 1, end).every((byte, index) => byte < 0x80 && (index < 1 || index > 4 || byte <= 9));
}

class SoundMeter implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #options: Options;
  #out: SessionSink | null = null;

  constructor(framer: Framer, options: Options) {
    this.#framer = framer;
    this.#options = options;
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") this.#opened(event.settings.serial?.baudRate, out);
    else if (event.type === "closed") this.#framer.reset(this);
  }

  #opened(baudRate: number | undefined, out: SessionSink): void {
    const { format, everyMs } = this.#options;
    out.expect(RHYTHM_MARGIN * everyMs);
    // The rate of a line of text is for the config to say; this instrument has only one.
    if (format === "ms6701" && baudRate !== undefined && baudRate !== MS6701_LINE.baudRate) out.reopen(MS6701_LINE);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null || length === 0) return;
    const isText = this.#options.format === "ascii";
    const said = isText ? readLine(String.fromCharCode(...bytes.subarray(start, start + length)), this.#options) : readMs6701(bytes, start);
    if (typeof said !== "string") out.reading("laeq", said.value, said.detail);
    // The line ending belongs to the line.
    else out.discard(said, length + (isText ? (bytes[start + length] === CR ? 2 : 1) : 0));
  }
}

/** Sound level meters on a serial line: text, or the frames of the Mastech MS6701. */
export default ({ z, delimiterFramer, headerFramer }: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "sound-meter",
  summary: "Sound level meters on a serial line: text with a level in each line, or Mastech MS6701",
  testedWith: "constructed frames",
  port: "serial",
  serial: { baudRate: 9_600 },
  unchecked: "Neither the lines of text nor the frames of the MS6701 have a checksum.",
  options: z
    .strictObject({
      format: z.enum(["ascii", "ms6701"]).describe("ascii: one line of text for each value. ms6701: the frames of the Mastech MS6701."),
      field: z
        .int()
        .min(1)
        .max(FIELDS_MAX)
        .default(1)
        .describe("ascii: which field of the line is the LAeq, from 1. Fields stand between commas, semicolons or spaces."),
      range: z
        .tuple([z.number(), z.number()])
        .default([20, 140])
        .describe("ascii: lowest and highest level that the meter can measure, in dB. ms6701: always 30 to 130."),
      everyMs: z
        .int()
        .positive()
        .default(1_000)
        .describe("A value comes at least this often, in milliseconds; the meter is silent after three times as long."),
    })
    .superRefine(({ format, field, range }, context) => {
      if (range[0] >= range[1]) context.addIssue({ code: "custom", path: ["range"], message: "must be [lowest, highest]" });
      if (format === "ms6701" && field !== 1) {
        context.addIssue({ code: "custom", path: ["field"], message: "belongs to format ascii; remove it" });
      }
    })
    .meta({ examples: [{ format: "ascii", field: 3 }] }),
  channels: ({ format, range }): readonly ChannelSpec[] => [
    {
      name: "laeq",
      quantity: "sound_level",
      unit: "dB",
      range: format === "ascii" ? range : MS6701_RANGE,
      resolution: 0.1,
      sensitivity: "environmental",
    },
  ],
  start: (options) =>
    new SoundMeter(
      options.format === "ascii"
        ? delimiterFramer({ frameBytesMax: LINE_BYTES_MAX })
        : headerFramer({
            header: [MS6701_LIVE],
            firstMask: MS6701_MASK,
            prefixBytes: 1,
            frameBytes: () => MS6701_BYTES,
            frameBytesMax: MS6701_BYTES,
            isSound: isMs6701,
          }),
      options,
    ),
});
