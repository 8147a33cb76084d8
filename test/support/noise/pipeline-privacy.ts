import type { SummaryBody } from "../../../src/core/anonymise/body.ts";
import type { Coins } from "../../../src/core/anonymise/noise/coins.ts";
import { anonymise, type ClosedWindow, Summary } from "../../../src/core/anonymise/summary.ts";
import { MARK } from "../../../src/core/reading/record.ts";
import type { StreamPlan } from "../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../src/core/units/epsilon.ts";
import { epochMs } from "../../../src/core/units/time.ts";
import { windowAt } from "../../../src/core/window/lattice.ts";
import { type ExactStatistic, exactStatistic } from "../../../src/core/window/statistics.ts";
import { channelPlan, PASSAGES, SPEED, streamPlan, WINDOW_MS } from "../plans.ts";
import { type PlainRecord, readingsOf } from "../readings.ts";

// T6: is what a window releases as private as it says, all its numbers together? The whole way from readings is walked: the exact
// statistic, the noise, the total, the V85. After Google's stochastic tester (cc/testing/stochastic_tester.h): many data sets, spread
// evenly by Halton's sequence, each against a neighbour that has one event more; no outcome may be e^epsilon times likelier than in the
// other, but for what chance does.

/** Where a release is spoiled, for tests of the test. */
export interface Spoiled {
  readonly name: string;
  readonly release: (closed: ClosedWindow, coins: Coins) => SummaryBody;
}

/** One data set and its neighbour. */
export interface Neighbours {
  readonly stream: StreamPlan;
  readonly epsilon: number;
  readonly one: readonly PlainRecord[];
  readonly other: readonly PlainRecord[];
}

const MICRO = 1_000_000;
const noised = (epsilon: number, bound: number | null = null) =>
  ({ is: "noised", epsilonMicro: epsilonMicro(epsilon * MICRO), accountMicro: epsilonMicro(2 * MICRO), bound }) as const;
const ENTRIES = channelPlan({ name: "entries", quantity: "entries", kind: "counter", unit: "1", sensitivity: "presence", resolution: 1 });

/** Halton's low-discrepancy sequence: the `index`-th point in [0, 1) in this base. */
export function halton(index: number, base: number): number {
  let [fraction, result, rest] = [1, 0, index];
  while (rest > 0) {
    fraction /= base;
    result += fraction * (rest % base);
    rest = Math.floor(rest / base);
  }
  return result;
}

/** The `index`-th pair of data sets: passages in two directions, speeds, or a counter that somebody feeds with a thousand at once (T5). */
export function neighboursOf(index: number): Neighbours {
  const counts = [2, 3].map((base) => Math.floor(halton(index + 1, base) * 6));
  const epsilon = [1, 0.5, 2][index % 3] as number;
  switch (index % 3) {
    case 0: {
      const records = counts.flatMap((count, cell) => Array.from({ length: count }, (): PlainRecord => ({ value: 1, cell })));
      const stream = streamPlan(PASSAGES, { policy: noised(epsilon) });
      // In the emptier cell: a count of 0 is where mistakes are made.
      const cell = (counts[0] ?? 0) <= (counts[1] ?? 0) ? 0 : 1;
      return { stream, epsilon, one: records, other: [...records, { value: 1, cell }] };
    }
    case 1: {
      const speeds = counts.flatMap((count, bin) => Array.from({ length: count }, (): PlainRecord => ({ value: [20, 40][bin] as number })));
      const stream = streamPlan({ ...SPEED }, { policy: noised(epsilon), binEdges: [0, 30, 250] });
      return { stream, epsilon, one: speeds, other: [...speeds, { value: 999 }] };
    }
    default: {
      const entries = counts.flatMap((count) => Array.from({ length: count }, (): PlainRecord => ({ value: 1 })));
      const stream = streamPlan(ENTRIES, { policy: noised(epsilon, 1) });
      return { stream, epsilon, one: entries, other: [...entries, { value: 1_000 }] };
    }
  }
}

/** The window that these readings make, with its exact statistic. */
export function closedWindow({ stream }: Neighbours, records: readonly PlainRecord[], isBounded = true): ClosedWindow {
  const { channel, windowMs, binEdges, policy } = stream;
  const most = policy.is === "noised" && policy.bound !== null ? (isBounded ? policy.bound : Number.MAX_SAFE_INTEGER) : null;
  const bound = most === null ? null : { most, step: channel.resolution };
  const shape = { kind: channel.kind, windowMs, startMs: 0, cells: channel.cells, states: channel.states, bound, binEdges };
  const statistic = exactStatistic(shape, readingsOf(records.map((record) => ({ marks: MARK.sample, ...record }))));
  return { stream, window: windowAt(epochMs(0), WINDOW_MS), coverage: 1, statistic, flags: [], time: "synced" };
}

/** The release as the node makes it. */
export function honest(closed: ClosedWindow, coins: Coins): SummaryBody {
  const summary = anonymise(closed, coins, "granted");
  if (!(summary instanceof Summary)) throw new Error(`withheld: ${summary.because}`);
  return summary.body;
}

/** How far from the first data set outcomes are told apart; what lies beyond is one outcome. */
const REACH = 3;
const near = (value: number, centre: number): number => Math.max(-REACH, Math.min(REACH, value - centre));

/** One outcome as a word: every number of the release, as far as it is near the exact one of the first data set. */
function wordOf(body: SummaryBody, exact: ExactStatistic): string {
  switch (body.is) {
    case "cells": {
      const counts = exact.kind === "passage" ? exact.counts : [];
      const sum = counts.reduce((all, count) => all + count, 0);
      const released = body.cells.reduce((all, { count }) => all + (count ?? Number.NaN), 0);
      const cells = body.cells.map(({ count }, index) => near(count ?? Number.NaN, counts[index] ?? 0));
      return `${cells} ${body.total === null ? "-" : body.total.count === released ? "=" : near(body.total.count, sum)}`;
    }
    case "histogram": {
      const counts = exact.kind === "speed" ? exact.counts : [];
      return `${body.counts.map((count, index) => near(count ?? Number.NaN, counts[index] ?? 0))} ${body.v85}`;
    }
    case "stats":
      return [near(Number(body.stats.sum), exact.kind === "counter" ? (exact.steps ?? 0) : 0), body.stats.samples].join(" ");
    case "reason":
      return body.reason;
  }
}

function histogramOf(draws: number, draw: () => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (let index = 0; index < draws; index++) {
    const word = draw();
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/**
 * By how much the two data sets can be told apart beyond epsilon, over the best set of outcomes in either direction, and how much of that
 * chance may do: for each outcome half a normal variable whose mean is 0 at worst, and six deviations of their sum.
 */
export function comparison(pair: Neighbours, draws: number, coins: Coins, release: Spoiled["release"] = honest, isBounded = true) {
  const [one, other] = [closedWindow(pair, pair.one, isBounded), closedWindow(pair, pair.other, isBounded)];
  const exact = one.statistic;
  if (exact === null || exact === "failed" || exact.kind === "group") throw new Error("there is no statistic");
  const [first, second] = [one, other].map((closed) => histogramOf(draws, () => wordOf(release(closed, coins), exact)));
  if (first === undefined || second === undefined) throw new Error("two histograms are compared");
  const factor = Math.exp(pair.epsilon);
  const directions = [
    [first, second],
    [second, first],
  ] as const;
  return directions.map(([from, to]) => {
    let [excess, mean, variance] = [0, 0, 0];
    for (const word of new Set([...from.keys(), ...to.keys()])) {
      const [p, q] = [(from.get(word) ?? 0) / draws, (to.get(word) ?? 0) / draws];
      const spread = Math.sqrt((p + factor ** 2 * Math.max(q, 1 / draws)) / draws);
      excess += Math.max(0, p - factor * q);
      mean += spread / Math.sqrt(2 * Math.PI);
      variance += spread ** 2 * (0.5 - 1 / (2 * Math.PI));
    }
    return { excess, tolerance: mean + 6 * Math.sqrt(variance) };
  });
}

/** Share of the pairs that were told apart. */
export function failedShare(pairs: readonly Neighbours[], draws: number, coins: Coins, release: Spoiled["release"] = honest): number {
  const failed = pairs.filter((pair) => comparison(pair, draws, coins, release).some(({ excess, tolerance }) => excess > tolerance));
  return failed.length / pairs.length;
}

const uniform = (coins: Coins): number => Number(coins.uniformBelow(3n)) - 1;
/** The exact counts of a window, and a body made of others in their place. */
function withCounts(closed: ClosedWindow, coins: Coins, change: (exact: number, released: number) => number): SummaryBody {
  const body = honest(closed, coins);
  const { statistic } = closed;
  if (body.is === "cells" && statistic !== null && statistic !== "failed" && statistic.kind === "passage") {
    const cells = body.cells.map((cell, index) => ({ ...cell, count: change(statistic.counts[index] ?? 0, cell.count ?? 0) }));
    return { ...body, cells, total: { count: cells.reduce((sum, { count }) => sum + count, 0), ci95: 4 } };
  }
  if (body.is === "histogram" && statistic !== null && statistic !== "failed" && statistic.kind === "speed") {
    return { ...body, counts: body.counts.map((count, index) => change(statistic.counts[index] ?? 0, count ?? 0)) };
  }
  if (body.is === "stats" && statistic !== null && statistic !== "failed" && statistic.kind === "counter") {
    return { is: "stats", stats: { ...body.stats, sum: change(statistic.steps ?? 0, Number(body.stats.sum)) } };
  }
  return body;
}

/** Releases that are not private, each as somebody has built it. */
export const SPOILED: readonly Spoiled[] = [
  { name: "uniform noise of -1, 0 or 1", release: (closed, coins) => withCounts(closed, coins, (exact) => exact + uniform(coins)) },
  {
    name: "no noise on a count of 0",
    release: (closed, coins) => withCounts(closed, coins, (exact, released) => (exact === 0 ? 0 : released)),
  },
  {
    name: "a threshold on the exact count",
    release: (closed, coins) => withCounts(closed, coins, (exact, released) => (exact < 3 ? -99 : released)),
  },
  {
    name: "half the noise that it needs",
    release: (closed, coins) => withCounts(closed, coins, (exact, released) => exact + Math.trunc((released - exact) / 2)),
  },
];
