import type { SerialSettings } from "../units/port.ts";
import { crc16Modbus } from "./checksums.ts";

// MODBUS Application Protocol Specification V1.1b3 ("AP") and MODBUS over Serial Line Specification V1.02 ("SL").

/** Registers (16 bits) or single bits, by the names of AP §4.3. */
export type RegisterTable = "holding" | "input" | "coil" | "discrete";

/** Some neighbours of one table. `address` counts from 0, as on the wire (AP §4.4); `count` is of registers or of bits. */
export interface RegisterRange {
  readonly table: RegisterTable;
  readonly address: number;
  readonly count: number;
}

/** Most of a table that one question can ask for: AP §6.1 to §6.4. */
export const COUNT_MAX: Readonly<Record<RegisterTable, number>> = { holding: 125, input: 125, coil: 2_000, discrete: 2_000 };

/** The function code that reads a table: AP §6.1 to §6.4. */
export const FUNCTION_OF: Readonly<Record<RegisterTable, number>> = { coil: 1, discrete: 2, holding: 3, input: 4 };

/** A question that reads: unit, function, address, count, CRC (AP §6.3, SL §2.5.1). */
export const QUESTION_BYTES = 8;
/** An exception: unit, function with its highest bit set, code, CRC (AP §7). */
const EXCEPTION_BYTES = 5;
/** Unit, function, length, and the CRC around what was asked for. */
const ANSWER_AROUND_BYTES = 5;
/** Answers to the functions that write one or many: unit, function, address, value or count, CRC (AP §6.5 ff.). */
const WRITTEN_BYTES = 8;
const WRITE_FUNCTIONS: readonly number[] = [5, 6, 15, 16];
const READ_FUNCTIONS: readonly number[] = Object.values(FUNCTION_OF);
/** SL §2.5.1: the longest frame. */
export const FRAME_BYTES_MAX = 256;
/** SL §2.2: addresses of units; 0 is everybody, 248 to 255 are reserved. */
export const UNIT_MAX = 247;

/** How many bytes the whole answer to a question has. */
export const answerBytes = ({ table, count }: RegisterRange): number =>
  ANSWER_AROUND_BYTES + (table === "holding" || table === "input" ? 2 * count : Math.ceil(count / 8));

/** How long things take on a line, milliseconds. */
export interface LineTiming {
  readonly characterMs: number;
  /** The silence that must stand between two frames. */
  readonly gapMs: number;
}

/** SL §2.5.1.1: above 19,200 baud the silence is no shorter than this, whatever the rate. */
const GAP_MS_MIN = 1.75;
const GAP_CHARACTERS = 3.5;

/** SL §2.5.1.1: 3.5 characters, or 1.75 ms where the line is fast. A character is a start bit, the data, the parity and the stop bits. */
export function lineTiming({ baudRate, dataBits = 8, parity = "none", stopBits = 1 }: SerialSettings): LineTiming {
  const bits = 1 + dataBits + (parity === "none" ? 0 : 1) + stopBits;
  const characterMs = (bits * 1_000) / baudRate;
  return { characterMs, gapMs: Math.max(GAP_MS_MIN, GAP_CHARACTERS * characterMs) };
}

/** How long a frame is that begins here; null when none can begin so, 0 when more bytes are needed to tell. */
function frameLength(bytes: Uint8Array, start: number, end: number): number | null {
  const unit = bytes[start] ?? 0;
  if (unit === 0 || unit > UNIT_MAX) return null;
  if (end - start < 3) return 0;
  const code = bytes[start + 1] ?? 0;
  const plain = code & 0x7f;
  if (!READ_FUNCTIONS.includes(plain) && !WRITE_FUNCTIONS.includes(plain)) return null;
  if (code !== plain) return EXCEPTION_BYTES;
  if (WRITE_FUNCTIONS.includes(plain)) return WRITTEN_BYTES;
  const length = ANSWER_AROUND_BYTES + (bytes[start + 2] ?? 0);
  return length > ANSWER_AROUND_BYTES && length <= FRAME_BYTES_MAX ? length : null;
}

/** What was cut out of the line. `data` is only valid until the next call. */
export interface AnswerSink {
  /** A frame whose checksum is right: somebody's, and whether it is the answer is not said here. */
  frame(data: Uint8Array): void;
  /** `checksum`: it had the form of a frame; `noise`: it had none; `echo`: our own question, which some adapters hear. */
  discard(reason: "noise" | "checksum" | "echo", byteCount: number): void;
}

/** Twice the longest frame: garbage, and a whole frame after it. */
const WAITING_BYTES_MAX = 2 * FRAME_BYTES_MAX;

/**
 * Finds frames in what a line says. Not by silences, which a USB adapter does not pass on: by form, length and checksum, at any
 * offset, so that garbage before a frame costs nothing but itself. Bytes that are no frame wait until `reset`, or until there are too
 * many.
 */
export class AnswerCutter {
  readonly #bytes = new Uint8Array(WAITING_BYTES_MAX);
  #length = 0;
  #echo: Uint8Array | null = null;
  /** How the answer begins: unit, function, bytes of data; null: nothing is asked. */
  #head: readonly number[] | null = null;

  /** Bytes that are neither a frame nor discarded yet. */
  get waiting(): number {
    return this.#length;
  }

  /** A question is sent: what came before it is over, and it may be heard itself. */
  asked(question: Uint8Array, registers: RegisterRange, sink: AnswerSink): void {
    this.reset(sink);
    this.#echo = question.slice();
    this.#head = [question[0] ?? 0, question[1] ?? 0, answerBytes(registers) - ANSWER_AROUND_BYTES];
  }

  push(data: Uint8Array, sink: AnswerSink): void {
    for (let at = 0; at < data.length; ) {
      if (this.#length === WAITING_BYTES_MAX) this.#drop(FRAME_BYTES_MAX, sink);
      const taken = Math.min(data.length - at, WAITING_BYTES_MAX - this.#length);
      this.#bytes.set(data.subarray(at, at + taken), this.#length);
      this.#length += taken;
      at += taken;
      while (this.#dropEcho(sink) || this.#cut(sink));
    }
  }

  /** Nothing more comes that belongs to what waits. */
  reset(sink: AnswerSink): void {
    this.#drop(this.#length, sink);
    this.#echo = null;
    this.#head = null;
  }

  #dropEcho(sink: AnswerSink): boolean {
    const echo = this.#echo;
    if (echo === null || this.#length < echo.length || !echo.every((byte, at) => this.#bytes[at] === byte)) return false;
    this.#echo = null;
    this.#take(echo.length);
    sink.discard("echo", echo.length);
    return true;
  }

  /** Passes on the first frame that is whole and right; false when there is none. */
  #cut(sink: AnswerSink): boolean {
    for (let start = 0; start < this.#length; start++) {
      const length = frameLength(this.#bytes, start, this.#length);
      if (length === null || length === 0) continue;
      if (start + length > this.#length) {
        // The answer that is waited for is on its way: what looks like a frame within its data is none.
        if (this.#head?.every((byte, at) => this.#bytes[start + at] === byte)) return false;
        continue;
      }
      const end = start + length;
      // Low byte first (SL §2.5.1.2); over a frame and its checksum the CRC is zero.
      if (crc16Modbus(this.#bytes, start, end) !== 0) continue;
      this.#drop(start, sink);
      const frame = this.#bytes.slice(0, length);
      this.#take(length);
      this.#echo = null;
      sink.frame(frame);
      return true;
    }
    return false;
  }

  #drop(byteCount: number, sink: AnswerSink): void {
    if (byteCount === 0) return;
    const length = frameLength(this.#bytes, 0, this.#length);
    const isFrame = length !== null && length > 0 && length <= byteCount;
    this.#take(byteCount);
    sink.discard(isFrame ? "checksum" : "noise", byteCount);
  }

  /** Takes bytes off the front; what was said is not kept. */
  #take(byteCount: number): void {
    this.#bytes.copyWithin(0, byteCount, this.#length);
    this.#bytes.fill(0, this.#length - byteCount, this.#length);
    this.#length -= byteCount;
  }
}
