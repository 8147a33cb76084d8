import { assert } from "../assert.ts";
import { ByteWindow } from "./byte-window.ts";
import type { Framer, FrameSink } from "./framer.ts";

/** How a text telegram is recognised: `first … closing … last`. */
export interface TelegramOptions {
  /** The byte that a telegram starts with. */
  readonly first: number;
  /** The bytes that announce its end; between them and `last` stands, as a rule, a checksum. */
  readonly closing: readonly number[];
  /** The byte that ends it, the first one after `closing`. */
  readonly last: number;
  /** Longest whole telegram; one that has no end within as many bytes is given up as `overflow`. */
  readonly frameBytesMax: number;
  /** Whether the whole telegram at `bytes[start .. end)`, `first` and `last` included, is sound: its checksum. */
  isSound(bytes: Uint8Array, start: number, end: number): boolean;
}

class TelegramFramer implements Framer {
  readonly #options: TelegramOptions;
  readonly #window: ByteWindow;
  /** How far behind the head nothing is left to be found: what came in piece by piece is not searched again from its start. */
  #searched = 0;
  /** Where `closing` ends, counted from the head; 0: not found yet. */
  #closedAt = 0;

  constructor(options: TelegramOptions) {
    assert(options.closing.length > 0, "a telegram announces its end");
    this.#options = options;
    this.#window = new ByteWindow(options.frameBytesMax + 1);
  }

  get pendingBytes(): number {
    return this.#window.length;
  }

  push(data: Uint8Array, sink: FrameSink): void {
    let offset = 0;
    try {
      do {
        offset += this.#window.fill(data, offset);
        while (this.#step(sink));
      } while (offset < data.length);
    } finally {
      this.#window.wipe(); // also when a driver threw
    }
  }

  reset(sink: FrameSink): void {
    if (this.#window.length > 0) sink.discard("stale", this.#window.length);
    this.#window.clear();
    this.#searched = 0;
    this.#closedAt = 0;
  }

  /** One telegram, or one stretch given up; false when more bytes are needed. */
  #step(sink: FrameSink): boolean {
    const window = this.#window;
    if (window.length === 0) return false;
    const { first, frameBytesMax } = this.#options;
    if (window.bytes[window.head] !== first) return this.#skipNoise(sink);
    const frameBytes = this.#findEnd();
    if (frameBytes === null) return window.length > frameBytesMax ? this.#giveUp("overflow", sink) : false;
    if (frameBytes > frameBytesMax) return this.#giveUp("overflow", sink);
    const start = window.head;
    if (!this.#options.isSound(window.bytes, start, start + frameBytes)) return this.#giveUp("checksum", sink);
    this.#consume(frameBytes);
    sink.frame(window.bytes, start, frameBytes);
    return true;
  }

  /** The length of the telegram at the head, or null when its end has not come yet. */
  #findEnd(): number | null {
    const { closing, last } = this.#options;
    const { bytes, head, tail } = this.#window;
    const arrived = bytes.subarray(0, tail);
    while (this.#closedAt === 0) {
      const at = arrived.indexOf(closing[0] as number, head + this.#searched);
      if (at < 0 || at + closing.length > tail) {
        this.#searched = (at < 0 ? tail : at) - head;
        return null;
      }
      const isClosing = closing.every((byte, index) => bytes[at + index] === byte);
      this.#searched = at + (isClosing ? closing.length : 1) - head;
      if (isClosing) this.#closedAt = this.#searched;
    }
    const end = arrived.indexOf(last, head + this.#searched);
    this.#searched = (end < 0 ? tail : end) - head;
    return end < 0 ? null : this.#searched + 1;
  }

  /** A telegram that is wrong gives up one byte only: the next one may start inside it. */
  #giveUp(reason: "checksum" | "overflow", sink: FrameSink): boolean {
    sink.discard(reason, 1);
    this.#consume(1);
    return true;
  }

  #skipNoise(sink: FrameSink): boolean {
    const window = this.#window;
    const found = window.bytes.subarray(0, window.tail).indexOf(this.#options.first, window.head);
    const byteCount = (found < 0 ? window.tail : found) - window.head;
    sink.discard("noise", byteCount);
    this.#consume(byteCount);
    return true;
  }

  /** What was found behind the head stays found, unless the head passes the closing. */
  #consume(byteCount: number): void {
    this.#window.head += byteCount;
    if (this.#closedAt > 0 && this.#closedAt - byteCount < this.#options.closing.length) {
      this.#closedAt = 0;
      this.#searched = 0;
      return;
    }
    this.#closedAt = Math.max(0, this.#closedAt - byteCount);
    this.#searched = Math.max(0, this.#searched - byteCount);
  }
}

/** Cuts text telegrams that start with a byte of their own and tell their end, and finds the one that starts inside a broken one. */
export const telegramFramer = (options: TelegramOptions): Framer => new TelegramFramer(options);
