import { HOUR_MS } from "../units/time.ts";

/** How often each row was answered with a failure while the broker took others: what it gives to everything is not counted. */
class Attempts {
  readonly #rows = new Map<number, { readonly count: number; readonly taken: number }>();

  /** `taken`: how many rows the broker has taken by now. */
  count(position: number, taken: number): number {
    const attempts = this.#rows.get(position);
    if (attempts === undefined) return 0;
    return taken > attempts.taken ? attempts.count : attempts.count - 1;
  }

  add(position: number, taken: number): void {
    this.#rows.set(position, { count: this.count(position, taken) + 1, taken });
  }

  forget(position: number): void {
    this.#rows.delete(position);
  }
}

/** What `Refusals` looks at. */
interface Refusable {
  readonly position: number;
  readonly lane?: string;
}

/** A row that was told to come back so often, while others were taken, keeps its lane waiting and no other. */
const TOLD_TO_WAIT_MAX = 10;
/** How long after the broker took something it may still refuse more of a lane that it refuses anyway. */
const STILL_TAKES_MS = HOUR_MS;

/**
 * Tells a refusal that is about a message from a broker that refuses everything: one that has no memory left, is cut off from its
 * cluster, or got a limit that is too small. There, setting aside one row after the other would lose all that waits. So a refusal is
 * believed only beside others: for each row that is set aside the broker must have taken one since the one before. Of a lane that is
 * refused while others are taken, more may be set aside than the others have.
 */
export class Refusals {
  /** By codes after which a row is set aside in the end. */
  readonly #unspecific = new Attempts();
  /** By codes that only tell it to wait. */
  readonly #told = new Attempts();
  /** Lanes of which a row was refused and none taken since; and how many rows of others the broker had taken at the first. */
  readonly #refusedLanes = new Map<string, number>();
  #taken = 0;
  #takenAtRefusal = 0;
  #takenMs = Number.NEGATIVE_INFINITY;

  /** The broker has this row of the queue. */
  taken({ position, lane }: Refusable, nowMs: number): void {
    this.left(position);
    if (lane !== undefined) this.#refusedLanes.delete(lane);
    this.#taken++;
    this.#takenMs = nowMs;
  }

  /** The row is not waiting any more. */
  left(position: number): void {
    this.#unspecific.forget(position);
    this.#told.forget(position);
  }

  /** How often the row was answered with an unspecific failure so far. */
  failures(position: number): number {
    return this.#unspecific.count(position, this.#taken);
  }

  /** The row was answered with a failure that says nothing. */
  failed(position: number): void {
    this.#unspecific.add(position, this.#taken);
  }

  /** The row was told to come back. True: that was so often that it is about this row. */
  toldToWait(position: number): boolean {
    this.#told.add(position, this.#taken);
    return this.#told.count(position, this.#taken) >= TOLD_TO_WAIT_MAX - 1;
  }

  /** Whether a refusal of this row is about it. */
  isBelieved({ lane }: Refusable, nowMs: number): boolean {
    if (this.#taken > this.#takenAtRefusal) return true;
    const takenAtFirst = lane === undefined ? undefined : this.#refusedLanes.get(lane);
    return takenAtFirst !== undefined && this.#taken > takenAtFirst && nowMs - this.#takenMs < STILL_TAKES_MS;
  }

  /** The row is set aside. */
  refused({ position, lane }: Refusable): void {
    this.left(position);
    if (lane !== undefined && !this.#refusedLanes.has(lane)) this.#refusedLanes.set(lane, this.#taken);
    this.#takenAtRefusal = this.#taken;
  }
}
