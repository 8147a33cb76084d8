import { type EpochMs, epochMs, type MonotonicMs, monotonicMs } from "../../src/core/units/time.ts";
import type { Cancel, Clock } from "../../src/ports/clock.ts";

interface Task {
  readonly dueMs: number;
  readonly run: () => void;
}

/** A clock that stands still until it is told to move; tasks of the same instant run in the order in which they were asked for. */
export class ManualClock implements Clock {
  readonly bootId = "boot";
  #nowMs = 0;
  readonly #tasks = new Set<Task>();

  monotonicMs(): MonotonicMs {
    return monotonicMs(this.#nowMs);
  }

  monotonicNs(): bigint {
    return BigInt(this.#nowMs) * 1_000_000n;
  }

  wallMs(): EpochMs {
    return epochMs(this.#nowMs);
  }

  async wallTrust(): Promise<null> {
    return null;
  }

  after(delayMs: number, run: () => void): Cancel {
    const task = { dueMs: this.#nowMs + delayMs, run };
    this.#tasks.add(task);
    return () => this.#tasks.delete(task);
  }

  async breathe(): Promise<void> {}

  /** Moves on by `durationMs`, running what falls due on the way. */
  advance(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    for (let next = this.#next(endMs); next !== null; next = this.#next(endMs)) {
      this.#tasks.delete(next);
      this.#nowMs = next.dueMs;
      next.run();
    }
    this.#nowMs = endMs;
  }

  #next(endMs: number): Task | null {
    let earliest: Task | null = null;
    for (const task of this.#tasks) if (task.dueMs <= endMs && (earliest === null || task.dueMs < earliest.dueMs)) earliest = task;
    return earliest;
  }
}
