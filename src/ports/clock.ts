import type { Testimony } from "../core/machine/testimony.ts";
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
  /** What those say that can be asked about the wall clock. Asked every few seconds; never rejects. */
  testimonies(): Promise<readonly Testimony[]>;
  /** Calls `task` once, after `delayMs` on the monotonic clock. */
  after(delayMs: number, task: () => void): Cancel;
  /** Lets the event loop breathe: other work may happen before it resolves. */
  breathe(): Promise<void>;
}
