import { unreachable } from "../core/assert.ts";
import type { DropReason } from "../core/events/counters.ts";
import { type AnchorKind, SLEW_MS_MAX } from "../core/machine/timekeeper.ts";
import type { Sensitivity } from "../core/reading/quantity.ts";
import { ChunkWriter, MARK } from "../core/reading/record.ts";
import type { DurationMs, EpochMs, MonotonicMs } from "../core/units/time.ts";
import type { Span } from "../core/window/course.ts";
import { windowStart } from "../core/window/lattice.ts";
import type { LiveChunk } from "../ports/live-store.ts";

/** One window that is being filled: its place in UTC, and its place on the monotonic clock, `[startMs, endMs)`. */
interface Filling {
  window: EpochMs | null;
  startMs: number;
  endMs: number;
  /** The window was released before, when the clock was ahead. */
  isSpent: boolean;
  readonly writer: ChunkWriter;
}

/** What a lane remembers of a window until it is forgotten. */
interface Begun {
  readonly startMs: number;
  /** How long it is on the monotonic clock, when the offset was moved a little where it begins. */
  readonly lastsMs: number;
  /** Records given to the live store. */
  appended: number;
  /** Under which identifiers seen in this window are hashed; null until there is one. */
  secret: Uint8Array | null;
}

/**
 * How an offset between the clocks is taken over. `first`: time was just trusted. `return`: the same, after a time that was too far
 * ahead. `lose`: time is not trusted any more, what comes waits. `adopt`: NTP moved it a little; it counts from
 * the next window on. `step`: the same, and two windows are marked: the one being filled, whose label was wrong, and the next,
 * which is longer or shorter than its label. `jump`: forward, a new window begins now, and those in between are skipped; back,
 * what comes waits for the first window that was not entered before, and is late until then.
 */
export type Anchoring = AnchorKind | "lose";

/**
 * The writer of one class of streams: same sensitivity, same window length, closed at the same time. It gives each record to the
 * window that it belongs to, by an offset between the clocks that only changes where a window begins, so that a reading is in
 * exactly one window, and a window that was left is not entered again. Two windows are open at most: the present one and, for
 * stragglers, the one before.
 */
export class Lane {
  readonly sensitivity: Sensitivity;
  readonly windowMs: DurationMs;
  /** Windows that start before this are closed: what comes for them is late. */
  closedTo = Number.NEGATIVE_INFINITY as EpochMs;
  /** Windows that begin in one of these were released before, when the clock was ahead: what comes for them is late. */
  #spent: readonly Span[] = [];
  readonly #append: (chunk: LiveChunk) => boolean;
  readonly #recordAdded: () => void;
  #offsetMs: number | null = null;
  /** The offset to take over where the next window begins. */
  #nextOffsetMs: number | null = null;
  /** The offset that was lost; null when none was. */
  #lostOffsetMs: number | null = null;
  /** What records of the window being filled are marked with after a step of the clock, and whether the next window gets it too. */
  #stepMark = 0;
  #isStepPending = false;
  #present: Filling;
  #before: Filling;
  readonly #begun = new Map<EpochMs, Begun>();

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
    this.#before = nothingBefore(new ChunkWriter(capacity));
  }

  /** Start of the window that is being filled; null while time is not trusted. */
  get window(): EpochMs | null {
    return this.#present.window;
  }

  /** Monotonic time at which the window that is being filled starts; -Infinity while time is not trusted. */
  get startMs(): number {
    return this.#present.startMs;
  }

  /** Monotonic time at which `window` started; null while time is not trusted. */
  monotonicOf(window: EpochMs): MonotonicMs | null {
    const begun = this.#begun.get(window);
    if (begun !== undefined) return begun.startMs as MonotonicMs;
    return this.#offsetMs === null ? null : ((window - this.#offsetMs) as MonotonicMs);
  }

  /**
   * How long `window` is on the monotonic clock: a little more or less than its label where NTP moved the offset. A step is told by a
   * mark, and changes no length.
   */
  lastsMs(window: EpochMs): number {
    return this.#begun.get(window)?.lastsMs ?? this.windowMs;
  }

  /** How many records of `window` this lane gave to the live store: the closer must find as many. */
  appendedTo(window: EpochMs): number {
    return this.#begun.get(window)?.appended ?? 0;
  }

  /**
   * The secret of the window that a record of `atMs` would be put into, made when it is first asked for; null where it could not be put
   * anywhere with a window. It lives in this process only, and dies with the window.
   */
  secretAt(atMs: MonotonicMs, make: () => Uint8Array): Uint8Array | null {
    if (atMs >= this.#present.endMs) this.advance(atMs);
    const { window, startMs } = atMs < this.#present.startMs ? this.#before : this.#present;
    const begun = window === null || atMs < startMs ? undefined : this.#begun.get(window);
    if (begun === undefined) return null;
    begun.secret ??= make();
    return begun.secret;
  }

  /** `window` and all before it are closed: nobody will ask for them again. Their secrets are destroyed. */
  forget(window: EpochMs): void {
    for (const [start, { secret }] of this.#begun) {
      if (start > window) continue;
      secret?.fill(0);
      this.#begun.delete(start);
    }
  }

  /** Stores one record; says why when it cannot. `coversMs` that reaches into the window before is split off. */
  put(stream: number, atMs: MonotonicMs, value: number, coversMs: number, cell: number, marks: number): DropReason | null {
    if (atMs >= this.#present.endMs) this.advance(atMs);
    const present = this.#present;
    if (atMs < present.startMs) return this.#putBefore(stream, atMs, value, coversMs, cell, marks);
    if (present.window !== null && (present.window < this.closedTo || present.isSpent)) return "late";
    let standsForMs = coversMs;
    if (atMs - coversMs < present.startMs) {
      standsForMs = atMs - present.startMs;
      this.#coverBefore(stream, atMs - coversMs, present.startMs, value);
    }
    this.#add(present, stream, atMs, value, standsForMs, cell, marks | this.#stepMark);
    return null;
  }

  /** Moves on to the window that `nowMs` lies in. */
  advance(nowMs: MonotonicMs): void {
    if (this.#offsetMs === null || nowMs < this.#present.endMs) return;
    const neighbour = ((this.#present.window as EpochMs) + this.windowMs) as EpochMs;
    if (this.#nextOffsetMs !== null) this.#offsetMs = this.#nextOffsetMs;
    this.#nextOffsetMs = null;
    this.#stepMark = this.#isStepPending ? MARK.stepped : 0;
    this.#isStepPending = false;
    // After a step back the lattice is not entered twice: the next window is always a later one.
    const next = Math.max(neighbour, windowStart((nowMs + this.#offsetMs) as EpochMs, this.windowMs)) as EpochMs;
    // When nothing moved for longer than a window, stragglers are of the one right before this one, not of the one long ago.
    const isLeap = next > neighbour && next - this.#offsetMs > this.#present.endMs;
    if (isLeap) this.#enter((next - this.windowMs) as EpochMs, this.#offsetMs);
    this.#enter(next, this.#offsetMs);
  }

  /** Takes over the offset between the clocks. */
  anchor(offsetMs: number, nowMs: MonotonicMs, how: Anchoring): void {
    switch (how) {
      case "adopt":
        this.#nextOffsetMs = offsetMs;
        return;
      case "step":
        this.#nextOffsetMs = offsetMs;
        this.#stepMark = MARK.stepped;
        this.#isStepPending = true;
        return;
      case "first":
        return this.#first(offsetMs, nowMs);
      case "return":
        this.forget(Number.MAX_SAFE_INTEGER as EpochMs);
        return this.#first(offsetMs, nowMs);
      case "lose":
        return this.#lose();
      case "jump":
        return this.#jump(offsetMs, nowMs);
      default:
        return unreachable(how);
    }
  }

  /** Whether a reading of `window` may still be put into it. */
  isOpen(window: EpochMs): boolean {
    return window >= this.closedTo && !this.#isSpent(window);
  }

  setSpent(spans: readonly Span[]): void {
    this.#spent = spans;
    for (const filling of [this.#before, this.#present]) filling.isSpent = filling.window !== null && this.#isSpent(filling.window);
  }

  #isSpent(window: EpochMs): boolean {
    return this.#spent.some(({ from, to }) => window < to && window + this.windowMs > from);
  }

  /** What comes has no window from now on; the windows that were open wait for what will be labelled. */
  #lose(): void {
    this.flush();
    this.#lostOffsetMs = this.#offsetMs;
    this.#offsetMs = null;
    this.#nextOffsetMs = null;
    this.#stepMark = 0;
    this.#isStepPending = false;
    this.#present = unlabelled(this.#present.writer);
    this.#before = nothingBefore(this.#before.writer);
  }

  #first(offsetMs: number, nowMs: MonotonicMs): void {
    // The window that is being filled has another length than its label, when the offset moved meanwhile.
    if (this.#lostOffsetMs !== null && Math.abs(offsetMs - this.#lostOffsetMs) > SLEW_MS_MAX) this.#stepMark = MARK.stepped;
    this.#lostOffsetMs = null;
    const window = windowStart((nowMs + offsetMs) as EpochMs, this.windowMs);
    this.#offsetMs = offsetMs;
    this.#begin(window, offsetMs);
    this.#place(this.#before, (window - this.windowMs) as EpochMs, offsetMs);
  }

  #jump(offsetMs: number, nowMs: MonotonicMs): void {
    const present = this.#present;
    const left = present.window as EpochMs;
    const window = windowStart((nowMs + offsetMs) as EpochMs, this.windowMs);
    this.#offsetMs = offsetMs;
    this.#nextOffsetMs = null;
    this.#stepMark = MARK.stepped;
    this.#isStepPending = false;
    if (nowMs < present.startMs) {
      // Still waiting after a jump back: that window has not been entered.
      this.#place(present, Math.max(window, left) as EpochMs, offsetMs);
      this.#startAt(present, Math.max(present.startMs, nowMs));
    } else if (window === left) {
      present.endMs = window - offsetMs + this.windowMs;
    } else {
      present.endMs = nowMs;
      this.#begin(Math.max(window, left + this.windowMs) as EpochMs, offsetMs);
    }
  }

  /** Gives what waits to the live store. */
  flush(): void {
    this.#flushOne(this.#before);
    this.#flushOne(this.#present);
  }

  #putBefore(stream: number, atMs: number, value: number, coversMs: number, cell: number, marks: number): DropReason | null {
    const { window, startMs, endMs, isSpent } = this.#before;
    if (window === null || atMs < startMs || atMs >= endMs || window < this.closedTo || isSpent) return "late";
    this.#add(this.#before, stream, atMs, value, Math.min(coversMs, atMs - startMs), cell, marks);
    return null;
  }

  /** The part of `[fromMs, toMs)` that lies in the window before is covered there. */
  #coverBefore(stream: number, fromMs: number, toMs: number, value: number): void {
    const { window, startMs, endMs, isSpent } = this.#before;
    const atMs = Math.min(toMs, endMs);
    const coversMs = atMs - Math.max(fromMs, startMs);
    if (window === null || window < this.closedTo || isSpent || coversMs <= 0) return;
    this.#add(this.#before, stream, atMs, value, coversMs, 0, 0);
  }

  #add(filling: Filling, stream: number, atMs: number, value: number, coversMs: number, cell: number, marks: number): void {
    if (filling.writer.count === filling.writer.capacity) this.#flushOne(filling);
    filling.writer.add(stream, atMs, value, coversMs, cell, marks);
    this.#recordAdded();
  }

  #enter(window: EpochMs, offsetMs: number): void {
    const left = this.#present;
    this.#begin(window, offsetMs);
    // Neighbours in the lattice meet, also when the offset was moved between them.
    if (window !== (left.window as EpochMs) + this.windowMs) return;
    const lastsMs = this.#present.endMs - left.endMs;
    this.#startAt(this.#present, left.endMs, Math.abs(lastsMs - this.windowMs) <= SLEW_MS_MAX ? lastsMs : this.windowMs);
  }

  #begin(window: EpochMs, offsetMs: number): void {
    this.flush();
    const left = this.#present;
    this.#present = this.#before;
    this.#before = left;
    this.#place(this.#present, window, offsetMs);
    if (left.window !== null) this.#startAt(this.#present, Math.max(this.#present.startMs, left.endMs));
  }

  #place(filling: Filling, window: EpochMs, offsetMs: number): void {
    filling.window = window;
    filling.isSpent = this.#isSpent(window);
    filling.endMs = window - offsetMs + this.windowMs;
    this.#startAt(filling, window - offsetMs);
  }

  #startAt(filling: Filling, startMs: number, lastsMs: number = this.windowMs): void {
    filling.startMs = startMs;
    // A window that was open when time was lost is gone on with, under the same secret.
    const { appended = 0, secret = null } = this.#begun.get(filling.window as EpochMs) ?? {};
    this.#begun.set(filling.window as EpochMs, { startMs, lastsMs, appended, secret });
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
    const begun = window === null ? undefined : this.#begun.get(window);
    if (stored && begun !== undefined) begun.appended += writer.count;
    writer.clear();
  }
}

function unlabelled(writer: ChunkWriter): Filling {
  return { window: null, startMs: Number.NEGATIVE_INFINITY, endMs: Number.POSITIVE_INFINITY, isSpent: false, writer };
}

function nothingBefore(writer: ChunkWriter): Filling {
  return { window: null, startMs: Number.NEGATIVE_INFINITY, endMs: Number.NEGATIVE_INFINITY, isSpent: false, writer };
}
