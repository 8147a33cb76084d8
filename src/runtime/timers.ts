import type { Cancel, Clock } from "../ports/clock.ts";

/** What is to be done later or again and again, each under a name, so that all of it can be called off at once. */
export class Timers {
  readonly #clock: Clock;
  readonly #cancels = new Map<string, Cancel>();
  #isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  later(name: string, delayMs: number, task: () => void): void {
    if (!this.#isOver) this.#cancels.set(name, this.#clock.after(delayMs, task));
  }

  /** On time, whatever the task takes. */
  every(name: string, everyMs: number, task: () => void): void {
    const again = (): void => {
      this.later(name, everyMs, again);
      task();
    };
    this.later(name, everyMs, again);
  }

  /** At once, and then so long after the task is done. A task that fails is a bug: nobody catches it. */
  everyAfter(name: string, pauseMs: number, task: () => Promise<void>): void {
    const again = (): void => void task().finally(() => this.later(name, pauseMs, again));
    this.later(name, 0, again);
  }

  /** Nothing more is done. What is under way comes to its end. */
  stop(): void {
    this.#isOver = true;
    for (const cancel of this.#cancels.values()) cancel();
  }
}
