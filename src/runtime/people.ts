import type { NodePlan, SensorPlan } from "../config/plan.ts";
import type { NodeProblem } from "../core/events/problems.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import type { Host } from "../ports/host.ts";

/** Codes that say why streams of people are withheld. They are judged for each plan: where no people are, nothing keeps them out. */
export const PEOPLE_CODES = ["SWAP_ON_DISK", "SWAP_UNKNOWN", "CORE_DUMPS", "CORE_DUMPS_UNKNOWN"] as const satisfies readonly NodeProblem[];

/** Why streams of people are withheld on this machine, and how to mend it. */
export interface PeopleProblem {
  readonly code: (typeof PEOPLE_CODES)[number];
  readonly remedy: string;
}

/** Everything that keeps this machine from holding readings of people in memory only (promise P2). */
export async function peopleProblems(host: Host): Promise<readonly PeopleProblem[]> {
  const [swap, coreDumps] = await Promise.all([host.swap(), host.coreDumps()]);
  const problems: PeopleProblem[] = [];
  if (swap === null) problems.push({ code: "SWAP_UNKNOWN", remedy: "let the node read /proc/swaps" });
  const onDisk = (swap ?? []).filter(({ on }) => on === "disk").map(({ name }) => name);
  if (onDisk.length > 0) {
    const names = onDisk.join(" and ");
    problems.push({ code: "SWAP_ON_DISK", remedy: `switch ${names} off (swapoff ${onDisk[0]}, and keep it off at boot), or use zram` });
  }
  if (coreDumps === "possible") problems.push({ code: "CORE_DUMPS", remedy: CORE_DUMPS_REMEDY });
  if (coreDumps === "unknown") {
    problems.push({ code: "CORE_DUMPS_UNKNOWN", remedy: "let the node read /proc/self/limits and /proc/sys/kernel/core_pattern" });
  }
  return problems;
}

const CORE_DUMPS_REMEDY =
  "set LimitCORE=0 in the unit (ulimit -c 0 in a shell); where core_pattern names a handler other than systemd-coredump, " +
  "set LimitCORE=1, which ends every handler, or remove it";

const isReal = (sensor: SensorPlan): boolean => sensor.port.is !== "replay" && sensor.port.is !== "simulator";

/** Whether people cause anything of what a sensor sees. */
export const isOfPeople = ({ channels, streams }: SensorPlan): boolean =>
  [...channels, ...streams].some(({ sensitivity }) => sensitivity !== "environmental");

/** The plan with every stream of people withheld; simulated and replayed ones stay, because nobody is behind them. */
export function withoutPeople(plan: NodePlan): NodePlan {
  const sensors = plan.sensors.map((sensor) => {
    if (!isReal(sensor)) return sensor;
    const streams = sensor.streams.map((stream) =>
      stream.sensitivity === "environmental" ? stream : { ...stream, policy: { is: "withheld" } as const, group: null },
    );
    return { ...sensor, streams };
  });
  const groups = plan.groups.map((group) =>
    group.simulated ? group : { ...group, stream: { ...group.stream, policy: { is: "withheld" } as const } },
  );
  return { ...plan, sensors, groups };
}

/** Whether a real sensor's stream of people would be published. */
export function hasPeople(plan: NodePlan): boolean {
  const wouldLeave = ({ sensitivity, policy, group }: StreamPlan): boolean =>
    sensitivity !== "environmental" && (policy.is !== "withheld" || group !== null);
  return plan.sensors.some((sensor) => isReal(sensor) && sensor.streams.some(wouldLeave));
}
