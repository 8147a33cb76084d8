import type { Testimony, Voucher, WitnessName } from "../core/machine/testimony.ts";
import { type EpochMs, epochMs, type MonotonicMs, monotonicMs } from "../core/units/time.ts";
import type { Cancel, Clock } from "../ports/clock.ts";

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time that moves only when a test says so, in the order in which things were asked for. */
export class VirtualClock implements Clock {
  bootId: string;
  /** What the witnesses say about the wall clock; null: that it is not synchronised. */
  trust: Voucher | null = "synced";
  /** Who can be asked. */
  witnesses: readonly WitnessName[] = ["timesyncd"];
  #nowMs: number;
  #offsetMs: number;
  #order = 0;
  #tasks: Task[] = [];

  /** `wallMs`: what the wall clock shows at monotonic time `monoMs`. */
  constructor({ wallMs = Date.UTC(2026, 10, 23, 10), monoMs = 1_000_000, bootId = "boot-1" } = {}) {
    this.#nowMs = monoMs;
    this.#offsetMs = wallMs - monoMs;
    this.bootId = bootId;
  }

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
    return Promise.resolve(this.witnesses.map((witness) => ({ witness, says: this.trust ?? "no", errorMs: null })));
  }

  after(delayMs: number, task: () => void): Cancel {
    const entry: Task = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run: task };
    this.#tasks.push(entry);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== entry);
    };
  }

  breathe(): Promise<void> {
    return Promise.resolve();
  }

  /** The wall clock is stepped; the monotonic clock does not notice. */
  stepWall(byMs: number): void {
    this.#offsetMs += byMs;
  }

  /** The process does not run for so long: what is due meanwhile is overdue when time goes on. */
  stall(forMs: number): void {
    this.#nowMs += forMs;
  }

  /** Lets `forMs` pass: runs what is due in order, and lets promises settle after each. */
  async advance(forMs: number): Promise<void> {
    const untilMs = this.#nowMs + forMs;
    await settle();
    for (;;) {
      const next = this.#next(untilMs);
      if (next === null) break;
      this.#tasks = this.#tasks.filter((task) => task !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Task | null {
    let next: Task | null = null;
    for (const task of this.#tasks) {
      if (task.atMs > untilMs) continue;
      if (next === null || task.atMs < next.atMs || (task.atMs === next.atMs && task.order < next.order)) next = task;
    }
    return next;
  }
}

// A chain of awaits in the runtime is a few dozen promises deep at most.
const SETTLE_TURNS = 50;

async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await Promise.resolve();
}
