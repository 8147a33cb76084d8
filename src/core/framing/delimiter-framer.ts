import { assert } from "../assert.ts";
import { ByteWindow } from "./byte-window.ts";
import type { Framer, FrameSink } from "./framer.ts";

const LF = 0x0a;
const CR = 0x0d;

/** How lines end and how long they may get. */
export interface DelimiterOptions {
  /** The byte that ends a frame; line feed by default. A carriage return before a line feed is not part of the frame. */
  readonly delimiter?: number;
  /** Longest frame without its delimiter; a longer one is discarded whole as `overflow`. */
  readonly frameBytesMax: number;
}

class DelimiterFramer implements Framer {
  readonly #window: ByteWindow;
  readonly #delimiter: number;
  readonly #frameBytesMax: number;
  #scanned = 0;
  #skipping = false;

  constructor({ delimiter = LF, frameBytesMax }: DelimiterOptions) {
    assert(delimiter >= 0 && delimiter <= 255, "a delimiter is one byte");
    this.#delimiter = delimiter;
    this.#frameBytesMax = frameBytesMax;
    this.#window = new ByteWindow(frameBytesMax + 1);
  }

  get pendingBytes(): number {
    return this.#window.length;
  }

  push(data: Uint8Array, sink: FrameSink): void {
    let offset = 0;
    try {
      do {
        offset += this.#window.fill(data, offset);
        this.#cut(sink);
      } while (offset < data.length);
    } finally {
      this.#window.wipe(); // also when a driver threw
    }
  }

  reset(sink: FrameSink): void {
    if (this.#window.length > 0) sink.discard("stale", this.#window.length);
    this.#window.clear();
    this.#scanned = 0;
    this.#skipping = false;
  }

  #cut(sink: FrameSink): void {
    const window = this.#window;
    for (;;) {
      const end = window.bytes.subarray(0, window.tail).indexOf(this.#delimiter, window.head + this.#scanned);
      if (end < 0) break;
      const start = window.head;
      window.head = end + 1;
      this.#scanned = 0;
      this.#take(start, end - start, sink);
    }
    this.#scanned = window.length;
    if (!this.#skipping && window.length <= this.#frameBytesMax) return;
    // No end in sight: give up what there is, and everything up to the next delimiter.
    this.#skipping = true;
    if (window.length > 0) sink.discard("overflow", window.length);
    window.head = window.tail;
    this.#scanned = 0;
  }

  #take(start: number, length: number, sink: FrameSink): void {
    const { bytes } = this.#window;
    if (this.#skipping || length > this.#frameBytesMax) {
      this.#skipping = false;
      sink.discard("overflow", length + 1);
      return;
    }
    const trimmed = this.#delimiter === LF && length > 0 && bytes[start + length - 1] === CR ? length - 1 : length;
    sink.frame(bytes, start, trimmed);
  }
}

/** Cuts a byte stream at a delimiter. */
export const delimiterFramer = (options: DelimiterOptions): Framer => new DelimiterFramer(options);
