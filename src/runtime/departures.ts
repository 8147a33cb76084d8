import type { NodePlan } from "../config/plan.ts";
import type { Cancel, Clock } from "../ports/clock.ts";

/** Groups of rows that wait for their time at once; more wait together with the last of them. Windows last 10 s, offsets a minute. */
const GROUPS_MAX = 16;

interface Group {
  readonly first: number;
  last: number;
  readonly atMs: number;
}

/**
 * Rows leave a fixed time after they were made: windows of a whole city end in the same second, and each node publishes them at a time
 * of its own. The row is on the card already, so that nothing is lost meanwhile; what an earlier run made leaves at once.
 */
export class Departures {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #onDue: () => void;
  readonly #groups: Group[] = [];
  #cancel: Cancel | null = null;
  #isReleased = false;

  /** `onDue`: called when rows may leave that could not before. */
  constructor(clock: Clock, delayMs: number, onDue: () => void) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#onDue = onDue;
  }

  /** Rows after `before`, up to `last`, were made now. */
  add(before: number, last: number): void {
    if (this.#delayMs === 0 || this.#isReleased || last <= before) return;
    const newest = this.#groups.at(-1);
    if (newest !== undefined && this.#groups.length >= GROUPS_MAX) newest.last = last;
    else this.#groups.push({ first: before + 1, last, atMs: this.#clock.monotonicMs() + this.#delayMs });
    this.#arm();
  }

  /** No row after this may leave yet; infinite when all may. */
  lastReady(): number {
    return this.#groups[0] === undefined ? Number.POSITIVE_INFINITY : this.#groups[0].first - 1;
  }

  /** From now on everything leaves at once: the node stops. */
  release(): void {
    this.#isReleased = true;
    this.#groups.length = 0;
    this.#cancel?.();
  }

  #arm(): void {
    const next = this.#groups[0];
    if (next === undefined || this.#cancel !== null) return;
    this.#cancel = this.#clock.after(Math.max(0, next.atMs - this.#clock.monotonicMs()), () => {
      this.#cancel = null;
      this.#groups.shift();
      this.#arm();
      this.#onDue();
    });
  }
}

/** How long after they were made summaries may leave at the latest: no later than the most impatient stream waits for its readings. */
export function departureRangeMs({ broker, sensors, groups }: NodePlan): number {
  const streams = [...sensors.flatMap((sensor) => sensor.streams), ...groups.map(({ stream }) => stream)];
  const waits = streams
    .filter(({ policy, from }) => policy.is !== "withheld" && from === null)
    .map(({ latenessMs }) => latenessMs as number);
  return Math.min(broker.spreadMs, ...waits);
}
