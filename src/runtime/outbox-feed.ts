import type { Clock } from "../ports/clock.ts";
import type { Outbox } from "../ports/outbox.ts";
import { Departures } from "./departures.ts";
import { type Outgoing, outgoing } from "./outgoing.ts";
import { SkippedLanes } from "./skipped-lanes.ts";

const READ_ROWS_MAX = 100; // more costs memory and gains nothing (hot-path measurements §4)
/**
 * What overtakes sensors that wait is remembered in stretches, 100 bytes each, one or two for each end of windows: with windows of a
 * minute that is for weeks. With so many nothing is read beyond the last of them: others wait until those that wait may publish.
 */
export const AHEAD_RANGES_MAX = 50_000;
/** Between two reads of which all was skipped: a million rows may be, and the node has other things to do. */
const SKIPPING_PAUSE_MS = 10;

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
  readonly #rangesMax: number;
  #readTo: number;
  /** The mark at the last tick. */
  #mark: number;
  #isReading = false;
  #isStopped = false;

  constructor(
    { outbox, clock }: { readonly outbox: Outbox; readonly clock: Clock },
    { departMs, aheadRangesMax = AHEAD_RANGES_MAX }: { readonly departMs: number; readonly aheadRangesMax?: number },
    target: FeedTarget,
  ) {
    this.#rangesMax = aheadRangesMax;
    this.#outbox = outbox;
    this.#clock = clock;
    this.#target = target;
    this.#departures = new Departures(clock, departMs, () => this.fetch());
    this.#mark = outbox.standing().acknowledgedPosition;
    this.#readTo = this.#mark;
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

  /**
   * Of a lane whose rows at hand are gone, others are tried once it is not held any more. `isOutboxNew`: the outbox was opened again:
   * what it knows may be less than what it was told.
   */
  tick(isOutboxNew: boolean): void {
    const { acknowledgedPosition } = this.#outbox.standing();
    if (isOutboxNew || acknowledgedPosition < this.#mark) this.rewind(acknowledgedPosition);
    this.#mark = acknowledgedPosition;
    for (const lane of this.#skipped.lanes) if (!this.#target.isHeld(lane) && !this.#target.hasLane(lane)) this.resume(lane);
    this.fetch();
  }

  /** Reads on, if rows are wanted and there are any. */
  fetch(): void {
    if (this.#isReading || this.#isStopped) return;
    const { lastPosition, aheadRanges, aheadTo } = this.#outbox.standing();
    const appetite = Math.min(READ_ROWS_MAX, this.#target.appetite());
    const last = Math.min(aheadRanges < this.#rangesMax ? lastPosition : aheadTo, this.#departures.lastReady());
    if (appetite === 0 || this.#readTo >= last) return;
    this.#isReading = true;
    void this.#read(this.#readTo, last, Math.min(appetite, last - this.#readTo));
  }

  async #read(before: number, last: number, rowsMax: number): Promise<void> {
    let goesOnInMs: number | null = null;
    try {
      const rows = (await this.#outbox.read(before, rowsMax)).filter(({ position }) => position <= last);
      if (this.#readTo !== before) {
        goesOnInMs = 0; // it was rewound meanwhile: what was read is read again
        return;
      }
      this.#readTo = rows.at(-1)?.position ?? last;
      const wanted = rows.map(outgoing).filter((row) => this.#isWanted(row));
      this.#target.take(wanted);
      if (wanted.length === 0) goesOnInMs = rows.length === 0 ? 0 : SKIPPING_PAUSE_MS;
    } catch (error) {
      this.#target.failed(error);
    } finally {
      this.#isReading = false;
      if (goesOnInMs !== null) this.#clock.after(goesOnInMs, () => this.fetch());
    }
  }

  #isWanted({ position, lane = "" }: Outgoing): boolean {
    return !this.#target.has(position) && !this.#skipped.skips(lane, position, this.#target.isHeld(lane));
  }
}
