import { assert, unreachable } from "../assert.ts";
import { cellsOf } from "../reading/direction.ts";
import type { StreamPlan } from "../reading/stream.ts";
import type { Window } from "../window/lattice.ts";
import { halfWidth95 } from "./accuracy.ts";
import type { NoNumber, SummaryBody } from "./body.ts";
import { noiseScale, speedV85 } from "./noised.ts";
import { decimalsOf, rounded } from "./rounding.ts";
import type { Flag, Summary, TimeState } from "./summary.ts";

/** The numbers of released summaries, added up: what a kind needs to go on adding, and no more. */
export type Sum =
  | { readonly kind: "counts"; readonly counts: readonly number[] }
  | {
      readonly kind: "gauge";
      readonly samples: number;
      readonly mean: number;
      readonly squares: number;
      readonly min: number;
      readonly max: number;
    }
  | { readonly kind: "level"; readonly samples: number; readonly energy: number; readonly lamax: number }
  | { readonly kind: "direction"; readonly samples: number; readonly east: number; readonly north: number }
  | { readonly kind: "counter"; readonly samples: number | null; readonly sum: number; readonly peakPerHour: number | null }
  | { readonly kind: "state"; readonly samples: number; readonly heldMs: Readonly<Record<string, number>>; readonly transitions: number };

/** A longer window while its parts are being released. Nothing is in it that has not left: it may be kept on flash. */
export interface LongWindow {
  readonly window: Window;
  /** How its parts are protected. Parts that are protected unlike are not added up. */
  readonly terms: string;
  readonly isMixed: boolean;
  /** Parts with a number. */
  readonly windows: number;
  readonly coveredMs: number;
  readonly flags: readonly Flag[];
  readonly time: TimeState;
  /** Why the last part without a number has none. */
  readonly reason: NoNumber;
  readonly sum: Sum | null;
}

/** A longer window that begins with this part. */
export function beginLongWindow(window: Window, first: Summary): LongWindow {
  const { time } = first;
  const terms = JSON.stringify(first.privacy);
  return addPart({ window, terms, isMixed: false, windows: 0, coveredMs: 0, flags: [], time, reason: "missing", sum: null }, first);
}

/** The longer window with one more released part. */
export function addPart(long: LongWindow, part: Summary): LongWindow {
  const { body, window, coverage, flags, time, privacy } = part;
  const isMixed = long.isMixed || JSON.stringify(privacy) !== long.terms;
  const next = { ...long, isMixed, flags: [...new Set([...long.flags, ...flags])], time: worse(long.time, time) };
  if (body.is === "reason") return { ...next, reason: body.reason };
  const coveredMs = coverage * (window.end - window.start);
  return {
    ...next,
    windows: long.windows + 1,
    coveredMs: long.coveredMs + coveredMs,
    sum: add(long.sum, sumOf(part.stream, body, coveredMs)),
  };
}

/** Share of the longer window that its numbers rest on, in steps of 0.01, rounded down: a gap must show. */
export function longCoverage({ window, coveredMs }: LongWindow): number {
  return Math.floor((100 * coveredMs) / (window.end - window.start) + 1e-6) / 100;
}

const TRUST: readonly TimeState[] = ["gps", "synced", "rtc", "operator", "holdover"];
const worse = (a: TimeState, b: TimeState): TimeState => (TRUST.indexOf(a) >= TRUST.indexOf(b) ? a : b);

type Stats = Extract<SummaryBody, { is: "stats" }>["stats"];
const radians = (degrees: number): number => (degrees * Math.PI) / 180;

function sumOf(stream: StreamPlan, body: Exclude<SummaryBody, { is: "reason" }>, coveredMs: number): Sum {
  switch (body.is) {
    case "cells":
      return { kind: "counts", counts: body.cells.map(({ count }) => known(count)) };
    case "histogram":
      return { kind: "counts", counts: body.counts.map(known) };
    case "stats":
      return statsSum(stream, body.stats, coveredMs);
    default:
      return unreachable(body);
  }
}

/** A count that was withheld cannot be added to: streams with such counts have no longer windows. */
function known(value: unknown): number {
  assert(typeof value === "number", "longer windows are made of numbers");
  return value;
}

function statsSum({ channel }: StreamPlan, stats: Stats, coveredMs: number): Sum {
  const of = (name: string): number => known(stats[name]);
  const orNull = (name: string): number | null => (stats[name] === null ? null : of(name));
  switch (channel.kind) {
    case "gauge": {
      const samples = of("samples");
      const squares = (samples - 1) * (orNull("stddev") ?? 0) ** 2;
      return { kind: "gauge", samples, mean: of("mean"), squares, min: of("min"), max: of("max") };
    }
    case "level":
      return { kind: "level", samples: of("samples"), energy: of("samples") * 10 ** (of("laeq") / 10), lamax: of("lamax") };
    case "direction": {
      const length = of("samples") * of("resultant");
      const angle = radians(of("mean"));
      return { kind: "direction", samples: of("samples"), east: length * Math.sin(angle), north: length * Math.cos(angle) };
    }
    case "counter":
      return { kind: "counter", samples: orNull("samples"), sum: of("sum"), peakPerHour: orNull("peakPerHour") };
    case "state": {
      const shares = Object.entries(stats.share as Readonly<Record<string, number>>);
      const heldMs = Object.fromEntries(shares.map(([state, share]) => [state, share * coveredMs]));
      return { kind: "state", samples: of("samples"), heldMs, transitions: of("transitions") };
    }
    default:
      throw new Error(`bug: no longer windows are made of ${channel.kind}`);
  }
}

function add(a: Sum | null, b: Sum): Sum {
  if (a === null) return b;
  if (a.kind === "counts" && b.kind === "counts") {
    return { kind: "counts", counts: a.counts.map((count, index) => count + (b.counts[index] ?? 0)) };
  }
  if (a.kind === "gauge" && b.kind === "gauge") return addGauges(a, b);
  if (a.kind === "level" && b.kind === "level") {
    return { kind: "level", samples: a.samples + b.samples, energy: a.energy + b.energy, lamax: Math.max(a.lamax, b.lamax) };
  }
  if (a.kind === "direction" && b.kind === "direction") {
    return { kind: "direction", samples: a.samples + b.samples, east: a.east + b.east, north: a.north + b.north };
  }
  if (a.kind === "counter" && b.kind === "counter") {
    const samples = a.samples === null || b.samples === null ? null : a.samples + b.samples;
    const peakPerHour = a.peakPerHour === null || b.peakPerHour === null ? null : Math.max(a.peakPerHour, b.peakPerHour);
    return { kind: "counter", samples, sum: a.sum + b.sum, peakPerHour };
  }
  if (a.kind === "state" && b.kind === "state") {
    const heldMs = Object.fromEntries(Object.keys(a.heldMs).map((state) => [state, (a.heldMs[state] ?? 0) + (b.heldMs[state] ?? 0)]));
    return { kind: "state", samples: a.samples + b.samples, heldMs, transitions: a.transitions + b.transitions };
  }
  throw new Error(`bug: ${a.kind} and ${b.kind} do not add up`);
}

type GaugeSum = Extract<Sum, { kind: "gauge" }>;

/** Mean and sum of squared distances from it, of two sets together (Chan, Golub, LeVeque 1979, eq. 2.1). */
function addGauges(a: GaugeSum, b: GaugeSum): GaugeSum {
  const samples = a.samples + b.samples;
  const step = b.mean - a.mean;
  const mean = a.mean + (step * b.samples) / samples;
  const squares = a.squares + b.squares + (step ** 2 * a.samples * b.samples) / samples;
  return { kind: "gauge", samples, mean, squares, min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) };
}

/** What a longer window says when it is over. */
export function longBody(stream: StreamPlan, { sum, windows, reason, isMixed }: LongWindow): SummaryBody {
  if (isMixed) return { is: "reason", reason: "budget" };
  return sum === null ? { is: "reason", reason } : bodyOf(stream, sum, windows);
}

function bodyOf(stream: StreamPlan, sum: Sum, windows: number): SummaryBody {
  const { kind, resolution, states, unit, cells: axes } = stream.channel;
  const decimals = decimalsOf(resolution);
  const stats = (values: Stats): SummaryBody => ({ is: "stats", stats: values });
  switch (sum.kind) {
    case "counts":
      if (kind === "speed") {
        return { is: "histogram", edges: stream.binEdges, counts: sum.counts, unit, v85: speedV85(stream.binEdges, sum.counts) };
      }
      return cellsBody(stream, axes, sum.counts, windows);
    case "gauge": {
      const { samples, mean, min, max, squares } = sum;
      const stddev = samples < 2 ? null : rounded(Math.sqrt(squares / (samples - 1)), decimals + 1);
      // A percentile of percentiles is none: those of a longer window would need its readings.
      return stats({ samples, mean: rounded(mean, decimals + 1), min, max, stddev, p50: null, p95: null });
    }
    case "level":
      return stats({
        ...{ samples: sum.samples, laeq: rounded(10 * Math.log10(sum.energy / sum.samples), decimals), lamax: sum.lamax },
        ...{ l10: null, l50: null, l90: null },
      });
    case "direction": {
      const degrees = (Math.atan2(sum.east, sum.north) * 180) / Math.PI;
      const mean = rounded((degrees + 360) % 360, decimals + 1) % 360;
      return stats({ samples: sum.samples, mean, resultant: rounded(Math.hypot(sum.east, sum.north) / sum.samples, 3) });
    }
    case "counter":
      return stats({ samples: sum.samples, sum: rounded(sum.sum, decimals), peakPerHour: sum.peakPerHour });
    case "state": {
      const totalMs = Object.values(sum.heldMs).reduce((all, held) => all + held, 0);
      const share = Object.fromEntries(states.map((state) => [state, rounded((sum.heldMs[state] ?? 0) / totalMs, 4)]));
      return stats({ samples: sum.samples, share, transitions: sum.transitions });
    }
    default:
      return unreachable(sum);
  }
}

function cellsBody(stream: StreamPlan, axes: StreamPlan["channel"]["cells"], counts: readonly number[], windows: number): SummaryBody {
  const cells = cellsOf(axes).map((cell, index) => ({ ...cell, count: counts[index] ?? 0 }));
  assert(stream.policy.is === "noised", "passages leave with noise, or their small cells are withheld and do not add up");
  const count = counts.reduce((all, one) => all + one, 0);
  return { is: "cells", cells, total: { count, ci95: halfWidth95(noiseScale(stream, stream.policy), windows * cells.length) } };
}
