import type { Chance, Dice } from "./chance.ts";

/** Everything that can go wrong in a simulated world. */
export const FAULT_KINDS = [
  // in the field
  "unplug",
  "silence",
  "garble",
  "refuse-port",
  "bounce",
  // time
  "step-small",
  "step-large",
  "lose-trust",
  // the process and the machine
  "kill",
  "crash-node",
  "crash-live",
  "power-cut",
  "stall",
  // the disk
  "disk-full",
  "disk-error",
  "live-full",
  // the broker and the way to it
  "refuse-connect",
  "network-away",
  "mute-connect",
  "late-acks",
  "no-acks",
  "two-acks",
  "twice",
  "cuts",
  "reason-codes",
  "refuse-for-good",
  "kick",
  // the source of noise
  "no-randomness",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** One fault, from its beginning to its end, in ms since the world began. */
export interface Fault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: number;
  /** The sensor that it happens to, for faults in the field. */
  readonly sensor: string;
  /** By which it is told what exactly happens: which code, which statement, how far. */
  readonly lot: number;
}

/** How often a kind comes where it comes at all, and how long it lasts, in seconds. */
const HABITS: Readonly<Record<FaultKind, readonly [everyS: number, leastS: number, mostS: number]>> = {
  unplug: [900, 1, 120],
  silence: [900, 5, 200],
  garble: [700, 5, 60],
  "refuse-port": [1_500, 5, 90],
  bounce: [600, 60, 600],
  "step-small": [1_800, 60, 600],
  "step-large": [2_400, 120, 900],
  "lose-trust": [1_800, 30, 900],
  kill: [900, 1, 60],
  "crash-node": [500, 60, 400],
  "crash-live": [700, 20, 120],
  "power-cut": [1_500, 5, 240],
  stall: [700, 60, 300],
  "disk-full": [1_500, 20, 400],
  "disk-error": [600, 60, 400],
  "live-full": [1_500, 5, 120],
  "refuse-connect": [1_500, 10, 300],
  "network-away": [1_200, 10, 900],
  "mute-connect": [1_800, 20, 120],
  "late-acks": [900, 20, 240],
  "no-acks": [1_200, 20, 240],
  "two-acks": [1_200, 20, 400],
  twice: [1_200, 20, 400],
  cuts: [900, 20, 300],
  "reason-codes": [900, 10, 300],
  "refuse-for-good": [2_400, 5, 60],
  kick: [900, 1, 2],
  "no-randomness": [1_800, 60, 600],
};

/** Kinds of which one at a time happens: they move one and the same hand. */
const ALONE: readonly FaultKind[] = ["step-small", "step-large", "lose-trust", "power-cut"];
const FIRST_AFTER_MS = 45_000;
/** As the service manager starts it again. */
const KILLED_FOR_MS = 5_000;

/**
 * The faults of a world, in order of their time; all are over by `untilMs`. Each kind has its own chance, and comes in one world of three
 * only: worlds in which little happens show what a fault does by itself (swarm testing: Groce et al., ISSTA 2012).
 */
export function faultsOf(chance: Chance, sensors: readonly string[], untilMs: number): readonly Fault[] {
  const calm = chance.of("faults").pick([40, 75, 85]);
  const faults = FAULT_KINDS.flatMap((kind) => faultsOfKind(kind, chance.of(`fault ${kind}`), calm, sensors, untilMs));
  return withoutOverlap(faults.toSorted((a, b) => a.atMs - b.atMs || FAULT_KINDS.indexOf(a.kind) - FAULT_KINDS.indexOf(b.kind)));
}

function faultsOfKind(kind: FaultKind, dice: Dice, calm: number, sensors: readonly string[], untilMs: number): readonly Fault[] {
  if (dice.percent(calm)) return [];
  const [everyS, leastS, mostS] = HABITS[kind];
  const faults: Fault[] = [];
  for (let atMs = FIRST_AFTER_MS + dice.wait(everyS * 500); ; atMs += dice.wait(everyS * 1_000)) {
    const forMs = dice.between(leastS * 1_000, mostS * 1_000);
    const sensor = sensors[dice.below(sensors.length)] ?? "";
    if (atMs + forMs > untilMs) return faults;
    faults.push({ kind, atMs, forMs, sensor, lot: dice.below(2 ** 30) });
    atMs += forMs;
  }
}

function withoutOverlap(faults: readonly Fault[]): readonly Fault[] {
  let freeAtMs = 0;
  return faults.filter(({ kind, atMs, forMs }) => {
    if (!ALONE.includes(kind)) return true;
    if (atMs < freeAtMs) return false;
    freeAtMs = atMs + forMs + 120_000;
    return true;
  });
}

/** Kinds that happen in one world. */
export const kindsIn = (faults: readonly Fault[]): readonly FaultKind[] => [...new Set(faults.map(({ kind }) => kind))];

/** A statement of live.db is counted sooner where somebody passed: in its place the process is killed at the time of the fault. */
export const comparable = (fault: Fault): Fault => (fault.kind === "crash-live" ? { ...fault, kind: "kill", forMs: KILLED_FOR_MS } : fault);
