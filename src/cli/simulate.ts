import type { SimulationReport } from "../testing/simulation/simulation.ts";
import { DEFAULT_HOURS, simulate as simulateWorld } from "../testing/simulation/simulation.ts";
import { type Arguments, type Command, EXIT, JSON_OPTION, type Output, UsageError } from "./command.ts";
import { createSimulationMachine } from "./simulation-machine.ts";

const HOURS_MAX = 1_000;
const SEED_MAX = 2 ** 31 - 1;
const MS_PER_HOUR = 3_600_000;

export const simulate: Command = {
  name: "simulate",
  says: "run the whole node in a made-up world in which everything goes wrong, and check its promises",
  takes: "",
  wordsMax: 0,
  options: {
    seed: { type: "string", value: "N", says: "the world with this number; the same number is the same world" },
    seeds: { type: "string", value: "A..B", says: "the worlds A to B" },
    hours: { type: "string", value: "H", says: `virtual hours with faults in each world (default ${DEFAULT_HOURS})` },
    trace: { type: "boolean", says: "print everything that happens" },
    json: JSON_OPTION,
  },
  example: "stoep simulate --seeds 1..20",
  more: [
    "The runtime, the drivers and the SQL are real; time, sensors, broker and disk are not. Sensors are unplugged and garbled, the",
    "clock is stepped, the disk fills, the process dies between two statements, the broker loses, refuses and doubles. After every",
    "step the promises are checked. Exit 70: one was broken. Nothing of this machine is used but a folder for the databases.",
  ].join("\n"),
  async run(typed, output) {
    const { first, last } = seedsOf(typed);
    const hours = numberOf(typed, "hours", DEFAULT_HOURS, HOURS_MAX);
    const began = performance.now();
    let virtualMs = 0;
    for (let seed = first; seed <= last; seed++) {
      const report = await simulateSeed(seed, hours, typed.flag("trace") ? output : null);
      virtualMs += report.virtualMs;
      output.out(typed.flag("json") ? JSON.stringify(report) : reportText(report));
      if (report.finding !== null) return EXIT.bug;
    }
    const perMinute = Math.round(virtualMs / MS_PER_HOUR / ((performance.now() - began) / 60_000));
    if (!typed.flag("json")) output.out(`${last - first + 1} worlds, no promise broken; ${perMinute} virtual hours a minute`);
    return EXIT.ok;
  },
};

async function simulateSeed(seed: number, hours: number, trace: Output | null): Promise<SimulationReport> {
  const machine = createSimulationMachine();
  try {
    return await simulateWorld({ machine, seed, hours, ...(trace === null ? {} : { onLine: (line) => trace.out(line) }) });
  } finally {
    machine.remove();
  }
}

/** What a world came to, for people. */
export function reportText(report: SimulationReport): string {
  const { seed, hours, finding, virtualMs, lives, summaries, windowsExact, windowsBounded, devices, faults, steps } = report;
  const world = `seed ${seed}: ${devices.join(", ")}; ${faults.length === 0 ? "no faults" : faults.join(", ")}`;
  const told = `${summaries} summaries arrived; ${windowsExact} windows compared exactly, ${windowsBounded} within bounds`;
  const facts = `  ${(virtualMs / MS_PER_HOUR).toFixed(1)} virtual hours, ${steps} steps, ${lives} starts of the node; ${told}`;
  if (finding === null) return `${world}\n${facts}\n  every promise held (digest ${report.digest.slice(0, 16)})`;
  const hoursOption = hours === DEFAULT_HOURS ? "" : ` --hours ${hours}`;
  return [
    world,
    facts,
    `  BROKEN at step ${finding.step}: ${finding.invariant}`,
    `  ${finding.what}`,
    "  Before that:",
    ...finding.last.map((line) => `    ${line}`),
    `  Again: stoep simulate --seed ${seed}${hoursOption} --trace`,
  ].join("\n");
}

function seedsOf(typed: Arguments): { readonly first: number; readonly last: number } {
  const range = typed.text("seeds");
  if (range === null) {
    if (typed.text("seed") === null) throw new UsageError("--seed N or --seeds A..B is needed");
    const seed = numberOf(typed, "seed", 0, SEED_MAX);
    return { first: seed, last: seed };
  }
  if (typed.text("seed") !== null) throw new UsageError("--seed and --seeds exclude each other");
  const parts = /^(\d{1,10})\.\.(\d{1,10})$/.exec(range);
  const [first, last] = [Number(parts?.[1]), Number(parts?.[2])];
  if (parts === null || first > last || last > SEED_MAX)
    throw new UsageError(`--seeds takes A..B with A <= B <= ${SEED_MAX}, got "${range}"`);
  return { first, last };
}

function numberOf(typed: Arguments, name: "seed" | "hours", otherwise: number, most: number): number {
  const text = typed.text(name);
  if (text === null) return otherwise;
  const value = Number(text);
  const isWhole = name === "hours" || Number.isSafeInteger(value);
  if (text.trim() === "" || !isWhole || !(value >= 0) || value > most || (name === "hours" && value === 0))
    throw new UsageError(`--${name} takes a ${name === "hours" ? "number above 0" : "whole number"} up to ${most}, got "${text}"`);
  return value;
}
