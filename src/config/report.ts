import type { Policy, StreamPlan } from "../core/reading/stream.ts";
import { epsilonText } from "../core/units/epsilon.ts";
import { type Estimate, estimate } from "./estimate.ts";
import type { GroupPlan, NodePlan, SensorPlan } from "./plan.ts";
import { leavesUnasked } from "./plan-streams.ts";
import { durationText } from "./values.ts";

/** One stream in the report of `stoep check`. */
export interface StreamLine {
  readonly sensor: string;
  readonly stream: string;
  readonly channel: string;
  readonly quantity: string;
  readonly sensitivity: string;
  readonly window: string;
  /** `open`, `noised epsilon=0.5`, `minimum-count k=10`, `withheld`, `from gate-1.passages`. */
  readonly policy: string;
  readonly leaves: boolean;
  /** The operator's reason to hold a quantity outside the vocabulary to be environmental. */
  readonly because?: string;
}

/** Something that is measured, or could be, and stays on the node. */
export interface StayingLine {
  readonly sensor: string;
  readonly channel: string;
  readonly reason: string;
}

/** What `stoep check` says about a file without errors. */
export interface CheckReport {
  readonly node: string;
  readonly broker: string;
  readonly streams: readonly StreamLine[];
  readonly stays: readonly StayingLine[];
  readonly estimate: Estimate;
}

/** The report as data, for `stoep check --json`. */
export function reportJson(plan: NodePlan): CheckReport {
  return {
    node: plan.node.id,
    broker: plan.broker.url,
    streams: [
      ...plan.sensors.flatMap((sensor) => sensor.streams.map((stream) => streamLine(sensor, stream))),
      ...plan.groups.map(groupLine),
    ],
    stays: plan.sensors.flatMap(stayingLines),
    estimate: estimate(plan),
  };
}

function streamLine(sensor: SensorPlan, stream: StreamPlan): StreamLine {
  const { channel, policy, from } = stream;
  const because = sensor.because?.[stream.name];
  return {
    sensor: sensor.id,
    stream: stream.name,
    channel: channel.name,
    quantity: channel.quantity,
    sensitivity: stream.sensitivity,
    window: durationText(stream.windowMs),
    policy: from === null ? policyText(policy) : `from ${from.stream}`,
    leaves: sensor.enabled && policy.is !== "withheld",
    ...(because === undefined ? {} : { because }),
  };
}

/** Why nothing of a channel leaves by itself; of one household it is personal data, whatever is done to it. */
function stayingReason({ consent }: SensorPlan, streams: readonly StreamPlan[]): string {
  const groups = streams.flatMap(({ group }) => (group === null ? [] : [group]));
  const how = groups.length === 0 ? "its policy is withheld" : `leaves with group ${groups.join(", ")} only`;
  if (!streams.some(({ sensitivity }) => sensitivity === "identifying")) return how;
  return `${how}; personal data${consent === null ? "" : `, consent: ${consent}`}`;
}

function policyText(policy: Policy): string {
  if (policy.is === "minimum-count") return `${policy.is} k=${policy.k}`;
  if (policy.is === "group") return `group of ${policy.members.length}`;
  return policy.is === "noised" ? `${policy.is} epsilon=${epsilonText(policy.epsilonMicro)}` : policy.is;
}

function groupLine({ stream }: GroupPlan): StreamLine {
  const { channel, policy } = stream;
  return {
    sensor: stream.sensor,
    stream: stream.name,
    channel: channel.name,
    quantity: channel.quantity,
    sensitivity: stream.sensitivity,
    window: durationText(stream.windowMs),
    policy: policyText(policy),
    leaves: policy.is !== "withheld",
  };
}

function stayingLines(sensor: SensorPlan): readonly StayingLine[] {
  const line = (channel: string, reason: string): StayingLine => ({ sensor: sensor.id, channel, reason });
  return sensor.driver.channels(sensor.options).flatMap((spec) => {
    const streams = sensor.streams.filter(({ channel }) => channel.name === spec.name);
    if (streams.length === 0) {
      if (spec.publish === false) return [line(spec.name, "not named under streams:; the driver does not publish it unasked")];
      if (leavesUnasked(spec)) return [line(spec.name, "not named under streams:")];
      return [line(spec.name, "stems from people, and is not named under streams:")];
    }
    if (!sensor.enabled) return [line(spec.name, "the sensor is not enabled")];
    if (streams.every(({ policy }) => policy.is === "withheld")) return [line(spec.name, stayingReason(sensor, streams))];
    return [];
  });
}

/** The report as text, for people. */
export function reportText(plan: NodePlan): string {
  const { node, broker, streams, stays, estimate: cost } = reportJson(plan);
  const head = ["SENSOR", "STREAM", "CHANNEL", "QUANTITY", "WINDOW", "POLICY", "LEAVES"];
  const rows = streams.map((line) => [
    ...[line.sensor, line.stream, line.channel, line.quantity, line.window, line.policy],
    line.leaves ? leavesAs(line.policy) : "no",
  ]);
  const lines = [`Node ${node} publishes to ${broker} and to nothing else.`, ""];
  lines.push(...(rows.length === 0 ? ["It has no streams."] : table([head, ...rows])));
  const reasons = streams.flatMap(({ sensor, stream, quantity, because }) =>
    because === undefined ? [] : [`  ${sensor}.${stream}: ${quantity} is held to be environmental because: ${because}`],
  );
  if (reasons.length > 0) lines.push("", "Declared by the operator:", ...reasons);
  if (stays.length > 0) {
    const staying = table(stays.map(({ sensor, channel, reason }) => [sensor, channel, reason]));
    lines.push("", "Stays on the node:", ...staying.map((line) => `  ${line}`));
  }
  lines.push("", "Estimates, with the broker in reach:", ...estimateLines(cost).map((line) => `  ${line}`));
  return `${lines.join("\n")}\n`;
}

function leavesAs(policy: string): string {
  if (policy.startsWith("minimum-count")) return "as counts, small ones withheld";
  if (policy.startsWith("group")) return "as one number of all";
  if (policy.startsWith("from ")) return "as sums of what left";
  return policy.startsWith("noised") ? "as counts with noise" : "as statistics";
}

function estimateLines({ summariesPerDay, uplinkMegabytesPerMonth, flashMegabytesPerDay, outboxHours }: Estimate): readonly string[] {
  return table([
    ["summaries", `${grouped(summariesPerDay)} a day`],
    ["uplink", `${uplinkMegabytesPerMonth.toFixed(1)} MB a month`],
    ["flash", `${flashMegabytesPerDay.toFixed(1)} MB a day`],
    ["outbox", outboxHours === null ? "nothing to keep" : `holds ${grouped(outboxHours)} hours without the broker`],
  ]);
}

/** 12,345: the same on every machine, whatever its locale. */
const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

/** Columns as wide as their widest cell, two spaces between them, nothing behind the last. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
