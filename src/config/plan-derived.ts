import type { StreamPlan } from "../core/reading/stream.ts";
import { type SensorId, streamId } from "../core/units/ids.ts";
import { DAY_MS, type DurationMs, durationMs, HOUR_MS, MINUTE_MS } from "../core/units/time.ts";
import { offsetsOf } from "../core/window/local-day.ts";
import type { PlanReport } from "./plan-report.ts";
import type { Path } from "./problem.ts";
import type { SensorConfig, StreamConfig } from "./schema.ts";
import { didYouMean, listed } from "./suggest.ts";
import { durationText } from "./values.ts";

/** Lengths of windows that are made of released ones (CONTRACT §1). */
const LONG_WINDOWS_MS: readonly number[] = [HOUR_MS, DAY_MS];

/** A sensor whose streams of readings are planned. */
export interface DerivedInput {
  readonly id: SensorId;
  readonly path: Path;
  readonly config: SensorConfig;
  readonly timeZone: string;
  readonly sources: readonly StreamPlan[];
}

/** The streams of a sensor that are made `from:` others of it; one with a mistake is reported and left out. */
export function planDerived(input: DerivedInput, report: PlanReport): readonly StreamPlan[] {
  return Object.entries(input.config.streams ?? {}).flatMap(([name, config]) => {
    if (config.from === undefined) return [];
    const path = [...input.path, "streams", name];
    const source = sourceOf(config.from, path, input, report);
    const windowMs = planLongWindow(config, path, source, report);
    if (source === null || windowMs === null) return [];
    const timeZone = config.days === "local" ? input.timeZone : null;
    if (timeZone !== null && !meets(source, timeZone, path, report)) return [];
    const id = streamId(input.id, name);
    return [{ ...source, id, name, windowMs, latenessMs: durationMs(0), from: { stream: source.id, timeZone } }];
  });
}

function sourceOf(from: string, path: Path, { config, sources, id }: DerivedInput, report: PlanReport): StreamPlan | null {
  const at = [...path, "from"];
  const named = config.streams?.[from];
  if (named === undefined) {
    const names = Object.entries(config.streams ?? {}).flatMap(([name, one]) => (one.from === undefined ? [name] : []));
    report.error(at, `"${from}" is not a stream of this sensor${didYouMean(from, names) || `; it has ${listed(names, "and") || "none"}`}`);
    return null;
  }
  if (named.from !== undefined) {
    report.error(at, `"${from}" is made of another stream itself; write from: ${named.from}`);
    return null;
  }
  const source = sources.find((one) => one.id === streamId(id, from));
  if (source === undefined) return null; // its own mistake was said where it stands
  const problem = sourceProblem(source);
  if (problem === null) return source;
  report.error(at, `cannot be ${from}, ${problem}`);
  return null;
}

/** Why released windows of a stream cannot be added up, or null when they can. */
function sourceProblem({ policy, channel }: StreamPlan): string | null {
  if (policy.is === "withheld") return "which is withheld: a longer window is made of what leaves";
  if (policy.is === "minimum-count") {
    return "of which small counts are withheld: a sum would give them back; make it noised, or publish longer windows in its place";
  }
  if (channel.kind === "identity") return "whose counts do not add up: a device that stays is new in every window";
  return null;
}

function planLongWindow({ window }: StreamConfig, path: Path, source: StreamPlan | null, report: PlanReport): DurationMs | null {
  const at = [...path, "window"];
  const allowed = listed(LONG_WINDOWS_MS.map(durationText));
  if (window === undefined) {
    report.error(at, `is missing: must be ${allowed}, longer than that of the stream it is made of`, "key");
    return null;
  }
  if (!LONG_WINDOWS_MS.includes(window)) {
    report.error(at, `must be ${allowed} for a stream that is made of another, got ${durationText(window)}`);
    return null;
  }
  if (source !== null && window <= source.windowMs) {
    report.error(at, `must be longer than that of ${source.name} (${durationText(source.windowMs)}), got ${durationText(window)}`);
    return null;
  }
  return window;
}

/** Local days must begin where windows of the source do. */
function meets({ name, windowMs }: StreamPlan, timeZone: string, path: Path, report: PlanReport): boolean {
  const isMet = offsetsOf(timeZone).every((minutes) => (minutes * MINUTE_MS) % windowMs === 0);
  if (!isMet) {
    const remedy = "give it windows of 15m or less, or write days: utc";
    report.error(
      [...path, "days"],
      `cannot be local: days of ${timeZone} begin within a window of ${name} (${durationText(windowMs)}); ${remedy}`,
    );
  }
  return isMet;
}
