import { epochMs, monotonicMs } from "../../src/core/units/time.ts";
import type { Clock } from "../../src/ports/clock.ts";

const NS_PER_MS = 1_000_000n;

/** A clock that a test moves by hand, and the tasks that wait on it. */
export interface ManualClock extends Clock {
  /** Moves on, running what falls due, in order. */
  advance(ms: number): void;
  /** Moves on like `advance`, but lets promises settle before and after each task. */
  advanceSettling(ms: number): Promise<void>;
  /** Moves on without running anything: the machine is busy. */
  stall(ms: number): void;
  readonly waiting: number;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function manualClock(startMs = 1_000): ManualClock {
  let nowMs = startMs;
  let order = 0;
  const tasks = new Map<number, { readonly dueMs: number; readonly run: () => void }>();
  /** Runs the next task that is due by `untilMs`; false when there is none. */
  const runNext = (untilMs: number): boolean => {
    const next = [...tasks].filter(([, { dueMs }]) => dueMs <= untilMs).sort(([a, x], [b, y]) => x.dueMs - y.dueMs || a - b)[0];
    if (next === undefined) return false;
    const [id, task] = next;
    tasks.delete(id);
    nowMs = Math.max(nowMs, task.dueMs);
    task.run();
    return true;
  };
  return {
    bootId: "manual",
    monotonicMs: () => monotonicMs(nowMs),
    monotonicNs: () => BigInt(Math.round(nowMs)) * NS_PER_MS,
    wallMs: () => epochMs(nowMs),
    testimonies: async () => [],
    after(delayMs, run) {
      const id = order++;
      tasks.set(id, { dueMs: nowMs + Math.max(0, delayMs), run });
      return () => tasks.delete(id);
    },
    breathe: settle,
    advance(ms) {
      const untilMs = nowMs + ms;
      while (runNext(untilMs));
      nowMs = Math.max(nowMs, untilMs);
    },
    async advanceSettling(ms) {
      const untilMs = nowMs + ms;
      do await settle();
      while (runNext(untilMs));
      nowMs = Math.max(nowMs, untilMs);
    },
    stall(ms) {
      nowMs += ms;
    },
    get waiting() {
      return tasks.size;
    },
  };
}

/** The machine's own time, for tests that talk to real processes and devices. */
export function realClock(): Pick<Clock, "after" | "monotonicMs" | "monotonicNs"> {
  return {
    monotonicMs: () => monotonicMs(performance.now()),
    monotonicNs: () => process.hrtime.bigint(),
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
  };
}
