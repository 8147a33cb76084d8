import { ChunkReader } from "../reading/record.ts";

/** The records of one stream in one window, in columns, in the order in which they were stored. */
export interface WindowReadings {
  readonly count: number;
  /** Monotonic times, ms. */
  readonly atMs: Float64Array;
  readonly value: Float64Array;
  readonly coversMs: Float64Array;
  readonly cell: Uint16Array;
  readonly marks: Uint16Array;
}

/**
 * Sorts the interleaved records of a window's chunks by stream: once over the chunks to count, once to scatter, so that nothing
 * grows. Both passes go chunk by chunk, so that a caller can let other work in between.
 */
export class WindowTable {
  readonly #counts: Uint32Array;
  readonly #chunks: ChunkReader[] = [];
  #starts: Uint32Array | null = null;
  #next = new Uint32Array(0);
  #atMs = new Float64Array(0);
  #value = new Float64Array(0);
  #coversMs = new Float64Array(0);
  #cell = new Uint16Array(0);
  #marks = new Uint16Array(0);

  /** `streams`: one more than the highest stream index that can occur. */
  constructor(streams: number) {
    this.#counts = new Uint32Array(streams);
  }

  /** Number of records taken in so far. */
  get total(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.count, 0);
  }

  get chunks(): number {
    return this.#chunks.length;
  }

  /** First pass. */
  take(data: Uint8Array): void {
    const chunk = new ChunkReader(data);
    for (let index = 0; index < chunk.count; index++) {
      const stream = chunk.stream(index);
      this.#counts[stream] = (this.#counts[stream] ?? 0) + 1;
    }
    this.#chunks.push(chunk);
  }

  /** Second pass, chunk number `index`; in order, from 0. */
  scatter(index: number): void {
    if (this.#starts === null) this.#allocate();
    const chunk = this.#chunks[index] as ChunkReader;
    for (let at = 0; at < chunk.count; at++) {
      const stream = chunk.stream(at);
      const slot = this.#next[stream];
      if (slot === undefined) continue; // a stream of an earlier config: its readings wait for the purge only
      this.#next[stream] = slot + 1;
      this.#atMs[slot] = chunk.atMs(at);
      this.#value[slot] = chunk.value(at);
      this.#coversMs[slot] = chunk.coversMs(at);
      this.#cell[slot] = chunk.cell(at);
      this.#marks[slot] = chunk.marks(at);
    }
  }

  /** The records of one stream; an index that never occurred has none. Only after every chunk was scattered. */
  of(stream: number): WindowReadings {
    if (this.#starts === null) this.#allocate();
    const start = (this.#starts as Uint32Array)[stream] ?? 0;
    const count = this.#counts[stream] ?? 0;
    const end = start + count;
    return {
      count,
      atMs: this.#atMs.subarray(start, end),
      value: this.#value.subarray(start, end),
      coversMs: this.#coversMs.subarray(start, end),
      cell: this.#cell.subarray(start, end),
      marks: this.#marks.subarray(start, end),
    };
  }

  /** Zeroes every copy that this table holds, the chunks it was given among them. */
  wipe(): void {
    for (const column of [this.#atMs, this.#value, this.#coversMs]) column.fill(0);
    this.#cell.fill(0);
    this.#marks.fill(0);
    for (const chunk of this.#chunks) chunk.wipe();
  }

  #allocate(): void {
    const starts = new Uint32Array(this.#counts.length);
    let total = 0;
    for (let stream = 0; stream < starts.length; stream++) {
      starts[stream] = total;
      total += this.#counts[stream] as number;
    }
    this.#starts = starts;
    this.#next = starts.slice();
    this.#atMs = new Float64Array(total);
    this.#value = new Float64Array(total);
    this.#coversMs = new Float64Array(total);
    this.#cell = new Uint16Array(total);
    this.#marks = new Uint16Array(total);
  }
}
