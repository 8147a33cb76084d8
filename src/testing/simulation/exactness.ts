import type { HeardSummary, Invariant, Truth } from "./observation.ts";
import { EPSILON } from "./scenario.ts";
import type { Sample, StreetLog } from "./street-log.ts";

/** Where something may have been told a little later than it came, it may be in the next window: three reports of the slowest. */
const LATE_MS = 30_000;
/** Laplace noise is beyond so many times its scale once in 10^17 draws. */
const NOISE_SCALES_MAX = 40;
/** So many noised counts that are all exact are no chance: one in ten is, with the epsilons used here. */
const EXACT_COUNTS_MAX = 8;

/** Decimals of the published values of each stream: the resolution of its channel. */
const DECIMALS: Readonly<Record<string, number>> = {
  "air-1.pm25": 1,
  "air-1.pm10": 1,
  "dust-1.pm1": 0,
  "dust-1.pm10": 0,
  "sound-1.level": 1,
  "sound-1.warmth": 1,
  "rain-1.rainfall": 4,
};

/** How many windows were compared, and how: a comparison that never happens finds nothing. */
export interface Compared {
  exact: number;
  bounded: number;
}

const isClose = (one: number | null | undefined, other: number, decimals: number): boolean =>
  one !== null && one !== undefined && Math.abs(one - other) <= 0.5 * 10 ** -decimals + 1e-7;

/** Nearest rank, as CONTRACT §3 says. */
const rank = (ascending: readonly number[], percent: number): number =>
  ascending[Math.max(1, Math.ceil((percent * ascending.length) / 100)) - 1] as number;

/** What is wrong with the statistic of a window of which every sample is known, or null. */
export function compareExactly({ kind, stats = {} }: HeardSummary, values: readonly number[], decimals: number): string | null {
  const ascending = values.toSorted((a, b) => a - b);
  const sum = values.reduce((total, value) => total + value, 0);
  const wanted = new Map<string, readonly [value: number, decimals: number]>([["samples", [values.length, 0]]]);
  if (kind === "counter") wanted.set("sum", [sum, decimals]);
  else if (values.length > 0) {
    const isLevel = kind === "level";
    const energy = values.reduce((total, value) => total + 10 ** (value / 10), 0) / values.length;
    wanted.set(isLevel ? "lamax" : "max", [ascending.at(-1) as number, decimals]);
    wanted.set(isLevel ? "laeq" : "mean", isLevel ? [10 * Math.log10(energy), decimals] : [sum / values.length, decimals + 1]);
    // L10 is the level exceeded 10 % of the time.
    for (const [name, percent] of Object.entries(isLevel ? { l10: 90, l50: 50, l90: 10 } : { p50: 50, p95: 95 }))
      wanted.set(name, [rank(ascending, percent), decimals]);
    if (!isLevel) wanted.set("min", [ascending[0] as number, decimals]);
  }
  for (const [name, [value, digits]] of wanted) {
    if (!isClose(stats[name], value, digits)) return `${name} is ${stats[name]}, and it was ${value} of ${values.length} samples`;
  }
  return null;
}

/** What is wrong with the statistic of a window of which some samples may be missing, or come from beside it. */
function compareLoosely(summary: HeardSummary, log: StreetLog, around: readonly Sample[]): string | null {
  const { stats, reason, startMs, endMs, coverage } = summary;
  const sure = log.between(startMs, endMs).filter(({ isSure }) => isSure).length;
  if (reason !== undefined || stats === undefined) {
    // Values that come one by one after long pauses cover nothing, and a window of which nothing is covered has no statistic.
    const isRight = sure === 0 || (coverage === 0 && !log.covers(startMs, endMs));
    return isRight ? null : `says ${reason}, and ${sure} samples came`;
  }
  const { samples = 0 } = stats;
  if ((samples ?? 0) < sure) return `has ${samples} samples, and at least ${sure} came`;
  if ((samples ?? 0) > around.length) return `has ${samples} samples, and only ${around.length} came`;
  if (around.length === 0) return null;
  const values = around.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const tolerance = 1e-6;
  const isOutside = ["min", "max", "lamax"].some((name) => {
    const value = stats[name];
    return typeof value === "number" && (value < low - tolerance || value > high + tolerance);
  });
  return isOutside ? `tells of values that nobody said: ${JSON.stringify(stats)}` : null;
}

function compare(summary: HeardSummary, log: StreetLog, compared: Compared): string | null {
  const { startMs, endMs, id } = summary;
  const inside = log.between(startMs, endMs);
  const around = log.between(startMs - LATE_MS, endMs + LATE_MS);
  const isUndisturbed = around.every(({ isSure }) => isSure);
  if (!isUndisturbed || summary.stats === undefined) {
    compared.bounded++;
    const problem = compareLoosely(summary, log, isUndisturbed ? inside : around);
    return problem === null ? null : `${id} ${problem}`;
  }
  compared.exact++;
  const values = inside.map(({ value }) => value);
  const problem = compareExactly(summary, values, DECIMALS[summary.streamId] as number);
  return problem === null ? null : `${id}: ${problem}`;
}

const compared = new WeakMap<Truth, Compared>();

/** How many windows were compared in a world. */
export const comparedIn = (truth: Truth): Compared => compared.get(truth) ?? { exact: 0, bounded: 0 };

export const statisticsAreRight: Invariant = {
  name: "statistics of the environment are those of what was really said",
  watch: (truth) => {
    const seen = new Set<string>();
    const counts: Compared = { exact: 0, bounded: 0 };
    compared.set(truth, counts);
    return (observation) => {
      if (observation.type !== "heard") return null;
      const { summary } = observation;
      const { id, instance, streamId, startMs, endMs, flags } = summary;
      const log = truth.logs.get(streamId);
      if (seen.has(`${instance} ${id}`) || log === undefined || DECIMALS[streamId] === undefined) return null;
      seen.add(`${instance} ${id}`);
      if (flags.includes("stepped") || truth.isBlurred(startMs, endMs)) return null;
      return compare(summary, log, counts);
    };
  },
};

export const windowsAreThere: Invariant = {
  name: "P3 no window is missing",
  watch: (truth) => {
    const told = new Set<string>();
    return (observation) => {
      if (observation.type === "heard") told.add(`${observation.summary.streamId} ${observation.summary.startMs}`);
      if (observation.type !== "end" || observation.standing.lost.length > 0) return null;
      for (const log of truth.logs.values()) {
        const { id, windowMs } = log;
        for (const startMs of log.sureWindows()) {
          const isDue = startMs + 3 * windowMs < truth.latestWallMs();
          // Windows of people that began before the store did are not told (ADR 0011).
          const isUnborn = SCALES[id] !== undefined && startMs < truth.beganWallMs;
          if (!isDue || isUnborn || told.has(`${id} ${startMs}`) || truth.isBlurred(startMs, startMs + windowMs)) continue;
          return `readings of ${id} were taken in the window of ${new Date(startMs).toISOString()}, and nothing was told of it`;
        }
      }
      return null;
    };
  },
};

const SCALES: Readonly<Record<string, number>> = {
  "gate-1.passages": 1 / EPSILON.passages,
  "door-1.entries": 1 / EPSILON.door,
  "till-1.entries": 1 / EPSILON.till,
};

/** The released number of people of a window, or null. */
function releasedOf({ cells, stats }: HeardSummary): number | null {
  if (cells !== undefined) return cells.reduce((sum, { count }) => sum + (count ?? 0), 0);
  return stats?.sum ?? null;
}

export const noiseIsThere: Invariant = {
  name: "P1 a count of people is near what it was, and not what it was",
  watch: (truth) => {
    const seen = new Set<string>();
    let exact = 0;
    let noised = 0;
    return (observation) => {
      if (observation.type !== "heard") return null;
      const { summary } = observation;
      const { id, instance, streamId, startMs, endMs } = summary;
      const scale = SCALES[streamId];
      const log = truth.logs.get(streamId);
      const released = releasedOf(summary);
      if (scale === undefined || log === undefined || released === null || seen.has(`${instance} ${id}`)) return null;
      seen.add(`${instance} ${id}`);
      if (truth.isBlurred(startMs, endMs)) return null;
      const inside = log.between(startMs, endMs);
      const sure = inside.filter(({ isSure }) => isSure).length;
      const around = log.between(startMs - LATE_MS, endMs + LATE_MS).length;
      const reach = scale * NOISE_SCALES_MAX;
      if (released < sure - reach || released > around + reach) return `${id} tells ${released}, and it was ${sure} to ${around}`;
      if (inside.length !== sure) return null;
      if (released === sure) exact++;
      else noised++;
      return noised === 0 && exact > EXACT_COUNTS_MAX ? `${exact} counts in a row were told as they were` : null;
    };
  },
};
