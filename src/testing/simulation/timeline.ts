import type { Cancel } from "../../ports/clock.ts";

interface Task {
  readonly atMs: number;
  readonly order: number;
  /** Null: called off. */
  run: (() => void) | null;
}

/**
 * The one time of a simulated world, in milliseconds since it began. Tasks run in the order of their time, and of being asked for.
 * After each of them everything that awaits comes to rest before the next begins, as between two turns of an event loop.
 */
export class Timeline {
  /** Called when all has come to rest after a task. */
  onStep: () => void = () => undefined;
  #nowMs = 0;
  #order = 0;
  #steps = 0;
  /** A binary heap: the first is the next. */
  readonly #heap: Task[] = [];
  readonly #stalls: { readonly fromMs: number; readonly toMs: number }[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Tasks that were run: where in a world a finding is. */
  get steps(): number {
    return this.#steps;
  }

  after(delayMs: number, run: () => void): Cancel {
    const task: Task = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#push(task);
    return () => {
      task.run = null;
    };
  }

  at(atMs: number, run: () => void): Cancel {
    return this.after(atMs - this.#nowMs, run);
  }

  /** A call that blocks the process: time passes, and nothing that is due in it runs before it is over. */
  stall(forMs: number): void {
    this.#stalls.push({ fromMs: this.#nowMs, toMs: this.#nowMs + forMs });
    this.#nowMs += forMs;
  }

  /** Until when the process last ran for at least `forMs` in one piece: now, unless a call blocks it or did shortly before. */
  ranUntilMs(forMs: number): number {
    let untilMs = this.#nowMs;
    for (const { fromMs, toMs } of this.#stalls.toReversed()) {
      if (untilMs - toMs >= forMs) break;
      untilMs = fromMs;
    }
    return untilMs;
  }

  /** Runs what is due up to `untilMs`, or until `isOver` after a task. */
  async runUntil(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    await rest();
    while (!isOver()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      if (next.run === null) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#steps++;
      next.run();
      await rest();
      this.onStep();
    }
    if (!isOver()) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(task);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(task, heap[parent] as Task)) break;
      heap[at] = heap[parent] as Task;
      at = parent;
    }
    heap[at] = task;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Task;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Task, heap[child] as Task)) child++;
      if (!isBefore(heap[child] as Task, last)) break;
      heap[at] = heap[child] as Task;
      at = child;
    }
    heap[at] = last;
  }
}

const isBefore = (one: Task, other: Task): boolean => one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);

/** Every microtask has run when an immediate does: the queue is empty, however long a chain of awaits was. */
const rest = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
