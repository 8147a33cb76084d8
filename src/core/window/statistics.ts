import { unreachable } from "../assert.ts";
import type { CellAxes } from "../reading/direction.ts";
import { cellsOf } from "../reading/direction.ts";
import type { Kind } from "../reading/quantity.ts";
import { MARK } from "../reading/record.ts";
import { HOUR_MS, MINUTE_MS } from "../units/time.ts";
import type { WindowReadings } from "./readings.ts";

/** The exact statistic of one stream over one window, before anything is rounded, withheld or noised. */
export type ExactStatistic =
  | GaugeStatistic
  | LevelStatistic
  | { readonly kind: "direction"; readonly samples: number; readonly mean: number; readonly resultant: number }
  /** `steps`: the sum in whole steps, each reading cut down to the bound first; null where no bound is declared. */
  | {
      readonly kind: "counter";
      readonly samples: number;
      readonly sum: number;
      readonly peakPerHour: number;
      readonly steps: number | null;
    }
  /** `heldMs[i]`: how long state `i` was held. */
  | { readonly kind: "state"; readonly samples: number; readonly heldMs: readonly number[]; readonly transitions: number }
  | { readonly kind: "passage"; readonly counts: readonly number[] }
  | { readonly kind: "speed"; readonly counts: readonly number[] }
  | { readonly kind: "identity"; readonly distinct: number };

export interface GaugeStatistic {
  readonly kind: "gauge";
  readonly samples: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** Of the sample (n - 1); null for one sample. */
  readonly stddev: number | null;
  readonly p50: number;
  readonly p95: number;
}

/** `l10` is the level exceeded 10 % of the time. */
export interface LevelStatistic {
  readonly kind: "level";
  readonly samples: number;
  readonly laeq: number;
  readonly lamax: number;
  readonly l10: number;
  readonly l50: number;
  readonly l90: number;
}

/** What a statistic needs to know besides the readings. */
export interface StatisticShape {
  readonly kind: Kind;
  readonly windowMs: number;
  /** Monotonic time of the start of the window, ms; only the peak of a counter looks at it. */
  readonly startMs: number;
  readonly cells: CellAxes;
  readonly states: readonly string[];
  /** Of a counter: the most that one reading may add, and what one step is, both in the unit of the channel. */
  readonly bound: { readonly most: number; readonly step: number } | null;
  /** Edges of the histogram, ascending; bins are half-open and the ends clamp. */
  readonly binEdges: readonly number[];
}

/** The exact statistic of a kind; null when there is nothing to say one about: no sample of a value, no time of a state. */
export function exactStatistic(shape: StatisticShape, readings: WindowReadings): ExactStatistic | null {
  switch (shape.kind) {
    case "gauge":
      return gauge(samplesOf(readings));
    case "level":
      return level(samplesOf(readings));
    case "direction":
      return direction(samplesOf(readings));
    case "counter":
      return counter(shape, readings);
    case "state":
      return state(shape, readings);
    case "passage":
      return { kind: "passage", counts: countBy(readings, cellsOf(shape.cells).length, (_, index) => readings.cell[index] as number) };
    case "speed":
      return { kind: "speed", counts: countBy(readings, shape.binEdges.length - 1, (value) => binOf(shape.binEdges, value)) };
    case "identity":
      return { kind: "identity", distinct: new Set(samplesOf(readings)).size };
    default:
      return unreachable(shape.kind);
  }
}

const EXCLUDED = MARK.warming | MARK.suspect;
const counts = (marks: number): boolean => (marks & MARK.sample) !== 0 && (marks & EXCLUDED) === 0;

/** The values that count, ascending. */
function samplesOf(readings: WindowReadings): Float64Array {
  const values = new Float64Array(readings.count);
  let count = 0;
  for (let index = 0; index < readings.count; index++) {
    if (counts(readings.marks[index] as number)) values[count++] = readings.value[index] as number;
  }
  // Float64Array.sort without a comparator is native: exact percentiles cost less than any sketch (hot-path measurements §3).
  return values.subarray(0, count).sort();
}

/** Nearest rank: the smallest value that at least `share` of the samples do not exceed. */
function nearestRank(ascending: Float64Array, share: number): number {
  const rank = Math.max(1, Math.ceil(share * ascending.length - 1e-9));
  return ascending[rank - 1] as number;
}

function meanOf(values: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index] as number;
  return sum / values.length;
}

function gauge(ascending: Float64Array): GaugeStatistic | null {
  const samples = ascending.length;
  if (samples === 0) return null;
  const mean = meanOf(ascending);
  let squares = 0;
  for (let index = 0; index < samples; index++) squares += ((ascending[index] as number) - mean) ** 2;
  return {
    kind: "gauge",
    samples,
    mean,
    min: ascending[0] as number,
    max: ascending[samples - 1] as number,
    stddev: samples > 1 ? Math.sqrt(squares / (samples - 1)) : null,
    p50: nearestRank(ascending, 0.5),
    p95: nearestRank(ascending, 0.95),
  };
}

/** LAeq is the level of the mean energy (ISO 1996-1:2016 §3.1.7): 10 lg of the mean of 10^(L/10). */
function level(ascending: Float64Array): LevelStatistic | null {
  const samples = ascending.length;
  if (samples === 0) return null;
  let energy = 0;
  for (let index = 0; index < samples; index++) energy += 10 ** ((ascending[index] as number) / 10);
  return {
    kind: "level",
    samples,
    laeq: 10 * Math.log10(energy / samples),
    lamax: ascending[samples - 1] as number,
    l10: nearestRank(ascending, 0.9),
    l50: nearestRank(ascending, 0.5),
    l90: nearestRank(ascending, 0.1),
  };
}

/** Mean of unit vectors (Mardia and Jupp, Directional Statistics, §2.2): degrees in [0, 360), and the resultant length 0 to 1. */
function direction(degrees: Float64Array): ExactStatistic | null {
  const samples = degrees.length;
  if (samples === 0) return null;
  let east = 0;
  let north = 0;
  for (let index = 0; index < samples; index++) {
    const radians = ((degrees[index] as number) * Math.PI) / 180;
    east += Math.sin(radians);
    north += Math.cos(radians);
  }
  const mean = (Math.atan2(east, north) * 180) / Math.PI;
  return { kind: "direction", samples, mean: (mean + 360) % 360, resultant: Math.min(1, Math.hypot(east, north) / samples) };
}

/**
 * Sum of the increments, and the peak: the largest sum of one whole minute of the window, per hour. One minute is the output
 * averaging time of precipitation intensity in the WMO guide (WMO-No. 8, vol. I, annex 1.A); a shorter window is one slot.
 */
function counter(shape: StatisticShape, readings: WindowReadings): ExactStatistic {
  const slotMs = Math.min(MINUTE_MS, shape.windowMs);
  const slots = new Float64Array(Math.ceil(shape.windowMs / slotMs));
  const { bound } = shape;
  let samples = 0;
  let sum = 0;
  let steps = 0;
  for (let index = 0; index < readings.count; index++) {
    if (!counts(readings.marks[index] as number)) continue;
    const value = readings.value[index] as number;
    // Rounded reading by reading: the sum of whole numbers moves by whole numbers, and by no more than the bound.
    if (bound !== null) steps += Math.round(Math.min(Math.max(value, 0), bound.most) / bound.step);
    const slot = Math.floor(((readings.atMs[index] as number) - shape.startMs) / slotMs);
    const inside = Math.min(slots.length - 1, Math.max(0, slot));
    slots[inside] = (slots[inside] as number) + value;
    samples++;
    sum += value;
  }
  const peakPerHour = (slots.reduce((a, b) => Math.max(a, b), 0) * HOUR_MS) / slotMs;
  return { kind: "counter", samples, sum, peakPerHour, steps: bound === null ? null : steps };
}

/** Records are in the order of their time; each stands for the state held before it (see `runtime/ingest.ts`). */
function state(shape: StatisticShape, readings: WindowReadings): ExactStatistic | null {
  const heldMs = shape.states.map(() => 0);
  let samples = 0;
  let transitions = 0;
  let last: number | null = null;
  for (let index = 0; index < readings.count; index++) {
    const marks = readings.marks[index] as number;
    if ((marks & EXCLUDED) !== 0) continue; // a state that nobody vouches for is no change of state
    const value = readings.value[index] as number;
    const isSample = counts(marks);
    heldMs[value] = (heldMs[value] ?? 0) + (readings.coversMs[index] as number);
    if (isSample) samples++;
    if (isSample && last !== null && value !== last) transitions++;
    last = value;
  }
  return heldMs.every((held) => held === 0) ? null : { kind: "state", samples, heldMs, transitions };
}

function countBy(readings: WindowReadings, bins: number, binOfReading: (value: number, index: number) => number): readonly number[] {
  const result = new Array<number>(bins).fill(0);
  for (let index = 0; index < readings.count; index++) {
    if (!counts(readings.marks[index] as number)) continue;
    const bin = binOfReading(readings.value[index] as number, index);
    result[bin] = (result[bin] ?? 0) + 1;
  }
  return result;
}

/** Index of the half-open bin `[edges[i], edges[i + 1])` of a value; values beyond the ends go to the end bins. */
export function binOf(edges: readonly number[], value: number): number {
  let bin = 0;
  while (bin < edges.length - 2 && value >= (edges[bin + 1] as number)) bin++;
  return bin;
}
