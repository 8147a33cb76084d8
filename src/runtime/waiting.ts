import type { LiveChunk, LiveStore, StoredChunk } from "../ports/live-store.ts";

/** Chunks that are zeroed at a time; what is left goes with the next tick. */
export const SHED_CHUNKS = 50;

/** What waits in the live store for the clock: how much of it is of this run, and how the oldest of it goes. */
export class Waiting {
  readonly #live: LiveStore;
  readonly #dropped: (data: Uint8Array) => void;
  /** Chunks of this run that wait for the clock, and the time of the first. */
  #chunks = 0;
  #fromMs = 0;
  /** Time of the first chunk of this run: what is older is of an earlier one. */
  #appendedFromMs = Number.POSITIVE_INFINITY;

  /** `dropped`: these readings of this run go. */
  constructor(live: LiveStore, dropped: (data: Uint8Array) => void) {
    this.#live = live;
    this.#dropped = dropped;
  }

  /** The live store took it. */
  appended({ fromMs, window }: LiveChunk): void {
    if (this.#appendedFromMs === Number.POSITIVE_INFINITY) this.#appendedFromMs = fromMs;
    if (window === null && this.#chunks++ === 0) this.#fromMs = fromMs;
  }

  isOfThisRun({ fromMs }: Pick<LiveChunk, "fromMs">): boolean {
    return fromMs >= this.#appendedFromMs;
  }

  /** Nothing waits any more: it is labelled from now on. */
  end(): void {
    this.#chunks = 0;
  }

  /** A chunk of this run that waited is gone. */
  left(): void {
    this.#chunks = Math.max(0, this.#chunks - 1);
  }

  /** The oldest `bytes` go. */
  shedOldest(bytes: number): void {
    for (const chunk of this.#live.shedOldest(bytes)) this.#gone(chunk);
  }

  /** What is older than `beforeMs` goes, a slice at a time. */
  shedLong(beforeMs: number): void {
    let slice = SHED_CHUNKS;
    if (this.#chunks === 0 || this.#fromMs >= beforeMs) return;
    for (const chunk of this.#live.unlabelled()) {
      if (chunk.toMs >= beforeMs || slice-- === 0) {
        this.#fromMs = chunk.fromMs;
        break;
      }
      this.#live.relabel(chunk.id, []);
      this.#gone(chunk);
    }
  }

  /** The oldest beyond `chunksMax` go. */
  shedSurplus(chunksMax: number): void {
    let surplus = this.#chunks - chunksMax;
    if (surplus <= 0) return;
    const shed: Uint8Array[] = [];
    for (const { fromMs, data } of this.#live.unlabelled()) {
      if (fromMs < this.#fromMs) continue; // of an earlier run
      if (surplus-- === 0) break;
      shed.push(data);
    }
    this.#live.shedUnlabelled(chunksMax);
    this.#chunks = chunksMax;
    for (const data of shed) this.#dropped(data);
  }

  #gone(chunk: StoredChunk): void {
    if (this.isOfThisRun(chunk)) {
      this.#dropped(chunk.data);
      this.left();
    }
    chunk.data.fill(0);
  }
}
