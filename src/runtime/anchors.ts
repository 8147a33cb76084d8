import type { NodeProblem } from "../core/events/problems.ts";
import type { EpochMs } from "../core/units/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import { LIVE_PROBLEMS, type LiveStore, LiveStoreError } from "../ports/live-store.ts";
import type { Closer } from "./closer.ts";
import type { Ingest } from "./ingest.ts";
import type { Anchoring } from "./lane.ts";
import { labelWaiting } from "./relabel.ts";

export interface AnchorWorld {
  readonly clock: Clock;
  readonly events: Events;
  readonly live: LiveStore;
  readonly ingest: Ingest;
  /** Asked for when time is trusted, not before. */
  closer(): Closer;
}

/** Hands on what was decided about time: to the readings that come, to those that wait, and to the streams that close windows. */
export class Anchors {
  readonly #world: AnchorWorld;
  /** With which offset readings that waited for the clock are to be labelled; null when none wait. */
  #labelWith: number | null = null;
  /** Readings of a time that was too far ahead are still in the live store. */
  #isAhead = false;
  #problem: NodeProblem | null = null;

  constructor(world: AnchorWorld) {
    this.#world = world;
  }

  /** Why the last `labelWaiting` failed; null: it did not. */
  get problem(): NodeProblem | null {
    return this.#problem;
  }

  anchored(offsetMs: number, how: Anchoring): void {
    const { clock, ingest, closer } = this.#world;
    const nowMs = clock.monotonicMs();
    if (how === "return") {
      this.#isAhead = true;
      this.#dropAhead();
    }
    ingest.anchor(offsetMs, nowMs, how);
    if (how === "lose") this.#labelWith = null;
    if (how !== "first" && how !== "return") return;
    closer().comeBack((nowMs + offsetMs) as EpochMs);
    this.#labelWith = offsetMs;
  }

  /** A live store that fails now is tried again before the next window is closed. */
  #dropAhead(): boolean {
    if (!this.#isAhead) return true;
    try {
      this.#world.ingest.dropAhead();
      this.#isAhead = false;
      return true;
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** Windows are closed only when all their readings are in them; false when that failed and is to be tried again. */
  async labelWaiting(): Promise<boolean> {
    this.#problem = null;
    if (!this.#dropAhead()) return false;
    if (this.#labelWith === null) return true;
    const { clock, live, ingest } = this.#world;
    try {
      await labelWaiting(live, ingest.labelling(this.#labelWith), () => clock.breathe());
      this.#labelWith = null;
      return true;
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): false {
    if (!(error instanceof LiveStoreError)) throw error;
    this.#problem = LIVE_PROBLEMS[error.code];
    this.#world.events.emit({ type: "CloseFailed", detail: error.message });
    return false;
  }
}
