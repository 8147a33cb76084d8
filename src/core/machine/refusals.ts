import { HOUR_MS } from "../units/time.ts";

/** How often a row was answered with a failure while the broker took others. */
interface Attempts {
  readonly count: number;
  /** How many rows the broker had taken when it was counted last. */
  readonly taken: number;
}

/** What `Refusals` looks at. */
interface Refusable {
  readonly position: number;
  readonly lane?: string;
}

/** How long after the broker took something it may still refuse more of a lane that it refuses anyway. */
const STILL_TAKES_MS = HOUR_MS;

/**
 * Tells a refusal that is about a message from a broker that refuses everything: one that has no memory left, is cut off from its
 * cluster, or got a limit that is too small. There, setting aside one row after the other would lose all that waits. So a refusal is
 * believed only beside others: for each row that is set aside the broker must have taken one since the one before. Of a lane that is
 * refused while others are taken, more may be set aside than the others have.
 */
export class Refusals {
  readonly #attempts = new Map<number, Attempts>();
  /** Lanes of which a row was refused and none taken since; and how many rows of others the broker had taken at the first. */
  readonly #refusedLanes = new Map<string, number>();
  #taken = 0;
  #takenAtRefusal = 0;
  #takenMs = Number.NEGATIVE_INFINITY;

  /** The broker has this row of the queue. */
  taken({ position, lane }: Refusable, nowMs: number): void {
    this.#attempts.delete(position);
    if (lane !== undefined) this.#refusedLanes.delete(lane);
    this.#taken++;
    this.#takenMs = nowMs;
  }

  /** How often the row was answered with a failure so far; those that the broker gives to everything are not counted. */
  failures(position: number): number {
    const attempts = this.#attempts.get(position);
    if (attempts === undefined) return 0;
    return this.#taken > attempts.taken ? attempts.count : attempts.count - 1;
  }

  /** The row was answered with a failure. */
  failed(position: number): void {
    const count = this.failures(position) + 1;
    this.#attempts.set(position, { count, taken: this.#taken });
  }

  /** Whether a refusal of this row is about it. */
  isBelieved({ lane }: Refusable, nowMs: number): boolean {
    if (this.#taken > this.#takenAtRefusal) return true;
    const takenAtFirst = lane === undefined ? undefined : this.#refusedLanes.get(lane);
    return takenAtFirst !== undefined && this.#taken > takenAtFirst && nowMs - this.#takenMs < STILL_TAKES_MS;
  }

  /** The row is set aside. */
  refused({ position, lane }: Refusable): void {
    this.#attempts.delete(position);
    if (lane !== undefined && !this.#refusedLanes.has(lane)) this.#refusedLanes.set(lane, this.#taken);
    this.#takenAtRefusal = this.#taken;
  }
}
