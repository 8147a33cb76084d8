import { assert } from "../assert.ts";
import { delimiterFramer } from "./delimiter-framer.ts";
import type { Framer, FrameSink, FramingFault } from "./framer.ts";

/** How frames between flag bytes are stuffed and recognised: HDLC (ISO/IEC 13239) and its relatives, such as Sensirion's SHDLC. */
export interface StuffedOptions {
  /** The byte that stands before and behind each frame, and never inside one. */
  readonly flag: number;
  /** The byte that announces a stuffed one: what follows it is to be exclusive-ored with `mask`. */
  readonly escape: number;
  readonly mask: number;
  /** Shortest and longest frame after unstuffing, without its flags. */
  readonly frameBytesMin: number;
  readonly frameBytesMax: number;
  /** Whether the whole unstuffed frame at `bytes[start .. end)` is sound: its checksum. */
  isSound(bytes: Uint8Array, start: number, end: number): boolean;
}

class StuffedFramer implements Framer, FrameSink {
  readonly #options: StuffedOptions;
  readonly #pieces: Framer;
  readonly #plain: Uint8Array;
  #sink: FrameSink | null = null;

  constructor(options: StuffedOptions) {
    assert(options.frameBytesMin > 0 && options.frameBytesMin <= options.frameBytesMax, "a frame has at least one byte");
    assert(options.flag !== options.escape, "the flag is not the escape");
    this.#options = options;
    // A frame of nothing but stuffed bytes has twice its length on the wire.
    this.#pieces = delimiterFramer({ delimiter: options.flag, frameBytesMax: options.frameBytesMax * 2 });
    this.#plain = new Uint8Array(options.frameBytesMax);
  }

  get pendingBytes(): number {
    return this.#pieces.pendingBytes;
  }

  push(data: Uint8Array, sink: FrameSink): void {
    this.#sink = sink;
    try {
      this.#pieces.push(data, this);
    } finally {
      this.#plain.fill(0); // also when a driver threw
      this.#sink = null;
    }
  }

  reset(sink: FrameSink): void {
    this.#sink = sink;
    this.#pieces.reset(this);
    this.#sink = null;
  }

  discard(reason: FramingFault, byteCount: number): void {
    this.#sink?.discard(reason, byteCount);
  }

  /** What stands between two flags. Nothing is no fault: the flag behind one frame is followed by the flag before the next. */
  frame(bytes: Uint8Array, start: number, length: number): void {
    if (length === 0) return;
    const plainBytes = this.#unstuff(bytes, start, start + length);
    const { frameBytesMin, isSound } = this.#options;
    // The flag behind it goes with it.
    if (plainBytes === null || plainBytes < frameBytesMin) this.discard("length", length + 1);
    else if (isSound(this.#plain, 0, plainBytes)) this.#sink?.frame(this.#plain, 0, plainBytes);
    else this.discard("checksum", length + 1);
  }

  /** The length without stuffing; null for a frame that is too long or ends in the middle of a stuffed byte. */
  #unstuff(bytes: Uint8Array, start: number, end: number): number | null {
    const { escape: escapeByte, mask, frameBytesMax } = this.#options;
    let length = 0;
    for (let at = start; at < end; at++) {
      const isStuffed = bytes[at] === escapeByte;
      if (isStuffed) at++;
      if (at === end || length === frameBytesMax) return null;
      this.#plain[length++] = isStuffed ? (bytes[at] as number) ^ mask : (bytes[at] as number);
    }
    return length;
  }
}

/** Finds frames between flag bytes and takes the stuffing out of them. */
export const stuffedFramer = (options: StuffedOptions): Framer => new StuffedFramer(options);
