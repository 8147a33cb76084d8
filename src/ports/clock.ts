import type { EpochMs, MonotonicMs } from "../core/units/time.ts";

/** Calls off something that was asked for. Calling it twice does nothing. */
export type Cancel = () => void;

/** Time as the machine tells it. Only the monotonic clock is believed without question (DESIGN §3, Time). */
export interface Clock {
  /** Name of this boot; monotonic times of two boots cannot be compared. */
  readonly bootId: string;
  monotonicMs(): MonotonicMs;
  /** Nanoseconds on the monotonic clock. */
  monotonicNs(): bigint;
  /** What the wall clock shows, trusted or not. */
  wallMs(): EpochMs;
  /** Whether something outside this process vouches for the wall clock, and what. Asked every few seconds. */
  wallTrust(): Promise<"synced" | "rtc" | "gps" | null>;
  /** Calls `task` once, after `delayMs` on the monotonic clock. */
  after(delayMs: number, task: () => void): Cancel;
  /** Lets the event loop breathe: other work may happen before it resolves. */
  breathe(): Promise<void>;
}
