import type { StreamPlan } from "../reading/stream.ts";
import type { ExactStatistic } from "../window/statistics.ts";
import type { SummaryBody } from "./body.ts";
import { decimalsOf, rounded } from "./rounding.ts";

/** Fewest households whose use may be added up, and the most that one of them may have of it: the 15/15 rule (privacy reference §2.2). */
export const HOUSEHOLDS_MIN = 15;
export const HOUSEHOLD_SHARE_MAX = 0.15;
/** Fewest bays of a lot whose occupancy may leave, and the steps that it is rounded to (privacy reference §2.2). */
export const BAYS_MIN = 20;
export const BAY_SHARE_STEP = 0.05;

/** What may be published of several sensors together, by quantity: nothing else is grouped. */
const GROUPED: Readonly<Record<string, { readonly who: string; readonly membersMin: number }>> = {
  bay_state: { who: "parking bays", membersMin: BAYS_MIN },
  energy: { who: "households", membersMin: HOUSEHOLDS_MIN },
  power: { who: "households", membersMin: HOUSEHOLDS_MIN },
  gas: { who: "households", membersMin: HOUSEHOLDS_MIN },
  water_use: { who: "households", membersMin: HOUSEHOLDS_MIN },
};

/** Who the members of a group of this quantity are, and how many it needs; null: it has no groups. */
export const groupRule = (quantity: string): { readonly who: string; readonly membersMin: number } | null =>
  Object.hasOwn(GROUPED, quantity) ? (GROUPED[quantity] ?? null) : null;

export const GROUPED_QUANTITIES: readonly string[] = Object.keys(GROUPED);

/** One member in a window. */
export interface MemberWindow {
  readonly coverage: number;
  readonly statistic: ExactStatistic | null;
}

const COVERAGE_MIN = 0.9;
const isThere = ({ coverage, statistic }: MemberWindow): boolean => coverage >= COVERAGE_MIN && statistic !== null;

/** Coverage of a group: the mean of its members'. */
export function groupCoverage(members: readonly MemberWindow[]): number {
  const sum = members.reduce((all, { coverage }) => all + coverage, 0);
  return members.length === 0 ? 0 : Math.floor((100 * sum) / members.length + 1e-6) / 100;
}

const SUPPRESSED: SummaryBody = { is: "reason", reason: "suppressed" };

/** What a group says, or that it must not. */
export function groupBody({ channel }: StreamPlan, members: readonly MemberWindow[]): SummaryBody {
  return channel.quantity === "bay_state" ? lotBody(channel, members) : householdsBody(channel, members);
}

/** Share of time that bays were taken, over those that were watched; too few of them say nothing. */
function lotBody(channel: StreamPlan["channel"], members: readonly MemberWindow[]): SummaryBody {
  const held = members.filter(isThere).flatMap(({ statistic }) => (statistic?.kind === "state" ? [statistic.heldMs] : []));
  if (held.length < BAYS_MIN) return SUPPRESSED;
  const sums = channel.states.map((_, state) => held.reduce((sum, one) => sum + (one[state] ?? 0), 0));
  const totalMs = sums.reduce((sum, one) => sum + one, 0);
  const steps = sums.map((sum) => Math.round(sum / totalMs / BAY_SHARE_STEP));
  const share = Object.fromEntries(channel.states.map((name, state) => [name, rounded((steps[state] ?? 0) * BAY_SHARE_STEP, 2)]));
  return { is: "stats", stats: { samples: null, share, transitions: null } };
}

/**
 * The use of all households together. All of them must be there: a sum without one, beside a sum with it, would show that one. None may
 * dominate: who knows one's own use would know the neighbour's nearly as well.
 */
function householdsBody(channel: StreamPlan["channel"], members: readonly MemberWindow[]): SummaryBody {
  if (members.length < HOUSEHOLDS_MIN || !members.every(isThere)) return SUPPRESSED;
  const uses = members.flatMap(({ statistic }) => useOf(statistic));
  if (uses.length !== members.length) return SUPPRESSED;
  const total = uses.reduce((sum, use) => sum + Math.abs(use), 0);
  // A street that uses nothing is a small number too.
  if (total === 0 || uses.some((use) => Math.abs(use) > HOUSEHOLD_SHARE_MAX * total)) return SUPPRESSED;
  const sum = uses.reduce((all, use) => all + use, 0);
  const decimals = decimalsOf(channel.resolution);
  if (channel.kind === "counter") return { is: "stats", stats: { samples: null, sum: rounded(sum, decimals), peakPerHour: null } };
  const rest = { min: null, max: null, stddev: null, p50: null, p95: null };
  return { is: "stats", stats: { samples: null, mean: rounded(sum, decimals + 1), ...rest } };
}

function useOf(statistic: ExactStatistic | null): readonly number[] {
  if (statistic?.kind === "counter") return [statistic.sum];
  return statistic?.kind === "gauge" ? [statistic.mean] : [];
}
