import { GROUPED_QUANTITIES, groupRule } from "../core/anonymise/group.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import { type SensorId, sensorId, streamId } from "../core/units/ids.ts";
import type { GroupPlan, SensorPlan } from "./plan.ts";
import type { PlanReport } from "./plan-report.ts";
import type { Path } from "./problem.ts";
import type { NodeConfig } from "./schema.ts";
import { didYouMean, listed } from "./suggest.ts";
import { durationText } from "./values.ts";

/** What a group of parking bays says is called so; a group of households is called after its quantity. */
const BAYS_STREAM = "occupancy";

interface Planned {
  readonly sensors: readonly SensorPlan[];
  readonly groups: readonly GroupPlan[];
}

/** Settles the groups of a node, and marks the streams that are in one. A group with a mistake is reported and left out. */
export function planGroups(config: NodeConfig, sensors: readonly SensorPlan[], report: PlanReport): Planned {
  const groupOf = new Map<string, SensorId>();
  const groups = Object.entries(config.groups).flatMap(([name, group]) => {
    const path = ["groups", name];
    if (Object.hasOwn(config.sensors, name)) report.error(path, "is the name of a sensor already: both are topic levels", "key");
    const members = membersOf(group.members, [...path, "members"], sensors, namedIn(config), groupOf, report);
    const first = members[0];
    if (first === undefined || group.policy !== "minimum-count" || !addUp(members, [...path, "members"], report)) return [];
    const id = sensorId(name);
    for (const { stream } of members) groupOf.set(stream.id, id);
    const label = group.stream ?? (first.stream.channel.quantity === "bay_state" ? BAYS_STREAM : first.stream.channel.quantity);
    const policy = { is: "group", members: members.map(({ stream }) => stream.id) } as const;
    const stream: StreamPlan = { ...first.stream, id: streamId(id, label), sensor: id, name: label, policy, group: null };
    return [{ id, stream, simulated: members.some(({ simulated }) => simulated) }];
  });
  const marked = sensors.map((sensor) => ({
    ...sensor,
    streams: sensor.streams.map((stream) => ({ ...stream, group: groupOf.get(stream.id) ?? stream.group })),
  }));
  return { sensors: marked, groups };
}

/** The streams that the file names, of sensors that are enabled. */
function namedIn({ sensors }: NodeConfig): readonly string[] {
  return Object.entries(sensors).flatMap(([sensor, { enabled, streams = {} }]) =>
    enabled ? Object.keys(streams).map((name) => `${sensor}.${name}`) : [],
  );
}

interface Member {
  readonly stream: StreamPlan;
  readonly simulated: boolean;
}

/** The streams that the patterns of a group mean; `*` is any part of a name. */
function membersOf(
  patterns: readonly string[],
  path: Path,
  sensors: readonly SensorPlan[],
  named: readonly string[],
  groupOf: ReadonlyMap<string, SensorId>,
  report: PlanReport,
): readonly Member[] {
  const all = sensors
    .filter(({ enabled }) => enabled)
    .flatMap(({ streams, port }) =>
      streams.map((stream): Member => ({ stream, simulated: port.is === "replay" || port.is === "simulator" })),
    );
  const found = new Map<string, Member>();
  for (const [index, pattern] of patterns.entries()) {
    const matches = all.filter(({ stream }) => patternOf(pattern).test(stream.id));
    // A sensor with a mistake of its own was told about where it stands.
    if (matches.length === 0 && !named.some((id) => patternOf(pattern).test(id))) {
      const guess = didYouMean(
        pattern,
        all.map(({ stream }) => stream.id),
      );
      report.error(
        [...path, index],
        `"${pattern}" is no stream of a sensor that is enabled${guess || "; write SENSOR.STREAM, with * for any part"}`,
      );
    }
    for (const member of matches) found.set(member.stream.id, member);
  }
  for (const [id, { stream }] of found) {
    const other = groupOf.get(id);
    if (other !== undefined)
      report.error(path, `has ${id}, which is in ${other} already: the difference of two groups would show it alone`);
    if (stream.policy.is !== "withheld")
      report.error(path, `has ${id}, which leaves alone (${stream.policy.is}): make its policy withheld`);
  }
  return [...found.values()];
}

function patternOf(pattern: string): RegExp {
  return new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", "[a-z0-9_-]*")}$`);
}

/** Whether members can be added up, and are enough for none of them to be seen. */
function addUp(members: readonly Member[], path: Path, report: PlanReport): boolean {
  const [first, ...rest] = members.map(({ stream }) => stream);
  if (first === undefined) return false;
  const rule = groupRule(first.channel.quantity);
  if (rule === null) {
    report.error(path, `has ${first.id}, which measures ${first.channel.quantity}: groups are of ${listed(GROUPED_QUANTITIES)}`);
    return false;
  }
  for (const other of rest) {
    const difference = differenceOf(first, other);
    if (difference === null) continue;
    report.error(path, `has ${first.id} and ${other.id}, which cannot be added up: ${difference}`);
    return false;
  }
  if (members.length >= rule.membersMin) return true;
  const remedy = "add members, or leave the streams withheld";
  report.error(path, `has ${members.length} ${rule.who}; at least ${rule.membersMin} are needed, so that none of them is seen: ${remedy}`);
  return false;
}

function differenceOf(a: StreamPlan, b: StreamPlan): string | null {
  if (a.channel.quantity !== b.channel.quantity) return `one is ${a.channel.quantity}, the other ${b.channel.quantity}`;
  if (a.channel.unit !== b.channel.unit) return `one is in ${a.channel.unit}, the other in ${b.channel.unit}`;
  if (a.sensitivity !== b.sensitivity) return `one is ${a.sensitivity}, the other ${b.sensitivity}`;
  if (a.windowMs !== b.windowMs) return `their windows are ${durationText(a.windowMs)} and ${durationText(b.windowMs)}`;
  if (a.latenessMs !== b.latenessMs) return `their lateness is ${durationText(a.latenessMs)} and ${durationText(b.latenessMs)}`;
  return null;
}
