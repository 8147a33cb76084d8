import { MINIMUM_COUNT_DEFAULT, policiesOf, policyProblem } from "../core/anonymise/policy.ts";
import { findQuantity, stricter } from "../core/reading/quantity.ts";
import { type ChannelPlan, NODE_ACCOUNT, type Policy, type StreamPlan } from "../core/reading/stream.ts";
import { type SensorId, streamId } from "../core/units/ids.ts";
import { DAY_MS, type DurationMs, durationMs, HOUR_MS, MINUTE_MS, SECOND_MS } from "../core/units/time.ts";
import type { ChannelSpec } from "../driver-api/driver.ts";
import type { Budgets } from "./plan-budget.ts";
import { type NamedStream, planCalibrations, planChannel } from "./plan-channel.ts";
import { planDerived } from "./plan-derived.ts";
import type { PlanReport } from "./plan-report.ts";
import type { Path } from "./problem.ts";
import type { SensorConfig, StreamConfig } from "./schema.ts";
import { didYouMean, listed } from "./suggest.ts";
import { durationText } from "./values.ts";

/** Shortest window of a stream that stems from people (CONTRACT §1). */
const PEOPLE_WINDOW_MIN_MS = 5 * MINUTE_MS;
const LATENESS_DEFAULT_MS = 30 * SECOND_MS;
/** Windows that people use, for suggestions: each divides a day. */
const CUSTOMARY_WINDOWS_MS = [
  ...[10, 12, 15, 20, 30].map((seconds) => seconds * SECOND_MS),
  ...[1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60].map((minutes) => minutes * MINUTE_MS),
];
/** Bins of a speed histogram: 5 km/h from 0 to 150, the ends take what lies outside (privacy reference §1). */
export const SPEED_EDGES_KMH: readonly number[] = Array.from({ length: 31 }, (_, index) => index * 5);

/** A sensor whose streams are to be planned. */
export interface StreamsInput {
  readonly id: SensorId;
  readonly path: Path;
  readonly config: SensorConfig;
  readonly channels: readonly ChannelSpec[];
  /** Replayed or made up: no people, so windows may be short. */
  readonly simulated: boolean;
  readonly defaultWindowMs: DurationMs;
  readonly budgets: Budgets;
  /** The node's, for windows of a local day. */
  readonly timeZone: string;
}

/** What a sensor can measure, and what is made of it. */
export interface PlannedStreams {
  /** Every channel of the driver, published or not. */
  readonly channels: readonly ChannelPlan[];
  readonly streams: readonly StreamPlan[];
}

/** Settles every channel and stream of a sensor; a stream with a mistake is reported and left out. */
export function planStreams(input: StreamsInput, report: PlanReport): PlannedStreams {
  const named = namedStreams(input, report);
  const calibrations = planCalibrations(input.config, input.channels, input.path, report);
  const channels: ChannelPlan[] = [];
  const plans: StreamPlan[] = [];
  for (const spec of input.channels) {
    const streams = named.filter(({ channel }) => channel === spec.name);
    const channel = planChannel(spec, streams, calibrations.get(spec.name) ?? null, report);
    channels.push(channel);
    const planned = streams.flatMap((stream) => planStream(stream, channel, input, report) ?? []);
    plans.push(...planned);
  }
  refuseSecondLook(plans, input, report);
  const all = [...plans, ...planDerived({ ...input, sources: plans }, report)];
  // In the order of the file, which is how an operator looks for them.
  const names = Object.keys(input.config.streams ?? {});
  const inOrder = names.flatMap((name) => all.filter((plan) => plan.name === name));
  return { channels, streams: input.config.streams === undefined ? all : inOrder };
}

interface Named extends NamedStream {
  readonly name: string;
  readonly channel: string;
}

/** The streams of the file, or without `streams:` one for each environmental channel that its driver publishes. */
function namedStreams({ config, channels, path }: StreamsInput, report: PlanReport): readonly Named[] {
  if (config.streams === undefined) {
    return channels.filter(leavesUnasked).map(({ name }) => ({ name, channel: name, path: [...path, "streams", name], config: {} }));
  }
  const names = channels.map(({ name }) => name);
  return Object.entries(config.streams).flatMap(([name, stream]) => {
    if (stream.from !== undefined) return []; // made of another stream, not of a channel
    const streamPath = [...path, "streams", name];
    const channel = stream.channel ?? name;
    if (names.includes(channel)) return [{ name, channel, path: streamPath, config: stream }];
    // A stream whose channel: was wrong, or that is made from: another, does not take its channel from its name.
    if (["channel", "from"].some((key) => report.isCut([...streamPath, key]))) return [];
    const known = names.length === 0 ? "it has none" : `it has ${listed(names, "and")}`;
    const hint = stream.channel === undefined ? " (name it with channel:)" : "";
    const where = stream.channel === undefined ? streamPath : [...streamPath, "channel"];
    report.error(where, `"${channel}" is not a channel of driver ${config.driver}: ${known}${didYouMean(channel, names) || hint}`);
    return [];
  });
}

/** What stems from people leaves only when it is named, and what nobody vetted counts as such (CONTRACT §1). */
export function leavesUnasked(spec: ChannelSpec): boolean {
  const floor = findQuantity(spec.quantity)?.floor ?? "presence";
  return spec.publish !== false && stricter(spec.sensitivity, floor) === "environmental";
}

function planStream(stream: Named, channel: ChannelPlan, input: StreamsInput, report: PlanReport): StreamPlan | null {
  const policy = planPolicy(stream, channel, input, report);
  const windowMs = planWindow(stream, policy, channel, input, report);
  if (policy === null || windowMs === null) return null;
  return {
    id: streamId(input.id, stream.name),
    sensor: input.id,
    name: stream.name,
    account: input.config.account ?? NODE_ACCOUNT,
    from: null,
    group: null,
    channel,
    sensitivity: channel.sensitivity,
    policy,
    windowMs,
    latenessMs: planLateness(stream, windowMs, report),
    binEdges: channel.kind === "speed" ? SPEED_EDGES_KMH : [],
  };
}

function planPolicy(stream: Named, channel: ChannelPlan, input: StreamsInput, report: PlanReport): Policy | null {
  const { config, path } = stream;
  const { kind, sensitivity, name, quantity } = channel;
  const [standard = "withheld", ...others] = policiesOf(kind, sensitivity);
  const is = config.policy ?? standard;
  const problem = policyProblem(kind, sensitivity, is);
  if (problem !== null) {
    const unknown = `; ${quantity} is not in the vocabulary, so it counts as presence until sensitivity: and because: say otherwise`;
    report.error([...path, "policy"], `${problem} (channel ${name})${findQuantity(quantity) === null ? unknown : ""}`);
    return null;
  }
  if (config.policy === undefined && standard === "withheld") {
    const choice = others.length === 0 ? "write policy: withheld to say so" : `choose policy: ${listed([...others, standard])}`;
    report.warning([...path, "policy"], `is missing, and the stream stays on the node, as ${sensitivity} channels do; ${choice}`, "key");
  }
  switch (is) {
    case "minimum-count":
      return { is, k: config.k ?? MINIMUM_COUNT_DEFAULT };
    case "noised":
      return planNoised(stream, channel, input, report);
    case "open":
    case "withheld":
      return { is };
  }
}

/** Null without an allotment: why there is none was said where budgets are shared out. */
function planNoised({ config, path, name }: Named, channel: ChannelPlan, { id, budgets }: StreamsInput, report: PlanReport): Policy | null {
  const allotment = budgets.get(streamId(id, name));
  const bound = planBound(config, path, channel, report);
  if (allotment === undefined || bound === "wrong") return null;
  return { is: "noised", epsilonMicro: allotment.epsilonMicro, accountMicro: allotment.accountMicro, bound };
}

/** A counter adds up readings of any size; only when each is bounded is it known how much noise hides one of them. */
function planBound(
  { bound }: StreamConfig,
  path: Path,
  { kind, name, unit, resolution }: ChannelPlan,
  report: PlanReport,
): number | null | "wrong" {
  const isCounter = kind === "counter";
  if (isCounter && bound === undefined) {
    report.error([...path, "bound"], `is missing: with noised, a counter says how much one reading of ${name} may add (${unit})`, "key");
    return "wrong";
  }
  if (bound === undefined) return null;
  if (!isCounter) {
    report.error([...path, "bound"], `is for counters; channel ${name} is of kind ${kind}, and one event counts once`);
    return "wrong";
  }
  const steps = bound / resolution;
  if (steps >= 1 && Math.abs(steps - Math.round(steps)) < 1e-6) return bound;
  report.error([...path, "bound"], `must be a multiple of what channel ${name} resolves (${resolution}), got ${bound}`);
  return "wrong";
}

function planWindow(
  { config, path }: Named,
  policy: Policy | null,
  { sensitivity, name }: ChannelPlan,
  input: StreamsInput,
  report: PlanReport,
): DurationMs | null {
  const windowMs = config.window ?? input.defaultWindowMs;
  // The file's own window is checked once, where it stands; here only what it means for this stream.
  if (config.window !== undefined) {
    const problem = latticeProblem(windowMs);
    if (problem !== null) {
      report.error([...path, "window"], problem);
      return null;
    }
  }
  const showsNobody = sensitivity === "environmental" || input.simulated || policy?.is === "withheld";
  if (showsNobody || windowMs >= PEOPLE_WINDOW_MIN_MS) return windowMs;
  const source = config.window === undefined ? `${durationText(windowMs)} (the file's window:)` : durationText(windowMs);
  const range = `from ${durationText(PEOPLE_WINDOW_MIN_MS)} to ${durationText(HOUR_MS)}`;
  report.error(
    [...path, "window"],
    `must be ${range}, got ${source}: channel ${name} is ${sensitivity}, and short windows show single people`,
  );
  return null;
}

/** Why windows of this length do not tile a UTC day in whole seconds, or null when they do. */
export function latticeProblem(windowMs: number): string | null {
  if (windowMs % SECOND_MS === 0 && DAY_MS % windowMs === 0) return null;
  const near = [CUSTOMARY_WINDOWS_MS.findLast((length) => length < windowMs), CUSTOMARY_WINDOWS_MS.find((length) => length > windowMs)];
  const choice = near.flatMap((length) => (length === undefined ? [] : [durationText(length)]));
  return `must divide a day, got ${durationText(windowMs)}; near it ${choice.length === 1 ? "is" : "are"} ${listed(choice, "and")}`;
}

/** 30 s, but never longer than the window, and for windows under a minute a tenth of it (at least 1 s): fast streams stay fast. */
function planLateness({ config, path }: { config: StreamConfig; path: Path }, windowMs: DurationMs, report: PlanReport): DurationMs {
  if (config.lateness === undefined) {
    return windowMs >= MINUTE_MS ? durationMs(LATENESS_DEFAULT_MS) : durationMs(Math.max(SECOND_MS, windowMs / 10));
  }
  if (config.lateness > windowMs) {
    report.error([...path, "lateness"], `must be at most the window (${durationText(windowMs)}), got ${durationText(config.lateness)}`);
  }
  return config.lateness;
}

/**
 * Two published streams of the same people with different windows would give back what suppression took: the long window
 * minus its other parts is the short one that was withheld. Longer windows are made of released ones (DESIGN §3). Noised streams
 * may look twice: each look costs its part of the budget.
 */
function refuseSecondLook(plans: readonly StreamPlan[], input: StreamsInput, report: PlanReport): void {
  const [first, ...more] = plans.filter(({ policy }) => policy.is === "minimum-count");
  for (const { name, channel, windowMs, latenessMs } of more) {
    // Another table of the same windows is audited when they are closed (`core/anonymise/interval-audit.ts`).
    const isOther = first !== undefined && channel.name !== first.channel.name && more.length === 1;
    if (isOther && windowMs === first.windowMs && latenessMs === first.latenessMs) continue;
    const path = [...input.path, "streams", name];
    const why = `stream ${first?.name} publishes them already, and the difference would show what was withheld`;
    const remedy = "give both the same window and lateness, or publish one of them";
    report.error(path, `is a second look at the people in front of this sensor: ${why}${isOther ? `; ${remedy}` : ""}`, "key");
  }
}
