import { assert } from "../assert.ts";
import { ByteWindow } from "./byte-window.ts";
import type { Framer, FrameSink } from "./framer.ts";

/** How a binary frame is recognised. */
export interface HeaderOptions {
  /** The fixed bytes that every frame starts with. */
  readonly header: readonly number[];
  /** The bits of the first byte that must agree with `header`, where the others carry a value; all of them by default. */
  readonly firstMask?: number;
  /** Bytes that must have arrived before `frameBytes` can be asked. At least the header. */
  readonly prefixBytes: number;
  /** Whole length of the frame that starts at `start`, read from its prefix; null when no frame can start like this. */
  frameBytes(bytes: Uint8Array, start: number): number | null;
  /** Longest whole frame; a frame that claims more is discarded as `length`. */
  readonly frameBytesMax: number;
  /** Whether the whole frame at `bytes[start .. end)` is sound: its checksum. */
  isSound(bytes: Uint8Array, start: number, end: number): boolean;
}

class HeaderFramer implements Framer {
  readonly #options: HeaderOptions;
  readonly #window: ByteWindow;
  readonly #first: number;
  readonly #firstMask: number;

  constructor(options: HeaderOptions) {
    assert(options.header.length > 0, "a header framer needs a header");
    assert(options.prefixBytes >= options.header.length, "the prefix includes the header");
    this.#options = options;
    this.#first = options.header[0] as number;
    this.#firstMask = options.firstMask ?? 0xff;
    assert((this.#first & this.#firstMask) === this.#first, "the mask covers the bits of the first byte");
    this.#window = new ByteWindow(options.frameBytesMax);
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
  }

  /** One frame, or one stretch given up; false when more bytes are needed. */
  #step(sink: FrameSink): boolean {
    const window = this.#window;
    if (window.length === 0) return false;
    if (((window.bytes[window.head] as number) & this.#firstMask) !== this.#first) return this.#skipNoise(sink);
    const { header, prefixBytes, frameBytesMax } = this.#options;
    for (let at = 1; at < header.length; at++) {
      if (at >= window.length) return false;
      if (window.bytes[window.head + at] !== header[at]) return this.#giveUp("noise", sink);
    }
    if (window.length < prefixBytes) return false;
    const frameBytes = this.#options.frameBytes(window.bytes, window.head);
    if (frameBytes === null || frameBytes < prefixBytes || frameBytes > frameBytesMax) return this.#giveUp("length", sink);
    if (window.length < frameBytes) return false;
    const end = window.head + frameBytes;
    if (!this.#options.isSound(window.bytes, window.head, end)) return this.#giveUp("checksum", sink);
    const start = window.head;
    window.head = end;
    sink.frame(window.bytes, start, frameBytes);
    return true;
  }

  /** A frame that is wrong gives up one byte only: the next frame may start inside it. */
  #giveUp(reason: "noise" | "length" | "checksum", sink: FrameSink): boolean {
    sink.discard(reason, 1);
    this.#window.head += 1;
    return true;
  }

  /** Where a frame may begin next, or below 0. */
  #findFirst(): number {
    const { bytes, head, tail } = this.#window;
    if (this.#firstMask === 0xff) return bytes.subarray(0, tail).indexOf(this.#first, head);
    for (let at = head; at < tail; at++) if (((bytes[at] as number) & this.#firstMask) === this.#first) return at;
    return -1;
  }

  #skipNoise(sink: FrameSink): boolean {
    const window = this.#window;
    const found = this.#findFirst();
    const next = found < 0 ? window.tail : found;
    sink.discard("noise", next - window.head);
    window.head = next;
    return true;
  }
}

/** Finds binary frames by their header, and resynchronises a byte at a time. */
export const headerFramer = (options: HeaderOptions): Framer => new HeaderFramer(options);
