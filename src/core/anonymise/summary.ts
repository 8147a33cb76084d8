import { assert, unreachable } from "../assert.ts";
import { type Cell, cellsOf } from "../reading/direction.ts";
import type { Policy, StreamPlan } from "../reading/stream.ts";
import type { Window } from "../window/lattice.ts";
import type { ExactStatistic } from "../window/statistics.ts";
import { withMinimumCount } from "./minimum-count.ts";
import { MINIMUM_COUNT_FLOOR, policyProblem } from "./policy.ts";
import { decimalsOf, rounded } from "./rounding.ts";

/** What a subscriber should know about a window besides its number (CONTRACT §3). */
export const FLAGS = ["stepped", "warming", "maintenance", "calibration-overdue", "holdover", "device-interval", "simulated"] as const;
export type Flag = (typeof FLAGS)[number];

/** Who vouches for the wall clock that labels the window. */
export type TimeState = "synced" | "rtc" | "gps" | "operator" | "holdover";

/** Why there is no number. */
export type NoNumber = "missing" | "suppressed" | "budget" | "unavailable" | "maintenance";

/** The one thing a summary says: a statistic as it may be published, or why there is none. */
export type SummaryBody =
  | { readonly is: "stats"; readonly stats: Readonly<Record<string, number | null | Readonly<Record<string, number>>>> }
  | { readonly is: "cells"; readonly cells: readonly (Cell & { readonly count: number | null })[] }
  | {
      readonly is: "histogram";
      readonly edges: readonly number[];
      readonly counts: readonly (number | null)[];
      readonly unit: string;
      readonly v85: number | null;
    }
  | { readonly is: "reason"; readonly reason: NoNumber };

/** How the people behind a summary are protected, as it is told to subscribers. */
export type PrivacyNote = { readonly policy: "open" } | { readonly policy: "minimum-count"; readonly k: number };

/** A window of one stream whose readings are all in. */
export interface ClosedWindow {
  readonly stream: StreamPlan;
  readonly window: Window;
  /** 0 to 1 in steps of 0.01. */
  readonly coverage: number;
  /** null: there was nothing to make a statistic of. `failed`: there was, and a bug of ours stood in the way. */
  readonly statistic: ExactStatistic | "failed" | null;
  readonly flags: readonly Flag[];
  readonly time: TimeState;
}

const COVERAGE_OK = 0.9;

/** The seal would be worth nothing if what is under it could be exchanged. */
function frozen<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) frozen(part);
  return Object.freeze(value);
}

const mint = Symbol("mint");

/**
 * The sealed statistic of one stream over one window: the only thing that leaves. It can only be made by `anonymise` below,
 * because nobody else has the key that its constructor asks for.
 */
export class Summary {
  readonly stream: StreamPlan;
  readonly window: Window;
  readonly coverage: number;
  readonly quality: "ok" | "partial";
  readonly flags: readonly Flag[];
  readonly time: TimeState;
  readonly privacy: PrivacyNote;
  readonly body: SummaryBody;
  readonly #sealed = true;

  constructor(key: symbol, closed: ClosedWindow, privacy: PrivacyNote, body: SummaryBody) {
    assert(key === mint, "a summary is made by anonymise only");
    this.stream = closed.stream;
    this.window = frozen({ ...closed.window });
    this.coverage = closed.coverage;
    this.quality = closed.coverage >= COVERAGE_OK ? "ok" : "partial";
    this.flags = frozen([...closed.flags]);
    this.time = closed.time;
    this.privacy = privacy;
    this.body = frozen(body);
    Object.freeze(this);
  }

  /** Whether `value` really came from `anonymise`: a look-alike object has no seal. */
  static isSealed(value: object): value is Summary {
    return #sealed in value && value.#sealed;
  }
}

/** A window about which nothing is published, and why. */
export interface Withheld {
  readonly is: "withheld";
  readonly because: "policy" | "forbidden";
}

/**
 * Turns a closed window into what may leave. It fails closed: a policy that does not fit the stream publishes nothing, whatever
 * the config check said before.
 */
export function anonymise(closed: ClosedWindow): Summary | Withheld {
  const { stream } = closed;
  const { policy } = stream;
  if (policy.is === "withheld") return { is: "withheld", because: "policy" };
  if (policyProblem(stream.channel.kind, stream.sensitivity, policy.is) !== null) return { is: "withheld", because: "forbidden" };
  if (policy.is === "minimum-count" && !(policy.k >= MINIMUM_COUNT_FLOOR)) return { is: "withheld", because: "forbidden" };
  return new Summary(mint, closed, privacyNote(policy), bodyOf(closed, policy));
}

function privacyNote(policy: Exclude<Policy, { is: "withheld" }>): PrivacyNote {
  return policy.is === "open" ? { policy: "open" } : { policy: "minimum-count", k: policy.k };
}

function bodyOf(closed: ClosedWindow, policy: Exclude<Policy, { is: "withheld" }>): SummaryBody {
  const { statistic, coverage } = closed;
  if (coverage === 0 || statistic === null) return { is: "reason", reason: "missing" };
  if (statistic !== "failed" && statistic.kind === closed.stream.channel.kind) {
    const isCounted = statistic.kind === "passage" || statistic.kind === "speed";
    if (isCounted && policy.is === "minimum-count") return countedBody(closed.stream, statistic, policy.k);
    if (!isCounted && policy.is === "open") return { is: "stats", stats: statsOf(closed.stream, statistic) };
  }
  return { is: "reason", reason: "unavailable" };
}

function countedBody(stream: StreamPlan, statistic: Extract<ExactStatistic, { kind: "passage" | "speed" }>, k: number): SummaryBody {
  const counts = withMinimumCount(statistic.counts, k);
  if (counts.every((count) => count === null)) return { is: "reason", reason: "suppressed" };
  if (statistic.kind === "passage") {
    return { is: "cells", cells: cellsOf(stream.channel.cells).map((cell, index) => ({ ...cell, count: counts[index] ?? null })) };
  }
  // V85 is a quantile of people: it comes with noise or not at all (CONTRACT §1).
  return { is: "histogram", edges: stream.binEdges, counts, unit: stream.channel.unit, v85: null };
}

type Stats = Extract<SummaryBody, { is: "stats" }>["stats"];

/** Values to the decimals of the channel's resolution; mean and stddev to one more (CONTRACT §3). */
function statsOf(stream: StreamPlan, statistic: Exclude<ExactStatistic, { kind: "passage" | "speed" }>): Stats {
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
