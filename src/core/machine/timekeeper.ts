import type { TimeState } from "../anonymise/summary.ts";
import { unreachable } from "../assert.ts";
import type { EpochMs, MonotonicMs } from "../units/time.ts";
import type { Verdict, Voucher } from "./testimony.ts";

/** Beyond this the wall clock was stepped, below it was slewed: ntpd and timesyncd slew up to 0.4 to 0.5 s. */
export const SLEW_MS_MAX = 500;
/** A step up to this ends the open window on the old offset; a larger one skips or waits (DESIGN §3, Time). */
export const SMALL_STEP_MS_MAX = 60_000;
/**
 * A clock that was trusted too far ahead and comes back is believed after two witnesses agreed for this long: some ten polls of a time
 * service at its shortest interval (64 s, RFC 5905 §7.2, MINPOLL 6).
 */
export const RETURN_AFTER_MS = 600_000;
/** So many witnesses must agree for that. */
export const RETURN_WITNESSES = 2;
/** How far a clock strays that nothing corrects any more: PHI of RFC 5905 §7.2, 15 ppm. */
const DRIFT = 15e-6;

/** Why the wall clock is not believed. */
export type Doubt = "nobody-vouches" | "sources-disagree" | "below-last-trusted" | "too-early" | "holdover-over";

/** The limits of what is believed. */
export interface TimeRules {
  /** How long the offset of this boot is good for when nobody vouches for the wall clock any more. */
  readonly holdoverMs: number;
  /** No wall clock before this is right, whoever says so: the software is younger. */
  readonly earliestMs: EpochMs;
}

/** A time below the last trusted one that is about to be believed. */
interface Returning {
  readonly offsetMs: number;
  readonly sinceMs: MonotonicMs;
}

/**
 * How monotonic time is labelled with wall time. `offsetMs` is wall minus monotonic, fixed for this boot but for the slow corrections of
 * NTP. While `untrusted`, readings wait without a label. `lastMs` is the latest time that was ever trusted, by an earlier run too.
 */
export type TimeKeeping =
  | { readonly is: "untrusted"; readonly because: Doubt; readonly lastMs: EpochMs | null; readonly returning: Returning | null }
  | {
      readonly is: "trusted";
      readonly by: Voucher | "operator";
      readonly offsetMs: number;
      readonly errorMs: number | null;
      readonly lastMs: EpochMs;
    }
  | {
      readonly is: "holdover";
      readonly because: Doubt;
      readonly offsetMs: number;
      readonly sinceMs: MonotonicMs;
      readonly errorMs: number | null;
      readonly lastMs: EpochMs;
    };

/** What the two clocks show at one moment. */
export interface Instant {
  readonly monoMs: MonotonicMs;
  readonly wallMs: EpochMs;
}

export type TimeEvent =
  /** What the clocks show, and what the witnesses say of it. */
  | (Instant & { readonly type: "sample"; readonly verdict: Verdict })
  /** The operator says that the wall clock is right as it is now. */
  | (Instant & { readonly type: "accepted" });

/**
 * How an offset between the clocks is taken over. `first`: time was just trusted; what waited is labelled with it. `return`: the same,
 * after a time that was too far ahead. `adopt`: NTP moved it a little. `step`, `jump`: the wall clock was stepped, a little or far.
 */
export type AnchorKind = "first" | "return" | "adopt" | "step" | "jump";

export type TimeEffect =
  | { readonly type: "anchor"; readonly offsetMs: number; readonly how: AnchorKind }
  /** Nothing can be labelled any more: what comes waits. */
  | { readonly type: "lose" }
  | { readonly type: "trusted"; readonly by: TimeState }
  | { readonly type: "untrusted"; readonly because: Doubt }
  | { readonly type: "holdover"; readonly because: Doubt }
  | { readonly type: "stepped"; readonly size: "small" | "large" };

export interface TimeStep {
  readonly state: TimeKeeping;
  readonly effects: readonly TimeEffect[];
}

/** `lastMs`: the latest time that an earlier run trusted; null when there was none. */
export function beginUntrusted(lastMs: EpochMs | null): TimeKeeping {
  return { is: "untrusted", because: "nobody-vouches", lastMs, returning: null };
}

/** The next state of time keeping, and what is to be done about it. */
export function stepTime(state: TimeKeeping, event: TimeEvent, rules: TimeRules): TimeStep {
  switch (event.type) {
    case "accepted":
      return event.wallMs < rules.earliestMs ? { state, effects: [] } : believe(state, event, "operator", null, true);
    case "sample": {
      const { by, errorMs, isContradicted } = event.verdict;
      if (by === null) return doubt(state, event, isContradicted ? "sources-disagree" : "nobody-vouches", rules);
      if (event.wallMs < rules.earliestMs) return refuse(state, "too-early", null);
      if (!isBelowLast(state, event.wallMs)) return believe(state, event, by, errorMs, false);
      const returning = returningWith(state, event);
      if (returning === null || event.monoMs - returning.sinceMs < RETURN_AFTER_MS) return refuse(state, "below-last-trusted", returning);
      return believe(state, event, by, errorMs, true);
    }
    default:
      return unreachable(event);
  }
}

/** Wall time of a monotonic instant. */
export function labelled(keeping: { readonly offsetMs: number }, at: MonotonicMs): EpochMs {
  return Math.floor(at + keeping.offsetMs) as EpochMs;
}

/** The most that the labels can be wrong; null when nobody tells. */
export function errorOf(state: TimeKeeping, nowMs: MonotonicMs): number | null {
  if (state.is === "untrusted" || state.errorMs === null) return null;
  return state.is === "trusted" ? state.errorMs : state.errorMs + (nowMs - state.sinceMs) * DRIFT;
}

/** A step back of up to a minute is followed; it never leads to a window that was entered before. */
function isBelowLast({ lastMs }: TimeKeeping, wallMs: EpochMs): boolean {
  return lastMs !== null && wallMs < lastMs - SMALL_STEP_MS_MAX;
}

/** Since when enough witnesses agree on one and the same time; null: they do not. */
function returningWith(state: TimeKeeping, { monoMs, wallMs, verdict }: Extract<TimeEvent, { type: "sample" }>): Returning | null {
  if (verdict.witnesses < RETURN_WITNESSES) return null;
  const offsetMs = wallMs - monoMs;
  const known = state.is === "untrusted" ? state.returning : null;
  const isSame = known !== null && Math.abs(known.offsetMs - offsetMs) <= SLEW_MS_MAX;
  return { offsetMs, sinceMs: isSame ? known.sinceMs : monoMs };
}

function believe(state: TimeKeeping, at: Instant, by: Voucher | "operator", errorMs: number | null, mayGoBack: boolean): TimeStep {
  const offsetMs = at.wallMs - at.monoMs;
  const isReturn = mayGoBack && isBelowLast(state, at.wallMs);
  const lastMs = isReturn ? at.wallMs : (Math.max(state.lastMs ?? at.wallMs, at.wallMs) as EpochMs);
  const next: TimeKeeping = { is: "trusted", by, offsetMs, errorMs, lastMs };
  const said: TimeEffect[] = state.is === "trusted" ? [] : [{ type: "trusted", by }];
  if (isReturn) {
    const lost: readonly TimeEffect[] = state.is === "untrusted" ? [] : [{ type: "lose" }];
    return { state: next, effects: [...lost, ...said, { type: "anchor", offsetMs, how: "return" }] };
  }
  if (state.is === "untrusted") return { state: next, effects: [...said, { type: "anchor", offsetMs, how: "first" }] };
  if (offsetMs === state.offsetMs) return { state: next, effects: said };
  const deltaMs = Math.abs(offsetMs - state.offsetMs);
  if (deltaMs <= SLEW_MS_MAX) return { state: next, effects: [...said, { type: "anchor", offsetMs, how: "adopt" }] };
  const size = deltaMs <= SMALL_STEP_MS_MAX ? "small" : "large";
  const how = size === "small" ? "step" : "jump";
  return { state: next, effects: [...said, { type: "stepped", size }, { type: "anchor", offsetMs, how }] };
}

/** Nobody vouches for the wall clock: the offset of this boot still holds for a while, and the wall clock is not followed. */
function doubt(state: TimeKeeping, { monoMs }: Instant, because: Doubt, { holdoverMs }: TimeRules): TimeStep {
  if (state.is === "untrusted") {
    const isTold = state.because === because || (state.because === "holdover-over" && because === "nobody-vouches");
    if (isTold) return { state: { ...state, returning: null }, effects: [] };
    return { state: { ...state, because, returning: null }, effects: [{ type: "untrusted", because }] };
  }
  const { offsetMs, errorMs } = state;
  const lastMs = Math.max(state.lastMs, labelled(state, monoMs)) as EpochMs;
  const sinceMs = state.is === "holdover" ? state.sinceMs : monoMs;
  if (monoMs - sinceMs >= holdoverMs) return refuse({ ...state, lastMs }, "holdover-over", null);
  const effects: readonly TimeEffect[] = state.is === "holdover" ? [] : [{ type: "holdover", because }];
  return { state: { is: "holdover", because, offsetMs, sinceMs, errorMs, lastMs }, effects };
}

/** The wall clock is not followed, and the offset of this boot is not believed any more either. */
function refuse(state: TimeKeeping, because: Doubt, returning: Returning | null): TimeStep {
  const next: TimeKeeping = { is: "untrusted", because, lastMs: state.lastMs, returning };
  if (state.is !== "untrusted") return { state: next, effects: [{ type: "lose" }, { type: "untrusted", because }] };
  return { state: next, effects: state.because === because ? [] : [{ type: "untrusted", because }] };
}
