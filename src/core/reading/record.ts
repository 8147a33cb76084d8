import { assert } from "../assert.ts";
import type { MonotonicMs } from "../units/time.ts";

/**
 * The live store keeps readings packed in chunks of fixed records (reference: ADR "a window is a query over chunks").
 * One record is 32 bytes, in the byte order of the machine, since a chunk never leaves it:
 *
 * | bytes | what |
 * |---|---|
 * | 0..7   | float64: monotonic time of the reading, ms |
 * | 8..15  | float64: value (state index, speed in km/h, increment; 1 for a passage) |
 * | 16..23 | float64: how long before its time the record stands for, ms: what coverage is made of |
 * | 24..27 | uint32: index of the stream, given by the live store |
 * | 28..29 | uint16: cell of a passage |
 * | 30..31 | uint16: marks, see `MARK` |
 */
export const RECORD_BYTES = 32;
const WORDS64 = RECORD_BYTES / 8;
const WORDS32 = RECORD_BYTES / 4;

/** Marks of a record. Without `sample` it only carries coverage (and, for kind `state`, which state was held). */
export const MARK = { sample: 1, warming: 2, suspect: 4, deviceInterval: 8, stepped: 16 } as const;

/** Collects the records of one chunk class until they are flushed. */
export class ChunkWriter {
  readonly #buffer: ArrayBuffer;
  readonly #float64: Float64Array;
  readonly #uint32: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly capacity: number;
  count = 0;
  fromMs = Number.POSITIVE_INFINITY;
  toMs = Number.NEGATIVE_INFINITY;

  constructor(capacity: number) {
    assert(capacity > 0, "a chunk holds at least one record");
    this.capacity = capacity;
    this.#buffer = new ArrayBuffer(capacity * RECORD_BYTES);
    this.#float64 = new Float64Array(this.#buffer);
    this.#uint32 = new Uint32Array(this.#buffer);
    this.#bytes = new Uint8Array(this.#buffer);
  }

  /** Adds one record; the caller flushes a full writer first. */
  add(stream: number, atMs: number, value: number, coversMs: number, cell: number, marks: number): void {
    const at64 = this.count * WORDS64;
    this.#float64[at64] = atMs;
    this.#float64[at64 + 1] = value;
    this.#float64[at64 + 2] = coversMs;
    const at32 = this.count * WORDS32;
    this.#uint32[at32 + 6] = stream;
    this.#uint32[at32 + 7] = cell | (marks << 16);
    this.count++;
    if (atMs < this.fromMs) this.fromMs = atMs;
    if (atMs > this.toMs) this.toMs = atMs;
  }

  /** The records so far, as bytes of this writer's own buffer: copy before the next `clear`. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.count * RECORD_BYTES);
  }

  /** Empties the writer and zeroes what it held. */
  clear(): void {
    this.#bytes.fill(0, 0, this.count * RECORD_BYTES);
    this.count = 0;
    this.fromMs = Number.POSITIVE_INFINITY;
    this.toMs = Number.NEGATIVE_INFINITY;
  }
}

/** Typed views over the records of one chunk. */
export class ChunkReader {
  readonly count: number;
  readonly #given: Uint8Array;
  readonly #float64: Float64Array;
  readonly #uint32: Uint32Array;

  /** `data`: whole records. Copied only when its bytes do not start on an 8-byte boundary. */
  constructor(data: Uint8Array) {
    assert(data.byteLength % RECORD_BYTES === 0, "a chunk holds whole records");
    // Not data.slice(): a Node Buffer answers that with another view of the same unaligned bytes.
    const aligned = data.byteOffset % 8 === 0 ? data : new Uint8Array(data);
    this.#given = data;
    this.count = data.byteLength / RECORD_BYTES;
    this.#float64 = new Float64Array(aligned.buffer, aligned.byteOffset, this.count * WORDS64);
    this.#uint32 = new Uint32Array(aligned.buffer, aligned.byteOffset, this.count * WORDS32);
  }

  atMs(index: number): MonotonicMs {
    return this.#float64[index * WORDS64] as MonotonicMs;
  }
  value(index: number): number {
    return this.#float64[index * WORDS64 + 1] as number;
  }
  coversMs(index: number): number {
    return this.#float64[index * WORDS64 + 2] as number;
  }
  stream(index: number): number {
    return this.#uint32[index * WORDS32 + 6] as number;
  }
  cell(index: number): number {
    return (this.#uint32[index * WORDS32 + 7] as number) & 0xffff;
  }
  marks(index: number): number {
    return (this.#uint32[index * WORDS32 + 7] as number) >>> 16;
  }

  /** Zeroes the records, and what they were read from. */
  wipe(): void {
    this.#float64.fill(0);
    this.#given.fill(0);
  }
}
