import type { World } from "../../runtime/node.ts";
import { Chance } from "./chance.ts";
import { sensorsOf } from "./devices.ts";
import { comparedIn } from "./exactness.ts";
import { type FaultKind, faultsOf, kindsIn } from "./faults.ts";
import { INVARIANTS } from "./invariants.ts";
import type { Machine } from "./machine.ts";
import type { Observation } from "./observation.ts";
import { scenarioOf } from "./scenario.ts";
import { Trace } from "./trace.ts";
import { SimulatedWorld } from "./world.ts";

export const DEFAULT_HOURS = 1;
const HOUR_MS = 3_600_000;
/** Lines of the trace that are told with a finding. */
const LAST_LINES = 25;

export interface SimulationOptions {
  readonly machine: Machine;
  readonly seed: number;
  /** Virtual hours with faults; quiet time follows. */
  readonly hours?: number;
  /** Nobody passes. */
  readonly isEmptyStreet?: boolean;
  /** No fault depends on who passed. */
  readonly isComparable?: boolean;
  /** Replaces parts of the world by broken ones, in tests. */
  spoil?(world: World): World;
  /** Hears every line of the trace. */
  readonly onLine?: (line: string) => void;
}

/** What was found, and where. */
export interface Finding {
  readonly invariant: string;
  readonly what: string;
  /** Tasks that had been run. */
  readonly step: number;
  /** The end of the trace. */
  readonly last: readonly string[];
}

export interface SimulationReport {
  readonly seed: number;
  readonly hours: number;
  readonly finding: Finding | null;
  /** Of everything that happened. The same seed gives the same digest. */
  readonly digest: string;
  readonly steps: number;
  readonly virtualMs: number;
  readonly lives: number;
  readonly summaries: number;
  readonly windowsExact: number;
  readonly windowsBounded: number;
  readonly faults: readonly FaultKind[];
  readonly devices: readonly string[];
}

/** What a seed has in store: the devices of its world, and the kinds of its faults. */
export function outlineOf(seed: number, hours = DEFAULT_HOURS): Pick<SimulationReport, "devices" | "faults"> {
  const chance = new Chance(seed);
  const { devices } = scenarioOf(chance);
  return { devices, faults: kindsIn(faultsOf(chance, sensorsOf(devices), hours * HOUR_MS)) };
}

/** Runs one world from its seed, and looks after every invariant at every step. */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const { machine, seed, hours = DEFAULT_HOURS, isEmptyStreet = false, isComparable = false, spoil = (world) => world, onLine } = options;
  // Not thrown: the node would catch it.
  let broken: { readonly invariant: string; readonly what: string } | null = null;
  let summaries = 0;
  const watches: { readonly name: string; readonly see: (observation: Observation) => string | null }[] = [];
  const observe = (observation: Observation): void => {
    if (observation.type === "heard") summaries++;
    for (const { name, see } of watches) {
      const what = broken === null ? see(observation) : null;
      if (what !== null) broken = { invariant: name, what };
    }
  };
  const world = new SimulatedWorld({
    machine,
    seed,
    faultsForMs: hours * HOUR_MS,
    isEmptyStreet,
    isComparable,
    spoil,
    observe,
    trace: (now) => new Trace((text) => machine.digests.sha256(text), now, onLine ?? null),
  });
  for (const { name, watch } of INVARIANTS) watches.push({ name, see: watch(world) });
  await world.run(() => broken !== null);
  const { exact, bounded } = comparedIn(world);
  return {
    seed,
    hours,
    finding: findingIn(world, broken),
    digest: world.trace.digest(),
    steps: world.timeline.steps,
    virtualMs: world.timeline.nowMs,
    lives: world.lives,
    summaries,
    windowsExact: exact,
    windowsBounded: bounded,
    faults: kindsIn(world.faults),
    devices: world.scenario.devices,
  };
}

function findingIn(world: SimulatedWorld, broken: Pick<Finding, "invariant" | "what"> | null): Finding | null {
  return broken === null ? null : { ...broken, step: world.timeline.steps, last: world.trace.last(LAST_LINES) };
}
