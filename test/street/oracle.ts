import type { Truth } from "./instruments/instrument.ts";
import { type Figures, wrongFigure } from "./oracle-figures.ts";
import type { Sample } from "./street-log.ts";

/** A summary as a subscriber reads it, as far as it is compared. */
export interface HeardSummary {
  readonly id: string;
  readonly sensor: string;
  readonly stream: string;
  readonly kind: string;
  readonly window: { readonly start: string; readonly end: string; readonly seconds: number };
  readonly stats?: Figures;
  readonly reason?: string;
  readonly cells?: readonly { readonly direction?: string; readonly count: number | null }[];
  readonly total?: { readonly count: number };
  readonly histogram?: { readonly counts: readonly (number | null)[] };
  readonly coverage: number;
  readonly quality: string;
  readonly flags: readonly string[];
}

/** When a value that was told at 0 may have reached the node, as wall time has it. `{ earlyMs: 0, lateMs: 0 }`: just then. */
export interface Zone {
  readonly earlyMs: number;
  readonly lateMs: number;
}

/** How a window compared. `ways`: in how many ways the values may have been shared out between it and its neighbours. */
export interface Verdict {
  readonly problem: string | null;
  readonly ways: number;
}

/** Whether a summary is what these values make, to the last digit, in one of the ways in which they may have fallen into its window. */
export function compareWindow(summary: HeardSummary, what: Truth, samples: readonly Sample[], zone: Zone): Verdict {
  const startMs = Date.parse(summary.window.start);
  const windowMs = summary.window.seconds * 1_000;
  const starts = cutsAt(samples, startMs, zone);
  const ends = cutsAt(samples, startMs + windowMs, zone);
  const problems: string[] = [];
  for (const from of starts) {
    for (const to of ends) {
      if (to < from) continue;
      const inside = samples.slice(from, to).filter(({ isSetAside }) => isSetAside !== true);
      const problem = compareWith(summary, what, inside, { startMs, windowMs });
      if (problem === null) return { problem, ways: starts.length * ends.length };
      problems.push(problem);
    }
  }
  return { problem: problems[0] ?? "no way to share out its values", ways: starts.length * ends.length };
}

/** Indices at which the values before and from an instant on may be told apart, all in the order in which they were told. */
function cutsAt(samples: readonly Sample[], atMs: number, { earlyMs, lateMs }: Zone): readonly number[] {
  const first = firstFrom(samples, atMs - lateMs);
  const last = firstFrom(samples, atMs + earlyMs);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Index of the first that was told at `atMs` or later. */
function firstFrom(samples: readonly Sample[], atMs: number): number {
  let [low, high] = [0, samples.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((samples[middle] as Sample).atMs < atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compareWith(
  { stats, reason }: HeardSummary,
  what: Truth,
  inside: readonly Sample[],
  window: { startMs: number; windowMs: number },
): string | null {
  if (stats === undefined) {
    const isRight = reason === "missing" && inside.length === 0;
    return isRight ? null : `says ${reason}, and ${inside.length} values were told`;
  }
  return wrongFigure(what, stats, inside, window);
}

/** How a state was held: from each change to the next. */
export interface StateCourse {
  /** From when on it is known. */
  readonly fromMs: number;
  readonly changes: readonly Sample[];
}

/** Whether the shares of a state are what its changes make: exactly, or where `withinMs` is not 0, as far as arrival may move them. */
export function compareState(summary: HeardSummary, what: Truth, { fromMs, changes }: StateCourse, withinMs: number): string | null {
  const startMs = Math.max(fromMs, Date.parse(summary.window.start));
  const endMs = Date.parse(summary.window.end);
  if (endMs <= startMs) return summary.reason === "missing" ? null : "tells of a time before anybody looked";
  const held = (what.states ?? []).map(() => 0);
  const course = changes.filter(({ atMs }) => atMs < endMs);
  for (const [index, { atMs, steps }] of course.entries()) {
    const toMs = course[index + 1]?.atMs ?? endMs;
    held[steps] = (held[steps] ?? 0) + Math.max(0, toMs - Math.max(atMs, startMs));
  }
  const inside = course.filter(({ atMs }) => atMs >= startMs);
  const total = held.reduce((sum, ms) => sum + ms, 0);
  const shares = (summary.stats?.share ?? {}) as Figures;
  for (const [index, name] of (what.states ?? []).entries()) {
    const share = (held[index] ?? 0) / total;
    const tolerance = 0.5 * 10 ** -what.decimals + 1e-9 + withinMs / total;
    if (Math.abs((shares[name] as number) - share) > tolerance) return `${name} is ${String(shares[name])}, and it was ${share}`;
  }
  if (withinMs > 0) return null;
  // The first of all is no change: nobody knew what was before.
  const transitions = inside.filter((change) => change !== changes[0]).length;
  if (summary.stats?.samples !== inside.length) return `samples is ${String(summary.stats?.samples)}, and it was ${inside.length}`;
  return summary.stats.transitions === transitions
    ? null
    : `transitions is ${String(summary.stats.transitions)}, and it was ${transitions}`;
}

/**
 * Whether the coverage is right, for a sensor that was there from `aliveFromMs` on: 1 for a whole window, to within two values of the
 * slowest rhythm for the one in which it began; less what `Gaps` says.
 */
export function wrongCoverage({ window, coverage }: HeardSummary, aliveFromMs: number, rhythmMs: number, gaps: Gaps): string | null {
  const startMs = Date.parse(window.start);
  const windowMs = window.seconds * 1_000;
  const share = Math.min(1, Math.max(0, (startMs + windowMs - aliveFromMs) / windowMs));
  const tolerance = share === 1 || share === 0 ? 0 : STEP + (2 * rhythmMs) / windowMs;
  const lowest = share - tolerance - (gaps.mostMs > 0 ? gaps.mostMs / windowMs + STEP : 0);
  const highest = share + tolerance - (gaps.leastMs > 0 ? gaps.leastMs / windowMs - STEP : 0);
  if (coverage >= lowest && coverage <= highest) return null;
  return `coverage is ${coverage}, and it was ${share.toFixed(3)}, less gaps of ${gaps.leastMs} to ${gaps.mostMs} ms`;
}

/** Coverage is told in steps of a hundredth, rounded down; two of them meet at the edges of a window. */
const STEP = 0.02;

/** For how long within a window nobody vouches for a sensor that was there. */
export interface Gaps {
  readonly leastMs: number;
  readonly mostMs: number;
}

/** A rhythm is kept while values come within three of its usual distances; what that is, is not known to a digit. */
const RHYTHMS = { surely: 2.5, surelyNot: 3.5 } as const;

/**
 * `slowestMs`: the slowest rhythm that the manual allows. A value stands for the time since the one before while the rhythm is kept. One
 * that was set aside stands for none.
 */
export function gapsIn(samples: readonly Sample[], { window }: HeardSummary, aliveFromMs: number, slowestMs = 0): Gaps {
  const [startMs, endMs] = [Math.max(aliveFromMs, Date.parse(window.start)), Date.parse(window.end)];
  const apart = samples.slice(1).map(({ atMs, isSetAside }, index) => {
    const fromMs = (samples[index] as Sample).atMs;
    return { isSetAside, toMs: atMs, lengthMs: atMs - fromMs, insideMs: Math.max(0, Math.min(atMs, endMs) - Math.max(fromMs, startMs)) };
  });
  const usualMs = Math.max(slowestMs, apart.map(({ lengthMs }) => lengthMs).toSorted((a, b) => a - b)[apart.length >> 1] ?? 0);
  const longer = (rhythms: number): readonly (typeof apart)[number][] =>
    apart.filter(({ isSetAside, lengthMs }) => isSetAside === true || lengthMs > rhythms * usualMs);
  const sumOf = (gaps: readonly (typeof apart)[number][]): number => gaps.reduce((sum, { insideMs }) => sum + insideMs, 0);
  // A window is closed before anybody knows whether the next value will be set aside: then its end counts as covered.
  return { leastMs: sumOf(longer(RHYTHMS.surelyNot).filter(({ toMs }) => toMs < endMs)), mostMs: sumOf(longer(RHYTHMS.surely)) };
}
