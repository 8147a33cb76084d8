import type { Flag } from "../core/anonymise/summary.ts";
import { MARK } from "../core/reading/record.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import { type EpochMs, isoUtc } from "../core/units/time.ts";
import { windowAt } from "../core/window/lattice.ts";
import type { WindowReadings } from "../core/window/readings.ts";
import type { StatisticShape } from "../core/window/statistics.ts";
import type { Closing } from "./close-schedule.ts";
import type { CloserWorld } from "./closer.ts";

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

/** What a subscriber should know about a window besides its number. */
export function flagsOf(
  plan: StreamPlan,
  readings: WindowReadings,
  start: EpochMs,
  { time, isInMaintenance, isSimulated }: Pick<CloserWorld, "time" | "isInMaintenance" | "isSimulated">,
): readonly Flag[] {
  let marks = 0;
  let clockMarks = 0;
  for (let index = 0; index < readings.count; index++) {
    const own = readings.marks[index] as number;
    marks |= own;
    if ((own & MARK.sample) === 0) clockMarks |= own;
  }
  const validUntil = plan.channel.calibration?.validUntil;
  const flags: Flag[] = [];
  // Every second has a record, whoever passes; marks on readings would tell that there was one.
  if (marks & MARK.stepped) flags.push("stepped");
  const showsReadings = plan.sensitivity === "environmental";
  if ((showsReadings ? marks : clockMarks) & MARK.warming) flags.push("warming");
  if (isInMaintenance?.(plan, windowAt(start, plan.windowMs))) flags.push("maintenance");
  if (validUntil !== undefined && isoUtc(start) > `${validUntil}T23:59:59Z`) flags.push("calibration-overdue");
  if (time.state() === "holdover") flags.push("holdover");
  if (showsReadings && marks & MARK.deviceInterval) flags.push("device-interval");
  if (isSimulated(plan.sensor)) flags.push("simulated");
  return flags;
}
