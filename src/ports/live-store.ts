import type { Sensitivity } from "../core/reading/quantity.ts";
import type { StreamId } from "../core/units/ids.ts";
import type { DurationMs, EpochMs, MonotonicMs } from "../core/units/time.ts";

/** One flush of one class of streams: records of `core/reading/record.ts`, all of one (sensitivity, window length, window). */
export interface LiveChunk {
  readonly sensitivity: Sensitivity;
  readonly windowMs: DurationMs;
  /** Start of the window that all its readings belong to; null while the wall clock is not trusted. */
  readonly window: EpochMs | null;
  readonly fromMs: MonotonicMs;
  readonly toMs: MonotonicMs;
  readonly data: Uint8Array;
}

/** A chunk as it is stored. */
export interface StoredChunk extends LiveChunk {
  readonly id: number;
}

/** A class of windows that the store still holds readings of. */
export interface HeldWindow {
  readonly sensitivity: Sensitivity;
  readonly windowMs: DurationMs;
  readonly window: EpochMs | null;
}

/** What the status says of a live store that failed (`core/events/problems.ts`). */
export const LIVE_PROBLEMS = { LIVE_FULL: "LIVE_FULL", LIVE_IO: "LIVE_FAILED" } as const;

/** The store is at its limit (`LIVE_FULL`) or failed (`LIVE_IO`). What was offered is not stored. */
export class LiveStoreError extends Error {
  readonly code: "LIVE_FULL" | "LIVE_IO";

  constructor(code: "LIVE_FULL" | "LIVE_IO", options?: ErrorOptions) {
    super(code === "LIVE_FULL" ? "the live store is full" : "the live store failed", options);
    this.name = "LiveStoreError";
    this.code = code;
  }
}

/**
 * The only state of an open window: readings in memory, never on flash unless they are environmental and the operator wants it.
 * Synchronous, because memory does not stall. Methods throw `LiveStoreError`. Between two chunks of a walk (`read`, `unlabelled`)
 * the store may be written to, and each chunk that comes out is the caller's own copy: it is zeroed after use.
 */
export interface LiveStore {
  /**
   * A number for a stream whose readings mean this (`core/reading/meaning.ts`), the same for the life of the store, over restarts too.
   * A stream that was given another meaning has another number: what was stored of it before is found under the old one only.
   */
  streamIndex(id: StreamId, meaning: string): number;
  /** Leaves some of the store's room to the other methods: what is stored can still be labelled, closed and purged when it is full. */
  append(chunk: LiveChunk): void;
  /** Everything that is held, one entry per class and window. */
  held(): readonly HeldWindow[];
  /** The chunks of one window length and window, every sensitivity, oldest first. */
  read(windowMs: DurationMs, window: EpochMs): Iterable<StoredChunk>;
  /** The chunks that have no window yet, oldest first. */
  unlabelled(): Iterable<StoredChunk>;
  /** Puts `chunks`, which have windows, in the place of the unlabelled chunk `id`, in one transaction. */
  relabel(id: number, chunks: readonly LiveChunk[]): void;
  /**
   * Notes, before noise is drawn for them, that these streams are being released for a window; gives those for which that was noted
   * before, by an earlier run or about another node store. The notes go with the readings, so that no reading is ever drawn for twice.
   */
  claimDraws(sensitivity: Sensitivity, windowMs: DurationMs, window: EpochMs, streams: readonly number[]): ReadonlySet<number>;
  /**
   * Deletes, beyond recovery, every window of this class that starts before `before`; returns how many chunks went. Zeroing takes its
   * time: with `chunksMax` it stops after so many, and is called again until fewer go.
   */
  purge(sensitivity: Sensitivity, windowMs: DurationMs, before: EpochMs, chunksMax?: number): number;
  /** Deletes the oldest unlabelled chunks until at most `chunksMax` remain; returns how many records went. */
  shedUnlabelled(chunksMax: number): number;
  /**
   * Deletes, beyond recovery, the oldest unlabelled chunks: as few as hold `bytes` of readings, or all of them. Gives them as they were,
   * the oldest first, the caller's own.
   */
  shedOldest(bytes: number): readonly StoredChunk[];
  /**
   * Deletes, beyond recovery, chunks of people that are too old: without a window when they began before `before`, and with one when even
   * a window that began with them was over by then. Gives up to `chunksMax` of them as they were, the oldest first, the caller's own.
   */
  shedPeople(before: MonotonicMs, chunksMax: number): readonly StoredChunk[];
  /** Bytes in use. */
  bytes(): number;
  close(): void;
}
