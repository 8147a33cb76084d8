import type { Dice } from "../../../src/testing/simulation/chance.ts";

/** One value that an instrument said, by its manual. */
export interface Said {
  /** The driver's name for what was measured. */
  readonly channel: string;
  /** A whole number of steps; how large one is says `Truth.scale`. */
  readonly steps: number;
  /** Which sensor says it, where several hang on one line; absent: the one that the line belongs to. */
  readonly sensor?: string;
  /** Of a passage: which way. */
  readonly cell?: string;
  /** The instrument itself says that this value is not to be relied on: it stays out of statistics. */
  readonly isSetAside?: boolean;
}

/** What an instrument says at once: its bytes, and what they mean. */
export interface Utterance {
  readonly bytes: Uint8Array;
  readonly means: readonly Said[];
  /** How long after the question, or after what was said before, besides the time to think. */
  readonly afterMs?: number;
}

/** What is to be published of a channel. */
export interface Truth {
  readonly kind: "gauge" | "level" | "direction" | "counter" | "state";
  /** Values are whole numbers of steps of 10^-scale. */
  readonly scale: number;
  /** Decimals of what is published: those of the instrument's resolution. */
  readonly decimals: number;
  /** Of a state: its names, in the order of their number. */
  readonly states?: readonly string[];
}

export const truth = (kind: Truth["kind"], scale: number, decimals = scale): Truth => ({ kind, scale, decimals });

/**
 * An instrument on a serial line, as its manual describes it: an encoder, written apart from the drivers, which decode. It says things
 * by itself at its rhythm, answers what it is asked, or both.
 */
export abstract class Instrument {
  abstract readonly driver: string;
  readonly options: object = {};
  /** The streams of the config; absent: those that the driver has by itself. */
  readonly streams: object | null = null;
  /** What is published of it, by channel. Streams of people and those that are withheld are not here. */
  readonly truths: Readonly<Record<string, Truth>> = {};
  /** Bits per second, where the driver does not know them. */
  readonly baud: number | null = null;
  /** The slowest rhythm that its manual allows, where it speaks faster here. */
  readonly slowestMs: number = 0;
  /** How long it counts as cold after its line was opened again: nobody can tell whether it had power meanwhile. */
  readonly warmMs: number = 0;
  #wasOpened = false;
  /** Values told before this are not relied on, as the manual says of an instrument that was just started. */
  warmUntilMs = Number.NEGATIVE_INFINITY;
  protected readonly dice: Dice;

  constructor(dice: Dice) {
    this.dice = dice;
  }

  /** How long until it says the next thing by itself; null: it waits until it is asked. */
  waitMs(): number | null {
    return null;
  }

  next(_nowMs: number): Utterance {
    return utterance([]);
  }

  /** What it answers to what the node has written, in whatever pieces that comes. */
  hear(_data: Uint8Array, _nowMs: number): readonly Utterance[] {
    return [];
  }

  /** The node has opened the line. Few instruments notice. */
  opened(nowMs: number): void {
    // At first it has had power for as long as the machine.
    if (this.#wasOpened && this.warmMs > 0) this.warmUntilMs = nowMs + this.warmMs;
    this.#wasOpened = true;
  }
}

export const utterance = (bytes: ArrayLike<number>, means: readonly Said[] = []): Utterance => ({ bytes: Uint8Array.from(bytes), means });
export const ascii = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0));
export const said = (channel: string, steps: number, isSetAside = false): Said => ({ channel, steps, isSetAside });
export const sumOf = (bytes: ArrayLike<number>): number => Array.from(bytes).reduce((sum, byte) => sum + byte, 0);

/** `-12.34` of -1234 steps of 10^-2: written from whole numbers, so that no float is in between. */
export function decimal(steps: number, scale: number): string {
  const digits = String(Math.abs(steps)).padStart(scale + 1, "0");
  const whole = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return steps < 0 ? `-${whole}` : whole;
}

/**
 * A CRC of 16 bits with the polynomial A001, lowest bit first: Modbus begins with FFFF, CRC-16/ARC with 0. Bit by bit, as it is
 * defined.
 */
export function crc16(bytes: ArrayLike<number>, first: number): number {
  let crc = first;
  for (const byte of Array.from(bytes)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc;
}

/** What the node wrote and was not understood yet: commands come in any pieces. */
export class Written {
  #bytes: number[] = [];

  add(data: Uint8Array): void {
    this.#bytes.push(...data);
  }

  /** Takes the next command of `length` bytes that begins with `head`; what stands before it is dropped. Null: none is whole. */
  take(head: number, length: number): readonly number[] | null {
    const at = this.#bytes.indexOf(head);
    if (at < 0) this.#bytes = [];
    if (at < 0 || this.#bytes.length < at + length) return null;
    const command = this.#bytes.slice(at, at + length);
    this.#bytes = this.#bytes.slice(at + length);
    return command;
  }

  /** Takes the next `length` bytes that are a frame; what stands before it is dropped. Null: none is whole. */
  frame(length: number, isSound: (bytes: readonly number[]) => boolean): readonly number[] | null {
    for (let at = 0; at + length <= this.#bytes.length; at++) {
      const whole = this.#bytes.slice(at, at + length);
      if (!isSound(whole)) continue;
      this.#bytes = this.#bytes.slice(at + length);
      return whole;
    }
    return null;
  }

  /** Takes what stands before the next `end`, without it. Null: there is none. */
  before(end: number): readonly number[] | null {
    const at = this.#bytes.indexOf(end);
    if (at < 0) return null;
    const command = this.#bytes.slice(0, at);
    this.#bytes = this.#bytes.slice(at + 1);
    return command;
  }
}
