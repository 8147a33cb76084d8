import { assert, unreachable } from "../assert.ts";
import { cellsOf } from "../reading/direction.ts";
import type { NoisedPolicy, Policy, StreamPlan } from "../reading/stream.ts";
import type { Window } from "../window/lattice.ts";
import type { ExactStatistic } from "../window/statistics.ts";
import { type NoNumber, openStats, type SummaryBody } from "./body.ts";
import { type LongWindow, longBody, longCoverage } from "./derived.ts";
import { groupBody, groupRule, type MemberWindow } from "./group.ts";
import { withMinimumCount } from "./minimum-count.ts";
import type { Coins } from "./noise/coins.ts";
import { type NoisedNote, noisedBody, noisedNote } from "./noised.ts";
import { MINIMUM_COUNT_FLOOR, policyProblem } from "./policy.ts";

/** What a subscriber should know about a window besides its number (CONTRACT §3). */
export const FLAGS = ["stepped", "warming", "maintenance", "calibration-overdue", "holdover", "device-interval", "simulated"] as const;
export type Flag = (typeof FLAGS)[number];

/** Who vouches for the wall clock that labels the window. */
export type TimeState = "synced" | "rtc" | "gps" | "operator" | "holdover";

/** How the people behind a summary are protected, as it is told to subscribers. */
export type PrivacyNote =
  | ({ readonly policy: "open" } & MadeOf)
  | (NoisedNote & MadeOf)
  | { readonly policy: "minimum-count"; readonly k: number }
  | { readonly policy: "minimum-count"; readonly members: number };

/** Of a longer window: the stream that it is made of, and how many released numbers of it. */
interface MadeOf {
  readonly from?: string;
  readonly windows?: number;
}

/** A window of one stream whose readings are all in. */
export interface ClosedWindow {
  readonly stream: StreamPlan;
  readonly window: Window;
  /** 0 to 1 in steps of 0.01. */
  readonly coverage: number;
  /** null: there was nothing to make a statistic of. `failed`: there was, and a bug of ours stood in the way. */
  readonly statistic: ExactStatistic | GroupStatistic | "failed" | null;
  readonly flags: readonly Flag[];
  readonly time: TimeState;
}

/** The exact statistics of the members of a group. */
export interface GroupStatistic {
  readonly kind: "group";
  readonly members: readonly MemberWindow[];
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
 * Whether a window of people may be released. `granted`: its terms are in force; a noised one has its charge in the ledger when the
 * summary is written, and this is the first draw for it. Else the reason that is published in place of a number.
 */
export type Grant = "granted" | Extract<NoNumber, "budget" | "unavailable" | "suppressed">;

/**
 * Turns a closed window into what may leave. It fails closed: a policy that does not fit the stream publishes nothing, whatever
 * the config check said before, and without randomness or budget there is no noised number.
 */
export function anonymise(closed: ClosedWindow, coins: Coins, grant: Grant): Summary | Withheld {
  const { stream } = closed;
  const { policy } = stream;
  if (policy.is === "withheld") return { is: "withheld", because: "policy" };
  if (policy.is === "group") return groupSummary(closed, policy.members.length, grant);
  if (policyProblem(stream.channel.kind, stream.sensitivity, policy.is) !== null) return { is: "withheld", because: "forbidden" };
  if (policy.is === "minimum-count" && !(policy.k >= MINIMUM_COUNT_FLOOR)) return { is: "withheld", because: "forbidden" };
  return new Summary(mint, closed, privacyNote(stream, policy), bodyOf(closed, policy, coins, grant));
}

type Publishing = Exclude<Policy, { is: "withheld" } | { is: "group" }>;

/** A group stands or falls by its own rule: how many members, and whether one of them stands out. */
function groupSummary(closed: ClosedWindow, members: number, grant: Grant): Summary | Withheld {
  const { stream } = closed;
  const rule = groupRule(stream.channel.quantity);
  if (rule === null || members < rule.membersMin) return { is: "withheld", because: "forbidden" };
  const note: PrivacyNote = { policy: "minimum-count", members };
  return new Summary(mint, closed, note, groupBodyOf(closed, grant));
}

function groupBodyOf({ stream, statistic, coverage, flags }: ClosedWindow, grant: Grant): SummaryBody {
  if (coverage === 0) return unseen(flags);
  if (grant !== "granted") return { is: "reason", reason: grant };
  if (statistic === null || statistic === "failed" || statistic.kind !== "group") return UNAVAILABLE;
  return groupBody(stream, statistic.members);
}

/**
 * The summary of a longer window, made of released ones. That is post-processing: it looks at no reading, draws nothing and costs
 * nothing. Fails closed as `anonymise` does.
 */
export function anonymiseLong(stream: StreamPlan, long: LongWindow): Summary | Withheld {
  const { policy, from } = stream;
  if (policy.is === "withheld" || policy.is === "group") return { is: "withheld", because: "policy" };
  const isForbidden = policyProblem(stream.channel.kind, stream.sensitivity, policy.is) !== null;
  if (from === null || policy.is === "minimum-count" || isForbidden) return { is: "withheld", because: "forbidden" };
  const { window, flags, time } = long;
  const closed: ClosedWindow = { stream, window, coverage: longCoverage(long), statistic: null, flags, time };
  const source = from.stream.slice(from.stream.indexOf(".") + 1);
  const note: PrivacyNote =
    policy.is === "open"
      ? { policy: "open", from: source, windows: long.windows }
      : { ...noisedNote(stream, policy, long.windows), epsilon: 0, from: source, windows: long.windows };
  return new Summary(mint, closed, note, longBody(stream, long));
}

function privacyNote(stream: StreamPlan, policy: Publishing): PrivacyNote {
  switch (policy.is) {
    case "open":
      return { policy: "open" };
    case "noised":
      return noisedNote(stream, policy);
    case "minimum-count":
      return { policy: "minimum-count", k: policy.k };
    default:
      return unreachable(policy);
  }
}

function bodyOf(closed: ClosedWindow, policy: Publishing, coins: Coins, grant: Grant): SummaryBody {
  const { stream, statistic, coverage, flags } = closed;
  if (coverage === 0 || statistic === null) return unseen(flags);
  if (statistic === "failed" || statistic.kind === "group" || statistic.kind !== stream.channel.kind) return UNAVAILABLE;
  if (policy.is !== "open" && grant !== "granted") return { is: "reason", reason: grant };
  switch (policy.is) {
    case "open":
      return statistic.kind === "passage" || statistic.kind === "speed"
        ? UNAVAILABLE
        : { is: "stats", stats: openStats(stream, statistic) };
    case "noised":
      return noisedOrNothing(stream, policy, statistic, coins);
    case "minimum-count":
      return statistic.kind === "passage" || statistic.kind === "speed" ? countedBody(stream, statistic, policy.k) : UNAVAILABLE;
    default:
      return unreachable(policy);
  }
}

/** Nothing was seen: because somebody worked on the sensor, or for no reason that is known. */
const unseen = (flags: readonly Flag[]): SummaryBody => ({
  is: "reason",
  reason: flags.includes("maintenance") ? "maintenance" : "missing",
});

const UNAVAILABLE: SummaryBody = { is: "reason", reason: "unavailable" };

/** A random source that fails releases nothing: all numbers of a window are drawn, or none leaves. */
function noisedOrNothing(stream: StreamPlan, policy: NoisedPolicy, statistic: ExactStatistic, coins: Coins): SummaryBody {
  try {
    return noisedBody(stream, policy, statistic, coins);
  } catch {
    return UNAVAILABLE;
  }
}

function countedBody(stream: StreamPlan, statistic: Extract<ExactStatistic, { kind: "passage" | "speed" }>, k: number): SummaryBody {
  const counts = withMinimumCount(statistic.counts, k);
  if (counts.every((count) => count === null)) return { is: "reason", reason: "suppressed" };
  if (statistic.kind === "passage") {
    return {
      is: "cells",
      cells: cellsOf(stream.channel.cells).map((cell, index) => ({ ...cell, count: counts[index] ?? null })),
      total: null,
    };
  }
  // V85 is a quantile of people: it comes with noise or not at all (CONTRACT §1).
  return { is: "histogram", edges: stream.binEdges, counts, unit: stream.channel.unit, v85: null };
}
