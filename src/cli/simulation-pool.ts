import { Worker } from "node:worker_threads";
import { type SimulationReport, simulate } from "../testing/simulation/simulation.ts";
import { createSimulationMachine } from "./simulation-machine.ts";
import type { Errand } from "./simulation-thread.ts";

/** One world on a machine of its own. */
export async function simulateSeed(seed: number, hours: number, onLine?: (line: string) => void): Promise<SimulationReport> {
  const machine = createSimulationMachine();
  try {
    return await simulate({ machine, seed, hours, ...(onLine === undefined ? {} : { onLine }) });
  } finally {
    machine.remove();
  }
}

export interface PoolRequest {
  readonly first: number;
  readonly last: number;
  readonly hours: number;
  /** Threads: worlds know nothing of each other, so that many run as there are processors. */
  readonly jobs: number;
}

/** The worlds `first` to `last`, in the order of their seeds, however long each takes. Nothing runs on after the last one was taken. */
export async function* simulateMany({ first, last, hours, jobs }: PoolRequest): AsyncGenerator<SimulationReport> {
  const threads = Array.from({ length: Math.min(jobs, last - first + 1) }, () => new Worker(THREAD));
  try {
    const reports = new Map<number, Promise<SimulationReport>>();
    const free: Worker[] = [...threads];
    let next = first;
    const begin = (thread: Worker): void => {
      if (next > last) return;
      const seed = next++;
      const report = runOn(thread, { seed, hours });
      reports.set(seed, report);
      // A failure is met by whoever waits for this seed.
      report.then(() => begin(thread)).catch(() => undefined);
    };
    for (const thread of free) begin(thread);
    for (let seed = first; seed <= last; seed++) {
      yield await (reports.get(seed) as Promise<SimulationReport>);
      reports.delete(seed);
    }
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

const THREAD = new URL("./simulation-thread.js", import.meta.url);

function runOn(thread: Worker, errand: Errand): Promise<SimulationReport> {
  return new Promise((resolve, reject) => {
    thread.once("error", reject);
    thread.once("message", (report: SimulationReport) => {
      thread.off("error", reject);
      resolve(report);
    });
    thread.postMessage(errand);
  });
}
