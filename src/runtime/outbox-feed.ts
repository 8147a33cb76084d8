import type { Clock } from "../ports/clock.ts";
import type { Outbox } from "../ports/outbox.ts";
import { Departures } from "./departures.ts";
import { type Outgoing, outgoing } from "./outgoing.ts";
import { SkippedLanes } from "./skipped-lanes.ts";

const READ_ROWS_MAX = 100; // more costs memory and gains nothing (hot-path measurements §4)
/**
 * What overtakes sensors that wait is remembered in stretches, 100 bytes each, one or two for each end of windows: with windows of a
 * minute that is for weeks. Beyond so many the others wait, too.
 */
const AHEAD_RANGES_MAX = 50_000;

/** Who the rows are for. */
export interface FeedTarget {
  /** How many more rows are wanted now. */
  appetite(): number;
  /** Whether the row is at hand, under way, or has just arrived: a replay comes across such. */
  has(position: number): boolean;
  /** Whether rows of this lane wait, because the broker does not let them. */
  isHeld(lane: string): boolean;
  /** Whether rows of this lane are at hand or under way. */
  hasLane(lane: string): boolean;
  /** In the order of the queue; after `rewind` from further in front. */
  take(rows: readonly Outgoing[]): void;
  failed(error: unknown): void;
}

/** Reads the outbox in order, as much of it at a time as is wanted, and when it may leave. */
export class OutboxFeed {
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #target: FeedTarget;
  readonly #departures: Departures;
  readonly #skipped = new SkippedLanes();
  #readTo: number;
  #isReading = false;
  #isStopped = false;

  constructor({ outbox, clock }: { readonly outbox: Outbox; readonly clock: Clock }, departMs: number, target: FeedTarget) {
    this.#outbox = outbox;
    this.#clock = clock;
    this.#target = target;
    this.#departures = new Departures(clock, departMs, () => this.fetch());
    this.#readTo = outbox.standing().acknowledgedPosition;
  }

  /** Every row up to here was read. */
  get readTo(): number {
    return this.#readTo;
  }

  /** Rows behind `before`, up to `last`, were made now. */
  made(before: number, last: number): void {
    this.#departures.add(before, last);
  }

  /** From now on what is made leaves at once: the node stops. */
  release(): void {
    this.#departures.release();
  }

  /** Nothing more is read. */
  stop(): void {
    this.#isStopped = true;
  }

  /** What is not settled behind `position` is read again. */
  rewind(position: number): void {
    this.#readTo = Math.min(this.#readTo, position);
  }

  /** A row of this lane was settled: those that were skipped are read now. */
  resume(lane: string): void {
    const first = this.#skipped.resume(lane);
    if (first !== null) this.rewind(first - 1);
  }

  /** Of a lane whose rows at hand are gone, others are tried once it is not held any more. */
  tick(): void {
    for (const lane of this.#skipped.lanes) if (!this.#target.isHeld(lane) && !this.#target.hasLane(lane)) this.resume(lane);
    this.fetch();
  }

  /** Reads on, if rows are wanted and there are any. */
  fetch(): void {
    if (this.#isReading || this.#isStopped) return;
    const { lastPosition, aheadRanges } = this.#outbox.standing();
    const appetite = aheadRanges < AHEAD_RANGES_MAX ? Math.min(READ_ROWS_MAX, this.#target.appetite()) : 0;
    const last = Math.min(lastPosition, this.#departures.lastReady());
    if (appetite === 0 || this.#readTo >= last) return;
    this.#isReading = true;
    void this.#read(this.#readTo, last, Math.min(appetite, last - this.#readTo));
  }

  async #read(before: number, last: number, rowsMax: number): Promise<void> {
    let isGoingOn = false;
    try {
      const rows = (await this.#outbox.read(before, rowsMax)).filter(({ position }) => position <= last);
      isGoingOn = this.#readTo !== before; // it was rewound meanwhile: what was read is read again
      if (isGoingOn) return;
      this.#readTo = rows.at(-1)?.position ?? last;
      const wanted = rows.map(outgoing).filter((row) => this.#isWanted(row));
      this.#target.take(wanted);
      isGoingOn = wanted.length === 0;
    } catch (error) {
      this.#target.failed(error);
    } finally {
      this.#isReading = false;
      // A breath: a million rows may be skipped.
      if (isGoingOn) this.#clock.after(0, () => this.fetch());
    }
  }

  #isWanted({ position, lane = "" }: Outgoing): boolean {
    return !this.#target.has(position) && !this.#skipped.skips(lane, position, this.#target.isHeld(lane));
  }
}
