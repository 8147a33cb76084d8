import type { NodePlan, SensorPlan } from "../config/plan.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import type { Host } from "../ports/host.ts";

/** Why streams of people are withheld on this machine, and how to mend it. */
export interface PeopleProblem {
  readonly code: "SWAP_ON_DISK" | "SWAP_UNKNOWN";
  readonly remedy: string;
}

/** What keeps this machine from holding readings of people in memory only (promise P2); null when nothing does. */
export async function peopleProblem(host: Host): Promise<PeopleProblem | null> {
  const swap = await host.swap();
  if (swap === null) return { code: "SWAP_UNKNOWN", remedy: "let the node read /proc/swaps" };
  const onDisk = swap.find((area) => area.on === "disk");
  if (onDisk === undefined) return null;
  return { code: "SWAP_ON_DISK", remedy: `switch ${onDisk.name} off (swapoff ${onDisk.name}, and keep it off at boot), or use zram` };
}

const isReal = (sensor: SensorPlan): boolean => sensor.port.is !== "replay" && sensor.port.is !== "simulator";

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
  const isOfPeople = ({ sensitivity, policy, group }: StreamPlan): boolean =>
    sensitivity !== "environmental" && (policy.is !== "withheld" || group !== null);
  return plan.sensors.some((sensor) => isReal(sensor) && sensor.streams.some(isOfPeople));
}
