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

// "SDI-12, A Serial-Digital Interface Standard for Microprocessor-Based Sensors" V1.4, in this file "standard".

/** Standard §4.2: a break of 12 ms at least wakes every sensor; 8.33 ms of marking come before the command. A few ms more for timers. */
const BREAK_MS = 15;
const MARK_MS = 12;
/** Standard §4.4: the longest answer has 75 characters of values; at 1200 baud 8.33 ms each. The rest is for adapters on USB. */
const ANSWER_MS = 1_500;
/** Standard §4.4.6: ttt seconds are the most that a measurement takes; what comes later than this is not waited for. */
const WAIT_MARGIN_MS = 500;
/** Standard §7.2: a command that is not answered is tried again, three times at least. */
const TRIES = 3;
/** Standard §4.4.8: aD0! to aD9!. */
const DATA_COMMANDS = 10;
/** Standard §4.4.6, §4.4.9: how many values a measurement can have: one digit after aM!, two after aC!. */
const VALUES_MAX = 99;
const LINE_BYTES_MAX = 128;
/** Standard §4.4.12: three characters before CR LF. */
const CRC_BYTES = 3;

const MISSED_ROUNDS = 4;
const EVERY_SECONDS_MAX = 3_600;
const POLL = "poll";
const BREAK = "break";
const MARK = "mark";
const ANSWER = "answer";

const CR = 0x0d;
/** Standard §4.4.8: a sign, at most seven digits, at most one point among them. */
const VALUE = /[+-](?:\d{1,7}(?:\.\d{0,7})?|\.\d{1,7})/g;
const SINGLE_COUNT = /^(\d{3})(\d)$/;
const CONCURRENT_COUNT = /^(\d{3})(\d{2})$/;

const CHANNEL_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const CHANNELS_MAX = 64;
/** Kinds of quantity that one value can carry. */
const KINDS: readonly string[] = ["gauge", "level", "direction", "counter"];

type ChannelOptions = ReturnType<ReturnType<typeof channelOptions>["parse"]>;
type Options = ReturnType<ReturnType<typeof optionsOf>["parse"]>;

/** One measurement of one sensor, and what becomes of its values. */
interface Measurement {
  readonly address: string;
  /** Without the address: `MC!`. */
  readonly command: string;
  readonly isConcurrent: boolean;
  readonly wanted: readonly (ChannelOptions & { readonly name: string })[];
}

/** Measurements in the order in which the channels name them. */
function measurementsOf({ channels, checksum }: Options): readonly Measurement[] {
  const found = new Map<string, Measurement & { wanted: (ChannelOptions & { readonly name: string })[] }>();
  for (const [name, channel] of Object.entries(channels)) {
    const { address, measurement } = channel;
    const [letter = "", number = ""] = measurement;
    const command = `${letter}${checksum ? "C" : ""}${number}!`;
    const known = found.get(address + command) ?? { address, command, isConcurrent: letter === "C", wanted: [] };
    known.wanted.push({ name, ...channel });
    found.set(address + command, known);
  }
  return [...found.values()];
}

class Sdi12 implements Session, FrameSink {
  readonly #framer: Framer;
  readonly #crc16: DriverApi["crc16Arc"];
  readonly #options: Options;
  readonly #measurements: readonly Measurement[];
  /** What is waited for: the answer to aM!, the end of the measurement, or values. */
  #is: "idle" | "waking" | "starting" | "measuring" | "reading" = "idle";
  #turn = 0;
  #tries = 0;
  /** The command that is sent after the break, or was sent last. */
  #command = "";
  /** How many values the sensor has announced, and those that it gave. */
  #announced = 0;
  #values: number[] = [];
  #dataCommand = 0;
  #out: SessionSink | null = null;

  constructor(framer: Framer, crc16: DriverApi["crc16Arc"], options: Options) {
    this.#framer = framer;
    this.#crc16 = crc16;
    this.#options = options;
    this.#measurements = measurementsOf(options);
  }

  handle(event: BusEvent, out: SessionSink): void {
    this.#out = out;
    if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "opened") this.#opened(event, out);
    else if (event.type === "timer") this.#timer(event.name, out);
    else if (event.type === "closed") {
      this.#framer.reset(this);
      this.#is = "idle";
    }
  }

  #opened({ settings }: Extract<BusEvent, { type: "opened" }>, out: SessionSink): void {
    const { line, everySeconds } = this.#options;
    // An adapter that makes the break itself speaks with us as any other device: eight bits, at its own rate.
    const { serial } = settings;
    if (line === "adapter" && serial?.dataBits === 7) return out.reopen({ baudRate: serial.baudRate, dataBits: 8, parity: "none" });
    out.expect(MISSED_ROUNDS * everySeconds * 1_000);
    this.#is = "idle";
    this.#poll(out);
  }

  #timer(name: string, out: SessionSink): void {
    if (name === POLL) this.#poll(out);
    else if (this.#is === "waking" && name === BREAK) {
      out.signal("break", false);
      out.timer(MARK, MARK_MS);
    } else if (this.#is === "waking" && name === MARK) this.#send(out);
    else if (this.#is !== "waking" && this.#is !== "idle" && name === ANSWER) this.#late(out);
  }

  /** A round that is not over goes on: the next one begins with the next timer. */
  #poll(out: SessionSink): void {
    out.timer(POLL, this.#options.everySeconds * 1_000);
    if (this.#is !== "idle") return;
    this.#turn = -1;
    this.#next(out);
  }

  #start(out: SessionSink): void {
    const measurement = this.#measurements[this.#turn];
    this.#is = "idle";
    if (measurement === undefined) return;
    this.#values = [];
    this.#announced = 0;
    this.#dataCommand = 0;
    this.#say(measurement.address + measurement.command, out);
  }

  #say(command: string, out: SessionSink): void {
    this.#command = command;
    this.#is = "waking";
    if (this.#options.line === "adapter") return this.#send(out);
    out.signal("break", true);
    out.timer(BREAK, BREAK_MS);
  }

  #send(out: SessionSink): void {
    out.write(new TextEncoder().encode(this.#command));
    out.timer(ANSWER, ANSWER_MS);
    this.#is = this.#announced === 0 ? "starting" : "reading";
  }

  /** Nothing came. After its time the sensor has its values, with a service request or without. */
  #late(out: SessionSink): void {
    // Half an answer is not glued to the next one.
    this.#framer.reset(this);
    if (this.#is === "measuring") return this.#askData(out);
    this.#tries++;
    if (this.#tries >= TRIES) this.#next(out);
    else if (this.#is === "reading") this.#askData(out);
    else this.#start(out);
  }

  #askData(out: SessionSink): void {
    this.#say(`${this.#measurements[this.#turn]?.address ?? ""}D${this.#dataCommand}!`, out);
  }

  #next(out: SessionSink): void {
    this.#turn++;
    this.#tries = 0;
    out.timer(ANSWER, null);
    this.#start(out);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  /**
   * One line. One that is not understood is dropped, and the timer asks again. A break of our own can be heard as a zero, and on a
   * half-duplex line we hear what we said.
   */
  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null) return;
    const end = start + length;
    const heard = String.fromCharCode(...bytes.subarray(start, end)).replace(/^\0+/, "");
    const text = heard.startsWith(this.#command) ? heard.slice(this.#command.length) : heard;
    const refusal = this.#read(text, bytes, end, out);
    if (refusal !== null) out.discard(refusal, length + (bytes[end] === CR ? 2 : 1));
  }

  #read(text: string, bytes: Uint8Array, end: number, out: SessionSink): DiscardReason | null {
    const measurement = this.#measurements[this.#turn];
    if (measurement === undefined || this.#is === "idle" || this.#is === "waking" || text[0] !== measurement.address) return "unexpected";
    if (this.#is === "starting") return this.#readCount(text.slice(1), measurement, out);
    if (this.#is === "reading") return this.#readValues(text, bytes, end, out);
    if (text.length !== 1 || measurement.isConcurrent) return "unexpected";
    this.#askData(out);
    return null;
  }

  #readCount(text: string, { isConcurrent }: Measurement, out: SessionSink): DiscardReason | null {
    const [, seconds, count] = (isConcurrent ? CONCURRENT_COUNT : SINGLE_COUNT).exec(text) ?? [];
    if (seconds === undefined || count === undefined) return "syntax";
    this.#announced = Number(count);
    this.#tries = 0;
    if (this.#announced === 0) this.#next(out);
    else if (Number(seconds) === 0) this.#askData(out);
    else {
      this.#is = "measuring";
      out.timer(ANSWER, Number(seconds) * 1_000 + WAIT_MARGIN_MS);
    }
    return null;
  }

  #readValues(text: string, bytes: Uint8Array, end: number, out: SessionSink): DiscardReason | null {
    const crcBytes = this.#options.checksum ? CRC_BYTES : 0;
    if (text.length <= crcBytes) return "syntax";
    if (this.#options.checksum && !this.#isSound(bytes, end - text.length, end - CRC_BYTES)) return "checksum";
    const said = text.slice(1, text.length - crcBytes);
    const values = said.match(VALUE) ?? [];
    if (values.join("") !== said) return "syntax";
    if (values.length > 0) out.about({}); // an answer to our own question
    this.#values.push(...values.map(Number));
    this.#dataCommand++;
    this.#tries = 0;
    const isWhole = this.#values.length >= this.#announced;
    if (isWhole) this.#emit(out);
    // Standard §4.4.8: an answer without values is the end of them.
    if (isWhole || values.length === 0 || this.#dataCommand === DATA_COMMANDS) this.#next(out);
    else this.#askData(out);
    return null;
  }

  /** Standard §4.4.12: six bits a character. */
  #isSound(bytes: Uint8Array, from: number, end: number): boolean {
    const crc = this.#crc16(bytes, from, end);
    return (
      bytes[end] === (0x40 | (crc >> 12)) && bytes[end + 1] === (0x40 | ((crc >> 6) & 0x3f)) && bytes[end + 2] === (0x40 | (crc & 0x3f))
    );
  }

  #emit(out: SessionSink): void {
    for (const { name, value, scale, offset, counts } of this.#measurements[this.#turn]?.wanted ?? []) {
      const raw = this.#values[value - 1];
      if (raw === undefined) continue;
      if (counts === "total") out.total(name, raw * scale + offset);
      else out.reading(name, raw * scale + offset);
    }
  }
}

const EXAMPLE = {
  channels: {
    soil_moisture: { address: "0", value: 1, quantity: "soil_moisture", range: [0, 100], resolution: 0.1 },
    soil_temperature: { address: "0", value: 2, quantity: "temperature", range: [-40, 60], resolution: 0.1 },
    level: { address: "1", measurement: "C", value: 1, quantity: "water_level", scale: 0.001, range: [0, 10] },
  },
};

function channelOptions({ z, findQuantity }: DriverApi) {
  return z
    .strictObject({
      address: z
        .string()
        .regex(/^[0-9A-Za-z]$/, "must be one letter or digit")
        .describe("Address of the sensor on the line: one letter or digit."),
      measurement: z
        .string()
        .regex(/^[MC][1-9]?$/, "must be M, M1 to M9, C, or C1 to C9")
        .default("M")
        .describe("Which of its measurements: M, M1 to M9, or C, C1 to C9 (concurrent). Its manual says what each gives."),
      value: z.int().min(1).max(VALUES_MAX).describe("Which value of the answer, from 1."),
      quantity: z.string().min(1).describe("What it measures, from the vocabulary. It decides the unit and the sensitivity."),
      unit: z.string().optional().describe("UCUM unit of the scaled value. Needed only when the vocabulary lacks the quantity."),
      scale: z.number().default(1).describe("Factor from the value of the sensor to the unit of the quantity."),
      offset: z.number().default(0).describe("What is added after that."),
      range: z
        .tuple([z.number(), z.number()])
        .default([-1e6, 1e6])
        .describe("Lowest and highest value it can report, in the unit of the quantity. What means an error, such as -9999, lies outside."),
      resolution: z.number().positive().default(0.01).describe("Smallest step of the scaled value; summaries are rounded to it."),
      counts: z.enum(["increments", "total"]).optional().describe("For counters: what is new since the last answer, or a running total."),
    })
    .superRefine(({ quantity, unit, range, counts }, context) => {
      const complain = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
      const known = findQuantity(quantity);
      if (known === null && unit === undefined) complain("unit", `is needed: "${quantity}" is not in the vocabulary`);
      if (known !== null && unit !== undefined && unit !== known.unit)
        complain("unit", `${quantity} is in ${known.unit}; use scale to convert`);
      if (known !== null && !KINDS.includes(known.kind)) complain("quantity", `${quantity} is not one value of a sensor`);
      if ((known?.kind === "counter") !== (counts !== undefined)) complain("counts", "belongs to counters, and counters need it");
      if (range[0] >= range[1]) complain("range", "must be [lowest, highest]");
    });
}

const optionsOf = (api: DriverApi) =>
  api.z
    .strictObject({
      line: api.z
        .enum(["direct", "adapter"])
        .default("direct")
        .describe(
          "direct: a converter that passes bytes, at 1200 baud with 7 bits and even parity; the driver makes the break. adapter: one " +
            "that makes the break itself and takes commands as text, at its own baud rate.",
        ),
      checksum: api.z
        .boolean()
        .default(true)
        .describe("Asks for values with a checksum (aMC!, aCC!). false: for sensors of SDI-12 1.2 and before, which do not know it."),
      everySeconds: api.z
        .int()
        .min(5)
        .max(EVERY_SECONDS_MAX)
        .default(60)
        .describe("How often all sensors of the line are asked, one after the other. A round that takes longer leaves the next one out."),
      channels: api.z
        .record(api.z.string().regex(CHANNEL_NAME), channelOptions(api))
        .refine((all) => Object.keys(all).length > 0 && Object.keys(all).length <= CHANNELS_MAX, `must hold 1 to ${CHANNELS_MAX} channels`)
        .describe("The channels, each with the sensor, the measurement and the value that it is read from."),
    })
    .meta({ examples: [EXAMPLE] });

/** Sensors on an SDI-12 line: soil, water, weather. Several share it by their addresses. */
export default (api: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "sdi12",
  summary: "Sensors on an SDI-12 line, several by their addresses: soil, water, weather",
  testedWith: "the standard's example",
  port: "serial",
  serial: { baudRate: 1_200, dataBits: 7, parity: "even" },
  unchecked: "Values have none with `checksum: false`, and the announcement of a measurement has none at all.",
  options: optionsOf(api),
  channels: ({ channels }) =>
    Object.entries(channels).map(([name, { quantity, unit, range, resolution }]): ChannelSpec => {
      const known = api.findQuantity(quantity); // null: presence all the same, until the operator says `because:`
      return { name, quantity, unit: known?.unit ?? unit ?? "1", range, resolution, sensitivity: known?.floor ?? "environmental" };
    }),
  start: (options) => new Sdi12(api.delimiterFramer({ frameBytesMax: LINE_BYTES_MAX }), api.crc16Arc, options),
});
