import type { StreamPlan } from "../core/reading/stream.ts";
import type { StatisticShape } from "../core/window/statistics.ts";
import type { Closing } from "./close-schedule.ts";

/** Pairs that are made between two breaths. */
const SLICE_PAIRS = 50;

/** What is computed of a window of this stream. */
export function shapeOf({ channel, windowMs, policy, binEdges }: StreamPlan, startMs: number): StatisticShape {
  const { kind, cells, states, resolution } = channel;
  const bound = policy.is === "noised" && policy.bound !== null ? { most: policy.bound, step: resolution } : null;
  return { kind, windowMs, startMs, cells, states, bound, binEdges };
}

/**
 * Streams in parts of about 50, between which others get their turn. Tables of counts of one sensor stay together: whether the
 * second one may leave depends on the first.
 */
export function partsOf(streams: readonly Closing[]): readonly (readonly Closing[])[] {
  const parts: Closing[][] = [];
  let part: Closing[] = [];
  for (const closing of streams) {
    const last = part.at(-1);
    const belongsTogether = closing.plan.policy.is === "minimum-count" && last?.plan.sensor === closing.plan.sensor;
    if (part.length >= SLICE_PAIRS && !belongsTogether) part = [];
    if (part.length === 0) parts.push(part);
    part.push(closing);
  }
  return parts;
}
