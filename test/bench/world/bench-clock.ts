import type { Testimony } from "../../../src/core/machine/testimony.ts";
import { type EpochMs, epochMs, type MonotonicMs, monotonicMs } from "../../../src/core/units/time.ts";
import type { Cancel, Clock } from "../../../src/ports/clock.ts";

interface Task {
  readonly atMs: number;
  readonly run: () => void;
}

/**
 * Time that moves when a bench says so, at next to no cost: what is due runs at once, in the order of its time, and nothing waits
 * for promises in between. The event loop is the real one: `breathe` lets sockets be read.
 */
export class BenchClock implements Clock {
  readonly bootId = "bench";
  readonly #offsetMs = Date.UTC(2026, 10, 23, 10);
  readonly #tasks = new Set<Task>();
  #nowMs = 0;
  #nextMs = Number.POSITIVE_INFINITY;

  monotonicMs(): MonotonicMs {
    return monotonicMs(this.#nowMs);
  }

  monotonicNs(): bigint {
    return BigInt(Math.round(this.#nowMs * 1e6));
  }

  wallMs(): EpochMs {
    return epochMs(Math.floor(this.#nowMs + this.#offsetMs));
  }

  testimonies(): Promise<readonly Testimony[]> {
    return Promise.resolve([{ witness: "timesyncd", says: "synced", errorMs: null }]);
  }

  after(delayMs: number, run: () => void): Cancel {
    const task = { atMs: this.#nowMs + Math.max(0, delayMs), run };
    this.#tasks.add(task);
    this.#nextMs = Math.min(this.#nextMs, task.atMs);
    return () => void this.#tasks.delete(task);
  }

  breathe(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets `forMs` pass and runs what is due in it. */
  advance(forMs: number): void {
    const untilMs = this.#nowMs + forMs;
    while (this.#nextMs <= untilMs) this.#runNext(untilMs);
    this.#nowMs = untilMs;
  }

  /** Runs the earliest task if it is due, and finds out when the one after it is. */
  #runNext(untilMs: number): void {
    const ascending = [...this.#tasks].sort((a, b) => a.atMs - b.atMs);
    const [next, second] = ascending;
    this.#nextMs = second?.atMs ?? Number.POSITIVE_INFINITY;
    if (next === undefined || next.atMs > untilMs) {
      this.#nextMs = next?.atMs ?? Number.POSITIVE_INFINITY;
      return;
    }
    this.#tasks.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.run();
  }
}
