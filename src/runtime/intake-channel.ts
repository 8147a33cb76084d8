import type { SensorCounters } from "../core/events/counters.ts";
import type { ChannelPlan, StreamPlan } from "../core/reading/stream.ts";
import type { MonotonicMs } from "../core/units/time.ts";
import type { Lane } from "./lane.ts";

/** One stream at ingest. */
export interface Slot {
  readonly plan: StreamPlan;
  readonly lane: Lane;
  readonly index: number;
  readonly counters: SensorCounters;
  /** Up to when coverage is known; what is before it is never covered twice. */
  coveredToMs: number;
  /** When the last value that counts came; until there is one, when the port was opened. */
  heardMs: number;
  /** A value that counts came since the port was opened. */
  isHeard: boolean;
  /** For kind `state`: which state is held, or -1 when nobody knows. */
  held: number;
}

/** One channel at ingest, with every stream that is made of it. */
export interface Channel {
  readonly plan: ChannelPlan;
  readonly slots: readonly Slot[];
  /** Its own readings carry the coverage: a value stands for the time since the one before, as long as the rhythm is kept. */
  readonly isSampled: boolean;
  /** By which a value is corrected: `value * scale + offset`. */
  readonly scale: number;
  readonly offset: number;
  readonly min: number;
  readonly max: number;
  readonly isState: boolean;
  /** Passages and identifiers have calls of their own. */
  readonly takesValues: boolean;
  lastTotal: number | null;
  /** Of a state: the last that the device told since its port was opened. It is not told again while it stays. */
  told: number;
  /** Until then the hardware warms up: what it says is set aside, and it does not count as working. */
  warmUntilMs: number;
}

/** In the place of a state: none was told. */
export const UNTOLD = -1;

/** What is known of a stream's coverage when nothing was heard yet, but for the state that the device is in. */
export const fresh = (atMs: number, held = UNTOLD): Pick<Slot, "coveredToMs" | "heardMs" | "isHeard" | "held"> => ({
  ...{ coveredToMs: atMs, heardMs: atMs, isHeard: false, held },
});

/** The driver knows that the hardware is warm already. */
export function warmedUp(channel: Channel, atMs: number): void {
  channel.warmUntilMs = atMs;
  for (const slot of channel.slots) {
    slot.coveredToMs = Math.min(slot.coveredToMs, atMs);
    slot.heardMs = Math.min(slot.heardMs, atMs);
  }
}

/** What is not covered yet up to `nowMs` is from now on; of a state, for as long as one is held. */
export function coverTo(slot: Slot, nowMs: number): void {
  const coversMs = nowMs - slot.coveredToMs;
  const isState = slot.plan.channel.kind === "state";
  if (coversMs <= 0 || (isState && slot.held < 0)) return;
  slot.coveredToMs = nowMs;
  slot.lane.put(slot.index, nowMs as MonotonicMs, isState ? slot.held : 0, coversMs, 0, 0);
}

/** How ingest treats the readings of a channel. */
export function channelOf(plan: ChannelPlan, slots: readonly Slot[]): Channel {
  const { kind, sensitivity, range, states, calibration } = plan;
  const isState = kind === "state";
  return {
    plan,
    slots,
    isSampled: sensitivity === "environmental" && (kind === "gauge" || kind === "level" || kind === "direction"),
    scale: calibration?.scale ?? 1,
    // A counter's values are increments: an offset cancels out between two totals.
    offset: kind === "counter" ? 0 : (calibration?.offset ?? 0),
    min: isState ? Math.max(0, range[0]) : range[0],
    max: isState ? Math.min(states.length - 1, range[1]) : range[1],
    isState,
    takesValues: kind !== "passage" && kind !== "identity",
    lastTotal: null,
    told: UNTOLD,
    warmUntilMs: Number.NEGATIVE_INFINITY,
  };
}
