import { availableParallelism } from "node:os";
import type { SimulationReport } from "../testing/simulation/simulation.ts";
import { DEFAULT_HOURS } from "../testing/simulation/simulation.ts";
import { type Arguments, type Command, EXIT, JSON_OPTION, UsageError } from "./command.ts";
import { simulateMany, simulateSeed } from "./simulation-pool.ts";

const HOURS_MAX = 1_000;
const SEED_MAX = 2 ** 31 - 1;
const JOBS_MAX = 256;
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
    jobs: { type: "string", value: "N", says: "so many worlds at a time (default: one for each processor)" },
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
    const jobs = numberOf(typed, "jobs", availableParallelism(), JOBS_MAX);
    const onLine = typed.flag("trace") ? (line: string): void => output.out(line) : undefined;
    const began = performance.now();
    let virtualMs = 0;
    const isAlone = jobs === 1 || first === last || onLine !== undefined;
    for await (const report of isAlone ? oneByOne(first, last, hours, onLine) : simulateMany({ first, last, hours, jobs })) {
      virtualMs += report.virtualMs;
      output.out(typed.flag("json") ? JSON.stringify(report) : reportText(report));
      if (report.finding !== null) return EXIT.bug;
    }
    const perMinute = Math.round(virtualMs / MS_PER_HOUR / ((performance.now() - began) / 60_000));
    if (!typed.flag("json")) output.out(`${last - first + 1} worlds, no promise broken; ${perMinute} virtual hours a minute`);
    return EXIT.ok;
  },
};

async function* oneByOne(first: number, last: number, hours: number, onLine?: (line: string) => void): AsyncGenerator<SimulationReport> {
  for (let seed = first; seed <= last; seed++) yield await simulateSeed(seed, hours, onLine);
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

function numberOf(typed: Arguments, name: "seed" | "hours" | "jobs", otherwise: number, most: number): number {
  const text = typed.text(name);
  if (text === null) return otherwise;
  const value = Number(text);
  const isWhole = name === "hours" || Number.isSafeInteger(value);
  if (text.trim() === "" || !isWhole || !(value >= 0) || value > most || (name !== "seed" && value === 0)) {
    const what = { seed: "whole number", hours: "number above 0", jobs: "whole number from 1" }[name];
    throw new UsageError(`--${name} takes a ${what} up to ${most}, got "${text}"`);
  }
  return value;
}
