import type { Sensitivity } from "../../src/core/reading/quantity.ts";
import { ChunkReader, RECORD_BYTES } from "../../src/core/reading/record.ts";
import type { StreamId } from "../../src/core/units/ids.ts";
import type { DurationMs, EpochMs, MonotonicMs } from "../../src/core/units/time.ts";
import { type HeldWindow, type LiveChunk, type LiveStore, LiveStoreError, type StoredChunk } from "../../src/ports/live-store.ts";

/** One record, unpacked, with the window that its chunk is in. */
export interface SeenRecord {
  readonly windowMs: number;
  readonly window: number | null;
  readonly stream: number;
  readonly atMs: number;
  readonly value: number;
  readonly coversMs: number;
  readonly cell: number;
  readonly marks: number;
}

/** A live store in plain arrays. `failing` names the methods that throw, and with what. */
export class FakeLiveStore implements LiveStore {
  readonly failing = new Map<"append" | "held" | "read" | "relabel" | "purge", "LIVE_FULL" | "LIVE_IO">();
  /** It is full when it would hold more. */
  bytesMax = Number.POSITIVE_INFINITY;
  /** So many chunks more do not fit with their windows. */
  roomless = 0;
  closed = false;
  #chunks: StoredChunk[] = [];
  #nextId = 1;
  readonly #drawn = new Map<string, { readonly sensitivity: Sensitivity; readonly windowMs: number; readonly window: number }>();
  readonly #indices = new Map<string, number>();

  streamIndex(id: StreamId, meaning: string): number {
    const key = `${id} ${meaning}`;
    const known = this.#indices.get(key);
    if (known !== undefined) return known;
    this.#indices.set(key, this.#indices.size);
    return this.#indices.size - 1;
  }

  append(chunk: LiveChunk): void {
    this.#mayFail("append");
    if (this.bytesMax < Number.POSITIVE_INFINITY && this.bytes() + chunk.data.byteLength > this.bytesMax)
      throw new LiveStoreError("LIVE_FULL");
    this.#chunks.push(this.#stored(chunk));
  }

  held(): readonly HeldWindow[] {
    this.#mayFail("held");
    const byKey = new Map(
      this.#chunks.map(({ sensitivity, windowMs, window }) => [
        `${sensitivity}/${windowMs}/${window}`,
        { sensitivity, windowMs, window } satisfies HeldWindow,
      ]),
    );
    return [...byKey.values()];
  }

  *read(windowMs: DurationMs, window: EpochMs): Iterable<StoredChunk> {
    this.#mayFail("read");
    for (const chunk of this.#chunks.filter((one) => one.windowMs === windowMs && one.window === window)) yield copyOf(chunk);
  }

  *unlabelled(): Iterable<StoredChunk> {
    for (const chunk of this.#chunks.filter((one) => one.window === null)) yield copyOf(chunk);
  }

  relabel(id: number, chunks: readonly LiveChunk[]): void {
    this.#mayFail("relabel");
    if (chunks.length > 0 && this.roomless-- > 0) throw new LiveStoreError("LIVE_FULL");
    const at = this.#chunks.findIndex((chunk) => chunk.id === id && chunk.window === null);
    if (at < 0) throw new Error(`no unlabelled chunk ${id}`);
    this.#chunks.splice(at, 1);
    for (const chunk of chunks) this.#chunks.push(this.#stored(chunk));
  }

  claimDraws(sensitivity: Sensitivity, windowMs: DurationMs, window: EpochMs, streams: readonly number[]): ReadonlySet<number> {
    const keyOf = (stream: number): string => `${sensitivity}/${windowMs}/${window}/${stream}`;
    const claimed = new Set(streams.filter((stream) => this.#drawn.has(keyOf(stream))));
    for (const stream of streams) this.#drawn.set(keyOf(stream), { sensitivity, windowMs, window });
    return claimed;
  }

  purge(sensitivity: Sensitivity, windowMs: DurationMs, before: EpochMs, chunksMax = Number.POSITIVE_INFINITY): number {
    this.#mayFail("purge");
    const isDue = ({ sensitivity: own, windowMs: length, window }: StoredChunk): boolean =>
      own === sensitivity && length === windowMs && window !== null && window < before;
    const due = new Set(this.#chunks.filter(isDue).slice(0, chunksMax));
    this.#chunks = this.#chunks.filter((chunk) => !due.has(chunk));
    for (const [key, one] of this.#drawn) {
      if (one.sensitivity === sensitivity && one.windowMs === windowMs && one.window < before) this.#drawn.delete(key);
    }
    return due.size;
  }

  shedUnlabelled(chunksMax: number): number {
    this.#mayFail("purge");
    const waiting = this.#chunks.filter((chunk) => chunk.window === null);
    const surplus = new Set(waiting.slice(0, Math.max(0, waiting.length - chunksMax)));
    this.#chunks = this.#chunks.filter((chunk) => !surplus.has(chunk));
    return [...surplus].reduce((sum, { data }) => sum + data.byteLength / RECORD_BYTES, 0);
  }

  shedOldest(bytes: number): readonly StoredChunk[] {
    this.#mayFail("purge");
    const shed: StoredChunk[] = [];
    let left = bytes;
    for (const chunk of this.#chunks.filter(({ window }) => window === null)) {
      if (left <= 0) break;
      left -= chunk.data.byteLength;
      shed.push(chunk);
    }
    this.#chunks = this.#chunks.filter((chunk) => !shed.includes(chunk));
    return shed.map(copyOf);
  }

  shedPeople(before: MonotonicMs, chunksMax: number): readonly StoredChunk[] {
    this.#mayFail("purge");
    const isOld = ({ sensitivity, window, fromMs, windowMs }: StoredChunk): boolean =>
      sensitivity !== "environmental" && fromMs + (window === null ? 0 : windowMs) < before;
    const old = this.#chunks.filter(isOld).sort((a, b) => a.fromMs - b.fromMs);
    const shed = new Set(old.slice(0, chunksMax));
    this.#chunks = this.#chunks.filter((chunk) => !shed.has(chunk));
    return [...shed].map(copyOf);
  }

  bytes(): number {
    return this.#chunks.reduce((sum, { data }) => sum + data.byteLength, 0);
  }

  close(): void {
    this.closed = true;
  }

  /** Every record held, in the order in which it was stored. */
  records(): readonly SeenRecord[] {
    return this.#chunks.flatMap((chunk) => recordsOf(chunk));
  }

  get chunks(): readonly StoredChunk[] {
    return this.#chunks;
  }

  #stored(chunk: LiveChunk): StoredChunk {
    return { ...chunk, data: Uint8Array.from(chunk.data), id: this.#nextId++ };
  }

  #mayFail(method: "append" | "held" | "read" | "relabel" | "purge"): void {
    const code = this.failing.get(method);
    if (code !== undefined) throw new LiveStoreError(code);
  }
}

/** A store gives out copies: the reader zeroes what it was given. */
function copyOf(chunk: StoredChunk): StoredChunk {
  return { ...chunk, data: Uint8Array.from(chunk.data) };
}

/** The records of a chunk, unpacked. */
export function recordsOf({ data, windowMs, window }: LiveChunk): readonly SeenRecord[] {
  const reader = new ChunkReader(Uint8Array.from(data));
  return Array.from({ length: reader.count }, (_, index) => ({
    windowMs,
    window,
    stream: reader.stream(index),
    atMs: reader.atMs(index),
    value: reader.value(index),
    coversMs: reader.coversMs(index),
    cell: reader.cell(index),
    marks: reader.marks(index),
  }));
}
