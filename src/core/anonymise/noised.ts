import { assert } from "../assert.ts";
import { cellsOf } from "../reading/direction.ts";
import type { NoisedPolicy, StreamPlan } from "../reading/stream.ts";
import { epsilonNumber, MICRO_PER_EPSILON } from "../units/epsilon.ts";
import type { ExactStatistic } from "../window/statistics.ts";
import { halfWidth95 } from "./accuracy.ts";
import type { SummaryBody } from "./body.ts";
import type { Coins } from "./noise/coins.ts";
import { discreteLaplace } from "./noise/discrete-laplace.ts";
import { type Fraction, fraction } from "./noise/fraction.ts";
import { decimalsOf, rounded } from "./rounding.ts";

/** A V85 of fewer noised detections than this would be mostly noise (privacy reference §2.2). */
export const V85_DETECTIONS_MIN = 30;
const V85_SHARE = 0.85;
const V85_DECIMALS = 1;
const SCALE_DECIMALS = 6;

/** What one event of one person is, in the words of the summary. */
export type PrivacyUnit = "detection" | "reading" | "identifier";

/** What one event is of a stream. */
export function privacyUnit({ channel: { kind } }: StreamPlan): PrivacyUnit {
  if (kind === "counter") return "reading";
  return kind === "identity" ? "identifier" : "detection";
}

/** How a noised summary says that it is one. `scale` and `ci95` are in the unit of what is released. */
export interface NoisedNote {
  readonly policy: "noised";
  readonly mechanism: "discrete-laplace";
  /** What this release may tell about one event. */
  readonly epsilon: number;
  /** What all noised streams of the account may tell about it together. */
  readonly epsilonTotal: number;
  readonly scale: number;
  /** 95 of 100 released numbers are at most this far from the exact one. */
  readonly ci95: number;
  readonly per: PrivacyUnit;
}

/**
 * The most that one event moves what is released, in whole steps, summed over all its numbers (L1 sensitivity). Cells and bins are
 * disjoint, so an event adds to them `maxPerPassage` times at most; a counter moves by its declared bound.
 */
export function stepsPerEvent({ channel }: StreamPlan, { bound }: NoisedPolicy): number {
  const steps = channel.kind === "counter" ? Math.round((bound ?? 0) / channel.resolution) : channel.maxPerPassage;
  assert(Number.isSafeInteger(steps) && steps > 0, "noise needs a bound on what one event can do");
  return steps;
}

/** Scale of the noise in steps: sensitivity over epsilon, exactly. */
export function noiseScale(stream: StreamPlan, policy: NoisedPolicy): Fraction {
  assert(policy.epsilonMicro > 0, "noise needs an epsilon");
  return fraction(BigInt(stepsPerEvent(stream, policy)) * BigInt(MICRO_PER_EPSILON), BigInt(policy.epsilonMicro));
}

/** What one step is in the unit of the stream: 1 for counts, the resolution for a counter. */
export const stepOf = ({ channel }: StreamPlan): number => (channel.kind === "counter" ? channel.resolution : 1);

/** What a subscriber is told about the noise; the same for every window of a stream. `windows`: released numbers in each sum. */
export function noisedNote(stream: StreamPlan, policy: NoisedPolicy, windows = 1): NoisedNote {
  const scale = noiseScale(stream, policy);
  const step = stepOf(stream);
  return {
    policy: "noised",
    mechanism: "discrete-laplace",
    epsilon: epsilonNumber(policy.epsilonMicro),
    epsilonTotal: epsilonNumber(policy.accountMicro),
    scale: rounded((Number(scale.num) / Number(scale.den)) * step, SCALE_DECIMALS),
    ci95: rounded(halfWidth95(scale, Math.max(1, windows)) * step, SCALE_DECIMALS),
    per: privacyUnit(stream),
  };
}

/** The released numbers of a window, each with noise of its own. Signed on purpose: sums stay right. Throws when randomness fails. */
export function noisedBody(stream: StreamPlan, policy: NoisedPolicy, statistic: ExactStatistic, coins: Coins): SummaryBody {
  const scale = noiseScale(stream, policy);
  const noised = (count: number): number => Number(BigInt(count) + discreteLaplace(coins, scale));
  switch (statistic.kind) {
    case "passage":
      return cellsBody(stream, statistic.counts.map(noised), scale);
    case "speed":
      return histogramBody(stream, statistic.counts.map(noised));
    case "counter": {
      assert(statistic.steps !== null, "a noised counter has a bound");
      const sum = rounded(noised(statistic.steps) * stepOf(stream), decimalsOf(stream.channel.resolution));
      // How many readings there were and when most came are counts of people too, and nobody paid for them.
      return { is: "stats", stats: { samples: null, sum, peakPerHour: null } };
    }
    case "identity":
      return { is: "stats", stats: { distinct: noised(statistic.distinct) } };
    default:
      throw new Error(`bug: a ${statistic.kind} is not noised`);
  }
}

function cellsBody({ channel }: StreamPlan, counts: readonly number[], scale: Fraction): SummaryBody {
  const cells = cellsOf(channel.cells).map((cell, index) => ({ ...cell, count: counts[index] as number }));
  // The sum of what was released: no third draw, and no second look (privacy reference §2.4).
  const count = counts.reduce((sum, one) => sum + one, 0);
  return { is: "cells", cells, total: { count, ci95: halfWidth95(scale, cells.length) } };
}

function histogramBody(stream: StreamPlan, counts: readonly number[]): SummaryBody {
  return { is: "histogram", edges: stream.binEdges, counts, unit: stream.channel.unit, v85: speedV85(stream.binEdges, counts) };
}

/**
 * The speed that 85 % of the released detections do not exceed, by linear interpolation within its bin; null when there are too few of
 * them. Made of noised counts alone, so it costs nothing. A negative count is noise around none.
 */
export function speedV85(edges: readonly number[], counts: readonly number[]): number | null {
  if (counts.reduce((sum, count) => sum + count, 0) < V85_DETECTIONS_MIN) return null;
  const clamped = counts.map((count) => Math.max(0, count));
  const wanted = clamped.reduce((sum, count) => sum + count, 0) * V85_SHARE;
  let below = 0;
  for (const [bin, count] of clamped.entries()) {
    const [from, to] = [edges[bin] as number, edges[bin + 1] as number];
    if (count > 0 && below + count >= wanted) return rounded(from + ((wanted - below) / count) * (to - from), V85_DECIMALS);
    below += count;
  }
  return null;
}
