import type { DropReason } from "../core/events/counters.ts";
import type { Sensitivity } from "../core/reading/quantity.ts";
import { ChunkWriter, MARK } from "../core/reading/record.ts";
import type { DurationMs, EpochMs, MonotonicMs } from "../core/units/time.ts";
import { windowStart } from "../core/window/lattice.ts";
import type { LiveChunk } from "../ports/live-store.ts";

/** One window that is being filled: its place in UTC, and its place on the monotonic clock. */
interface Filling {
  window: EpochMs | null;
  startMs: number;
  endMs: number;
  readonly writer: ChunkWriter;
}

/**
 * How an offset between the clocks is taken over. `first`: time was just trusted. `adopt`: NTP moved it a little; it counts from
 * the next window on. `step`: the same, and the window being filled is marked. `jump`: a new window begins now.
 */
export type Anchoring = "first" | "adopt" | "step" | "jump";

/**
 * The writer of one class of streams: same sensitivity, same window length, closed at the same time. It gives each record to the
 * window that it belongs to, by an offset between the clocks that only changes where a window begins, so that a reading is in
 * exactly one window. Two windows are open at most: the present one and, for stragglers, the one before.
 */
export class Lane {
  readonly sensitivity: Sensitivity;
  readonly windowMs: DurationMs;
  /** Windows that start before this are closed: what comes for them is late. */
  closedTo = Number.NEGATIVE_INFINITY as EpochMs;
  readonly #append: (chunk: LiveChunk) => boolean;
  readonly #recordAdded: () => void;
  #offsetMs: number | null = null;
  /** The offset to take over where the next window begins, after a step of the clock. */
  #nextOffsetMs: number | null = null;
  #stepMark = 0;
  #present: Filling;
  #before: Filling;
  /** Records given to the live store, per window: the closer must find as many. */
  readonly appended = new Map<EpochMs, number>();

  constructor(
    sensitivity: Sensitivity,
    windowMs: DurationMs,
    capacity: number,
    append: (chunk: LiveChunk) => boolean,
    recordAdded: () => void,
  ) {
    this.sensitivity = sensitivity;
    this.windowMs = windowMs;
    this.#append = append;
    this.#recordAdded = recordAdded;
    this.#present = unlabelled(new ChunkWriter(capacity));
    this.#before = { window: null, startMs: Number.NEGATIVE_INFINITY, endMs: Number.NEGATIVE_INFINITY, writer: new ChunkWriter(capacity) };
  }

  /** Start of the window that is being filled; null while time is not trusted. */
  get window(): EpochMs | null {
    return this.#present.window;
  }

  /** Monotonic time at which `window` starts, by the offset in force; null while time is not trusted. */
  monotonicOf(window: EpochMs): MonotonicMs | null {
    return this.#offsetMs === null ? null : ((window - this.#offsetMs) as MonotonicMs);
  }

  /** Stores one record; says why when it cannot. `coversMs` that reaches into the window before is split off. */
  put(stream: number, atMs: MonotonicMs, value: number, coversMs: number, cell: number, marks: number): DropReason | null {
    if (atMs >= this.#present.endMs) this.advance(atMs);
    const present = this.#present;
    if (atMs < present.startMs) return this.#putBefore(stream, atMs, value, coversMs, cell, marks);
    if (present.window !== null && present.window < this.closedTo) return "late";
    let standsForMs = coversMs;
    const overhangMs = present.startMs - (atMs - coversMs);
    if (overhangMs > 0) {
      standsForMs = atMs - present.startMs;
      this.#putBefore(stream, present.startMs, value, overhangMs, 0, 0);
    }
    this.#add(present, stream, atMs, value, standsForMs, cell, marks | this.#stepMark);
    return null;
  }

  /** Moves on to the window that `nowMs` lies in. */
  advance(nowMs: MonotonicMs): void {
    if (this.#offsetMs === null || nowMs < this.#present.endMs) return;
    const passed = this.#present.window as EpochMs;
    if (this.#nextOffsetMs !== null) {
      this.#offsetMs = this.#nextOffsetMs;
      this.#nextOffsetMs = null;
      this.#stepMark = 0;
    }
    // After a step back the lattice is not entered twice: the next window is always a later one.
    const next = Math.max(passed + this.windowMs, windowStart((nowMs + this.#offsetMs) as EpochMs, this.windowMs)) as EpochMs;
    this.#begin(next, this.#offsetMs);
    // Neighbours in the lattice meet, also when the offset was moved between them.
    if (next === passed + this.windowMs) this.#present.startMs = this.#before.endMs;
  }

  /** Takes over the offset between the clocks. */
  anchor(offsetMs: number, nowMs: MonotonicMs, how: Anchoring): void {
    if (how === "adopt" || how === "step") {
      this.#nextOffsetMs = offsetMs;
      if (how === "step") this.#stepMark = MARK.stepped;
      return;
    }
    const window = windowStart((nowMs + offsetMs) as EpochMs, this.windowMs);
    this.#offsetMs = offsetMs;
    this.#nextOffsetMs = null;
    this.#stepMark = 0;
    if (how === "jump" && window === this.#present.window) {
      this.#present.endMs = window - offsetMs + this.windowMs;
      return;
    }
    this.#begin(window, offsetMs);
    if (how === "first") this.#place(this.#before, (window - this.windowMs) as EpochMs, offsetMs);
    else this.#present.startMs = this.#before.endMs = nowMs;
  }

  /** Gives what waits to the live store. */
  flush(): void {
    this.#flushOne(this.#before);
    this.#flushOne(this.#present);
  }

  #putBefore(stream: number, atMs: number, value: number, coversMs: number, cell: number, marks: number): DropReason | null {
    const { window, startMs } = this.#before;
    if (window === null || atMs < startMs || window < this.closedTo) return "late";
    this.#add(this.#before, stream, atMs, value, Math.min(coversMs, atMs - startMs), cell, marks);
    return null;
  }

  #add(filling: Filling, stream: number, atMs: number, value: number, coversMs: number, cell: number, marks: number): void {
    if (filling.writer.count === filling.writer.capacity) this.#flushOne(filling);
    filling.writer.add(stream, atMs, value, coversMs, cell, marks);
    this.#recordAdded();
  }

  #begin(window: EpochMs, offsetMs: number): void {
    this.flush();
    const spare = this.#before;
    this.#before = this.#present;
    this.#present = spare;
    this.#place(spare, window, offsetMs);
  }

  #place(filling: Filling, window: EpochMs, offsetMs: number): void {
    filling.window = window;
    filling.startMs = window - offsetMs;
    filling.endMs = filling.startMs + this.windowMs;
  }

  #flushOne(filling: Filling): void {
    const { writer, window } = filling;
    if (writer.count === 0) return;
    const { sensitivity, windowMs } = this;
    const stored = this.#append({
      sensitivity,
      windowMs,
      window,
      fromMs: writer.fromMs as MonotonicMs,
      toMs: writer.toMs as MonotonicMs,
      data: writer.bytes(),
    });
    if (stored && window !== null) this.appended.set(window, (this.appended.get(window) ?? 0) + writer.count);
    writer.clear();
  }
}

function unlabelled(writer: ChunkWriter): Filling {
  return { window: null, startMs: Number.NEGATIVE_INFINITY, endMs: Number.POSITIVE_INFINITY, writer };
}
