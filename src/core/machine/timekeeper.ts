import type { TimeState } from "../anonymise/summary.ts";
import type { EpochMs, MonotonicMs } from "../units/time.ts";

/** Who says that the wall clock is right: the system's own sources, or the operator for all time. */
export type TimeSource = "system" | "operator";

/** What the clocks show at one moment. */
export interface TimeSample {
  readonly monoMs: MonotonicMs;
  readonly wallMs: EpochMs;
  /** What vouches for the wall clock now, or null. */
  readonly trust: "synced" | "rtc" | "gps" | null;
}

/**
 * How monotonic time is labelled with wall time. `offsetMs` is wall minus monotonic, fixed for this boot but for the slow
 * corrections of NTP. While `untrusted`, readings wait without a label.
 */
export type TimeKeeping =
  | { readonly is: "untrusted" }
  | { readonly is: "trusted"; readonly offsetMs: number; readonly state: TimeState; readonly stepped: "no" | "small" | "large" };

/** Beyond this the wall clock was stepped, below it was slewed: ntpd and timesyncd slew up to 0.4 to 0.5 s. */
export const SLEW_MS_MAX = 500;
/** A step up to this ends the open window on the old offset; a larger one skips or waits (DESIGN §3, Time). */
export const SMALL_STEP_MS_MAX = 60_000;

export const UNTRUSTED: TimeKeeping = { is: "untrusted" };

/** The next state of time keeping. `stepped` in the result says whether this very sample was a step. */
export function keepTime(now: TimeKeeping, source: TimeSource, sample: TimeSample): TimeKeeping {
  const vouched: TimeState | null = source === "operator" ? "operator" : sample.trust;
  const offsetMs = sample.wallMs - sample.monoMs;
  if (now.is === "untrusted") return vouched === null ? now : { is: "trusted", offsetMs, state: vouched, stepped: "no" };
  // Nobody vouches for the wall clock any more: the offset of this boot still holds, and the wall clock is not followed.
  if (vouched === null) return { ...now, state: "holdover", stepped: "no" };
  const deltaMs = Math.abs(offsetMs - now.offsetMs);
  const stepped = deltaMs <= SLEW_MS_MAX ? "no" : deltaMs <= SMALL_STEP_MS_MAX ? "small" : "large";
  return { is: "trusted", offsetMs, state: vouched, stepped };
}

/** Wall time of a monotonic instant. */
export function labelled(keeping: { readonly offsetMs: number }, at: MonotonicMs): EpochMs {
  return Math.floor(at + keeping.offsetMs) as EpochMs;
}
