import { unreachable } from "../assert.ts";
import type { Cell } from "../reading/direction.ts";
import type { StreamPlan } from "../reading/stream.ts";
import type { ExactStatistic } from "../window/statistics.ts";
import { decimalsOf, rounded } from "./rounding.ts";

/** Why there is no number. */
export type NoNumber = "missing" | "suppressed" | "budget" | "unavailable" | "maintenance";

/** The one thing a summary says: a statistic as it may be published, or why there is none. */
export type SummaryBody =
  | { readonly is: "stats"; readonly stats: Readonly<Record<string, number | null | Readonly<Record<string, number>>>> }
  | {
      readonly is: "cells";
      readonly cells: readonly (Cell & { readonly count: number | null })[];
      /** Sum of the cells as they are released; noised cells only, since any other margin would give a withheld cell back. */
      readonly total: { readonly count: number; readonly ci95: number } | null;
    }
  | {
      readonly is: "histogram";
      readonly edges: readonly number[];
      readonly counts: readonly (number | null)[];
      readonly unit: string;
      readonly v85: number | null;
    }
  | { readonly is: "reason"; readonly reason: NoNumber };

type Stats = Extract<SummaryBody, { is: "stats" }>["stats"];

/**
 * The statistic of an environmental stream. Values to the decimals of the channel's resolution; mean and stddev to one more
 * (CONTRACT §3).
 */
export function openStats(stream: StreamPlan, statistic: Exclude<ExactStatistic, { kind: "passage" | "speed" }>): Stats {
  const decimals = decimalsOf(stream.channel.resolution);
  const value = (number: number): number => rounded(number, decimals);
  const finer = (number: number): number => rounded(number, decimals + 1);
  switch (statistic.kind) {
    case "gauge": {
      const { samples, mean, min, max, stddev, p50, p95 } = statistic;
      const spread = stddev === null ? null : finer(stddev);
      return { samples, mean: finer(mean), min: value(min), max: value(max), stddev: spread, p50: value(p50), p95: value(p95) };
    }
    case "level": {
      const { samples, laeq, lamax, l10, l50, l90 } = statistic;
      return { samples, laeq: value(laeq), lamax: value(lamax), l10: value(l10), l50: value(l50), l90: value(l90) };
    }
    case "direction": {
      const mean = finer(statistic.mean) % 360; // 359.99 may round to 360, which is north, which is 0
      return { samples: statistic.samples, mean, resultant: rounded(statistic.resultant, RESULTANT_DECIMALS) };
    }
    case "counter":
      return { samples: statistic.samples, sum: value(statistic.sum), peakPerHour: finer(statistic.peakPerHour) };
    case "state":
      return { samples: statistic.samples, share: sharesOf(stream, statistic.heldMs), transitions: statistic.transitions };
    case "identity":
      throw new Error("bug: a distinct count is published with noise or not at all");
    default:
      return unreachable(statistic);
  }
}

const RESULTANT_DECIMALS = 3;
const SHARE_DECIMALS = 4;

function sharesOf(stream: StreamPlan, heldMs: readonly number[]): Readonly<Record<string, number>> {
  const totalMs = heldMs.reduce((sum, held) => sum + held, 0);
  return Object.fromEntries(stream.channel.states.map((name, index) => [name, rounded((heldMs[index] ?? 0) / totalMs, SHARE_DECIMALS)]));
}
