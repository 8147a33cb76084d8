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

import { type ChannelOptions, type Options, optionsOf } from "./options.ts";

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
const LINE_BYTES_MAX = 128;
/** Standard §4.4.12: three characters before CR LF. */
const CRC_BYTES = 3;

const MISSED_ROUNDS = 3;
const ROUND_MARGIN_MS = 60_000;
const EVERY_SECONDS_MAX = 3_600;
const POLL = "poll";
const BREAK = "break";
const MARK = "mark";
const ANSWER = "answer";

const CR = 0x0d;
/** Standard §4.4.8: a sign, at most seven digits, at most one point among them. */
const VALUE = /[+-](?:\d{1,7}(?:\.\d{0,7})?|\.\d{1,7})/g;
const VALUES = /^(?:[+-](?:\d{1,7}(?:\.\d{0,7})?|\.\d{1,7}))*$/;
const SINGLE_COUNT = /^(\d{3})(\d)$/;
const CONCURRENT_COUNT = /^(\d{3})(\d{2})$/;

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
    const key = address + command;
    const known = found.get(key) ?? { address, command, isConcurrent: letter === "C", wanted: [] };
    known.wanted.push({ name, ...channel });
    found.set(key, known);
  }
  return [...found.values()];
}

/** Why a line is no answer. */
type Refusal = Extract<DiscardReason, "checksum" | "syntax" | "unexpected">;

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
    if (line === "adapter" && settings.serial?.dataBits === 7) {
      out.reopen({ baudRate: settings.serial.baudRate, dataBits: 8, parity: "none" });
      return;
    }
    out.expect(MISSED_ROUNDS * everySeconds * 1_000 + ROUND_MARGIN_MS);
    this.#is = "idle";
    this.#poll(out);
  }

  #timer(name: string, out: SessionSink): void {
    if (name === POLL) this.#poll(out);
    else if (this.#is === "idle") return;
    else if (name === BREAK && this.#is === "waking") {
      out.signal("break", false);
      out.timer(MARK, MARK_MS);
    } else if (name === MARK && this.#is === "waking") this.#send(out);
    else if (name === ANSWER) this.#late(out);
  }

  /** A round that is not over goes on: the next one begins with the next timer. */
  #poll(out: SessionSink): void {
    out.timer(POLL, this.#options.everySeconds * 1_000);
    if (this.#is !== "idle") return;
    this.#turn = 0;
    this.#begin(out);
  }

  #begin(out: SessionSink): void {
    this.#tries = 0;
    this.#start(out);
  }

  #start(out: SessionSink): void {
    const measurement = this.#measurements[this.#turn];
    if (measurement === undefined) {
      this.#is = "idle";
      return;
    }
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
    out.timer(ANSWER, null);
    this.#begin(out);
  }

  discard(reason: DiscardReason, byteCount: number): void {
    this.#out?.discard(reason, byteCount);
  }

  /** One line. A line that is not understood is dropped, and the timer asks again. */
  frame(bytes: Uint8Array, start: number, length: number): void {
    const out = this.#out;
    if (out === null) return;
    const end = start + length;
    let from = start;
    // A break of our own can be heard as a zero, and on half a line we hear what we said.
    while (from < end && bytes[from] === 0) from++;
    if (this.#isEcho(bytes, from, end)) from += this.#command.length;
    const refusal = this.#read(bytes, from, end, out);
    if (refusal !== null) out.discard(refusal, length + (bytes[end] === CR ? 2 : 1));
  }

  #isEcho(bytes: Uint8Array, from: number, end: number): boolean {
    const { length } = this.#command;
    if (end - from < length) return false;
    for (let at = 0; at < length; at++) if (bytes[from + at] !== this.#command.charCodeAt(at)) return false;
    return true;
  }

  #read(bytes: Uint8Array, from: number, end: number, out: SessionSink): Refusal | null {
    const measurement = this.#measurements[this.#turn];
    const text = String.fromCharCode(...bytes.subarray(from, end));
    if (measurement === undefined || this.#is === "idle" || this.#is === "waking") return "unexpected";
    if (text[0] !== measurement.address) return "unexpected";
    if (this.#is === "starting") return this.#readCount(text.slice(1), measurement, out);
    if (this.#is === "reading") return this.#readValues(bytes, from, end, out);
    if (text.length !== 1 || measurement.isConcurrent) return "unexpected";
    this.#askData(out);
    return null;
  }

  #readCount(text: string, { isConcurrent }: Measurement, out: SessionSink): Refusal | null {
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

  #readValues(bytes: Uint8Array, from: number, end: number, out: SessionSink): Refusal | null {
    const valuesEnd = this.#options.checksum ? end - CRC_BYTES : end;
    if (valuesEnd <= from) return "syntax";
    if (this.#options.checksum && !this.#isSound(bytes, from, valuesEnd)) return "checksum";
    const text = String.fromCharCode(...bytes.subarray(from + 1, valuesEnd));
    if (!VALUES.test(text)) return "syntax";
    const values = text.match(VALUE) ?? [];
    this.#values.push(...values.map(Number));
    this.#dataCommand++;
    this.#tries = 0;
    // Standard §4.4.8: an answer without values is the end of them.
    if (this.#values.length >= this.#announced) this.#emit(out);
    if (values.length === 0 || this.#values.length >= this.#announced || this.#dataCommand === DATA_COMMANDS) this.#next(out);
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

/** Sensors on an SDI-12 line: soil, water, weather. Several share it by their addresses. */
export default (api: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "sdi12",
  summary: "Sensors on an SDI-12 line, several by their addresses: soil, water, weather",
  port: "serial",
  serial: { baudRate: 1_200, dataBits: 7, parity: "even" },
  options: optionsOf(api),
  channels: ({ channels }) =>
    Object.entries(channels).map(([name, { quantity, unit, range, resolution }]): ChannelSpec => {
      const known = api.findQuantity(quantity);
      return { name, quantity, unit: known?.unit ?? unit ?? "1", range, resolution, sensitivity: known?.floor ?? "presence" };
    }),
  start: (options) => new Sdi12(api.delimiterFramer({ frameBytesMax: LINE_BYTES_MAX }), api.crc16Arc, options),
});
