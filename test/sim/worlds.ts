import { createSimulationMachine } from "../../src/cli/simulation-machine.ts";
import { type SimulationOptions, type SimulationReport, simulate } from "../../src/testing/simulation/simulation.ts";

/** Virtual hours with faults of each world of a commit: shorter than by default, so that there can be many. */
export const HOURS = 0.35;
const HOUR_MS = 3_600_000;

/** One world on a machine of its own. */
export async function world(seed: number, more: Partial<SimulationOptions> = {}): Promise<SimulationReport> {
  const machine = createSimulationMachine();
  try {
    return await simulate({ machine, seed, hours: HOURS, ...more });
  } finally {
    machine.remove();
  }
}

/** What to print of a world in which a promise was broken, and how to have it again. */
export function findingText({ seed, hours, finding }: SimulationReport): string | null {
  if (finding === null) return null;
  const again = `stoep simulate --seed ${seed} --hours ${hours} --trace`;
  return [`seed ${seed}, step ${finding.step}: ${finding.invariant}`, finding.what, ...finding.last, `again: ${again}`].join("\n");
}

/** Figures of many worlds. */
export class Tally {
  readonly faults = new Set<string>();
  readonly devices = new Set<string>();
  worlds = 0;
  lives = 0;
  summaries = 0;
  exact = 0;
  bounded = 0;
  #virtualMs = 0;
  readonly #beganMs = performance.now();
  readonly #cpu = process.cpuUsage();

  add(report: SimulationReport): void {
    this.worlds++;
    this.lives += report.lives;
    this.summaries += report.summaries;
    this.exact += report.windowsExact;
    this.bounded += report.windowsBounded;
    this.#virtualMs += report.virtualMs;
    for (const kind of report.faults) this.faults.add(kind);
    for (const device of report.devices) this.devices.add(device);
  }

  /** Virtual hours a minute, by the clock on the wall and by the time that this process got of a processor. */
  speed(): { readonly wall: number; readonly cpu: number } {
    const hours = this.#virtualMs / HOUR_MS;
    const { user, system } = process.cpuUsage(this.#cpu);
    return { wall: hours / ((performance.now() - this.#beganMs) / 60_000), cpu: hours / ((user + system) / 60_000_000) };
  }

  text(): string {
    const { wall, cpu } = this.speed();
    const compared = `${this.exact} windows exact, ${this.bounded} within bounds`;
    const speed = `${Math.round(wall)} virtual hours a minute (${Math.round(cpu)} a minute of CPU)`;
    return `${this.worlds} worlds, ${this.lives} lives, ${this.summaries} summaries, ${compared}; ${speed}`;
  }
}
