import { assert } from "../assert.ts";

/**
 * A bounded run of bytes that have arrived and are not yet understood: filled at the tail, consumed at the head. Nothing is
 * concatenated: one buffer is allocated once, and what is pending moves to its front only when the tail hits the end.
 */
export class ByteWindow {
  readonly bytes: Uint8Array;
  head = 0;
  tail = 0;
  /** What stands before it is zero. */
  #wipedTo = 0;

  /** `frameBytesMax`: the longest run that must fit; the buffer is larger, so that moving is rare. */
  constructor(frameBytesMax: number) {
    assert(frameBytesMax > 0 && Number.isInteger(frameBytesMax), "a frame has at least one byte");
    this.bytes = new Uint8Array(Math.max(frameBytesMax * 4, 1024));
  }

  get length(): number {
    return this.tail - this.head;
  }

  /** Takes in as much of `data` from `offset` as fits, and says how much that was. */
  fill(data: Uint8Array, offset: number): number {
    if (this.head === this.tail) {
      this.wipe();
      this.head = 0;
      this.tail = 0;
      this.#wipedTo = 0;
    } else if (this.tail === this.bytes.length) {
      const { length } = this;
      this.bytes.copyWithin(0, this.head, this.tail);
      this.bytes.fill(0, length);
      this.head = 0;
      this.tail = length;
      this.#wipedTo = 0;
    }
    const taken = Math.min(data.length - offset, this.bytes.length - this.tail);
    this.bytes.set(offset === 0 && taken === data.length ? data : data.subarray(offset, offset + taken), this.tail);
    this.tail += taken;
    return taken;
  }

  /** Zeroes what was consumed: what a port said is not kept longer than needed. */
  wipe(): void {
    this.bytes.fill(0, this.#wipedTo, this.head);
    this.#wipedTo = this.head;
  }

  /** Forgets everything, and zeroes it. */
  clear(): void {
    this.bytes.fill(0);
    this.head = 0;
    this.tail = 0;
    this.#wipedTo = 0;
  }
}
