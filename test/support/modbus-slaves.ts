import { createRequire } from "node:module";
import { setTimeout as wait } from "node:timers/promises";
import type { PtyPair } from "./pty.ts";

// The checksum of the package, not ours: a slave must not share the mistakes of its master.
const crc16 = createRequire(import.meta.url)("modbus-serial/utils/crc16.js") as (frame: Buffer) => number;

/** What a unit does with a question. */
export type Manner =
  | "answers"
  /** As `answers`, in pieces with pauses longer than 3.5 characters, as USB adapters make them. */
  | "pieces"
  /** Noise on the line, and then the answer. */
  | "garbage"
  | "silent"
  /** A right answer, after everybody gave up. */
  | "late"
  | "bad-crc"
  /** Half of the answer, and no more. */
  | "half"
  | "wrong-unit"
  | "wrong-function"
  /** An answer with one register too many. */
  | "wrong-length"
  /** Exception 2, illegal data address. */
  | "exception"
  /** Exception 6, server device busy. */
  | "busy";

/** One unit. `nth` counts the questions to it from 0. */
export interface SlaveUnit {
  /** The value of a register, or 0 or 1 of a bit. */
  read(address: number, nth: number): number;
  manner(nth: number): Manner;
}

/** One question, as the street heard it. Times are `performance.now()`. */
export interface AskedQuestion {
  readonly unit: number;
  readonly code: number;
  readonly address: number;
  readonly count: number;
  readonly manner: Manner;
  readonly atMs: number;
  /** It was not there yet at this time. */
  readonly notBeforeMs: number;
  /** When the last piece of the answer was begun; null: not yet, or never. */
  answeredAtMs: number | null;
}

const QUESTION_BYTES = 8;
const POLL_MS = 1;
const PIECE_PAUSE_MS = 6;
const REGISTER_FUNCTIONS = [3, 4];

const checked = (...bytes: readonly number[]): Buffer => {
  const frame = Buffer.from([...bytes, 0, 0]);
  frame.writeUInt16LE(crc16(frame.subarray(0, -2)), frame.length - 2);
  return frame;
};

/** A street of Modbus units at the far end of a pseudo terminal. Each does what its script says. */
export class ModbusSlaves {
  readonly asked: AskedQuestion[] = [];
  /** Bytes of the master that were no question. */
  readonly strange: number[] = [];
  /** Off: the whole street has no power. */
  isOn = true;
  readonly #pty: PtyPair;
  readonly #units: ReadonlyMap<number, SlaveUnit>;
  readonly #lateMs: number;
  readonly #thinkMs: number;
  #heard: Buffer = Buffer.alloc(0);
  #isStopped = false;
  #lookedMs = performance.now();
  readonly #loop: Promise<void>;

  /** `thinkMs`: how long an answer takes; `lateMs`: a late one. */
  constructor(pty: PtyPair, units: ReadonlyMap<number, SlaveUnit>, { thinkMs = 3, lateMs = 800 } = {}) {
    this.#pty = pty;
    this.#units = units;
    this.#thinkMs = thinkMs;
    this.#lateMs = lateMs;
    this.#loop = this.#listen();
  }

  /** The questions to one unit. */
  of(unit: number): readonly AskedQuestion[] {
    return this.asked.filter((question) => question.unit === unit);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loop;
  }

  async #listen(): Promise<void> {
    while (!this.#isStopped) {
      const lookedMs = performance.now();
      try {
        this.#take(this.#pty.received());
      } catch {
        // Unplugged: what was begun is lost.
        this.#heard = Buffer.alloc(0);
      }
      this.#lookedMs = lookedMs;
      await wait(POLL_MS);
    }
  }

  #take(bytes: Buffer): void {
    this.#heard = Buffer.concat([this.#heard, bytes]);
    while (this.#heard.length >= QUESTION_BYTES) {
      const frame = this.#heard.subarray(0, QUESTION_BYTES);
      const isQuestion = crc16(frame.subarray(0, -2)) === frame.readUInt16LE(QUESTION_BYTES - 2);
      if (!isQuestion) this.strange.push(frame[0] ?? 0);
      this.#heard = this.#heard.subarray(isQuestion ? QUESTION_BYTES : 1);
      if (isQuestion && this.isOn) void this.#answer(frame);
    }
  }

  async #answer(frame: Buffer): Promise<void> {
    const [unit = 0, code = 0] = frame;
    const address = frame.readUInt16BE(2);
    const count = frame.readUInt16BE(4);
    const nth = this.of(unit).length;
    const slave = this.#units.get(unit);
    const manner = slave?.manner(nth) ?? "silent";
    const times = { atMs: performance.now(), notBeforeMs: this.#lookedMs, answeredAtMs: null };
    const question: AskedQuestion = { unit, code, address, count, manner, ...times };
    this.asked.push(question);
    if (slave === undefined || manner === "silent") return;
    await wait(manner === "late" ? this.#lateMs : this.#thinkMs);
    if (!this.isOn || this.#isStopped) return;
    try {
      for (const [index, piece] of piecesOf(question, this.#data(slave, question, nth)).entries()) {
        if (index > 0) await wait(PIECE_PAUSE_MS);
        question.answeredAtMs = performance.now();
        await this.#pty.feed(piece);
      }
    } catch {
      // Unplugged.
    }
  }

  #data(slave: SlaveUnit, { code, address, count, manner }: AskedQuestion, nth: number): readonly number[] {
    const most = manner === "wrong-length" ? count + 1 : count;
    const values = Array.from({ length: most }, (_, index) => slave.read(address + index, nth));
    if (REGISTER_FUNCTIONS.includes(code)) return values.flatMap((value) => [(value >> 8) & 0xff, value & 0xff]);
    const bytes = new Array<number>(Math.ceil(most / 8)).fill(0);
    for (const [index, value] of values.entries()) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | ((value & 1) << (index & 7));
    return bytes;
  }
}

function piecesOf({ unit, code, manner }: AskedQuestion, data: readonly number[]): readonly Buffer[] {
  const answer = checked(unit, code, data.length, ...data);
  switch (manner) {
    case "pieces":
      return [answer.subarray(0, 1), answer.subarray(1, 4), answer.subarray(4)];
    case "garbage":
      return [Buffer.from([unit, 0xff, 0x00, 0x55]), answer];
    case "bad-crc":
      return [Buffer.from(answer.map((byte, at) => (at === 3 ? byte ^ 0x10 : byte)))];
    case "half":
      return [answer.subarray(0, Math.ceil(answer.length / 2))];
    case "wrong-unit":
      return [checked((unit % 247) + 1, code, data.length, ...data)];
    case "wrong-function":
      return [checked(unit, code === 3 ? 4 : 3, data.length, ...data)];
    case "exception":
      return [checked(unit, code | 0x80, 2)];
    case "busy":
      return [checked(unit, code | 0x80, 6)];
    default:
      return [answer];
  }
}
