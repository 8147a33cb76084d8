import type { NodePlan } from "../config/plan.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import { type SensorId, sensorId } from "../core/units/ids.ts";

/** Every stream that is closed, or made of one that is: of enabled sensors, and of groups. */
export function streamsOf({ sensors, groups }: NodePlan): readonly StreamPlan[] {
  return [...sensors.filter(({ enabled }) => enabled).flatMap(({ streams }) => streams), ...groups.map(({ stream }) => stream)];
}

/** Sensors and groups whose summaries carry the flag `simulated`. */
export function simulatedIn({ sensors, groups }: NodePlan): ReadonlySet<SensorId> {
  const isSimulated = ({ port }: NodePlan["sensors"][number]): boolean => port.is === "replay" || port.is === "simulator";
  return new Set([...sensors.filter(isSimulated), ...groups.filter(({ simulated }) => simulated)].map(({ id }) => id));
}

/** Whose readings a stream is made of: those of its sensor, or of the members of its group. */
export function sensorsOf({ policy, sensor }: StreamPlan): readonly SensorId[] {
  if (policy.is !== "group") return [sensor];
  return [...new Set(policy.members.map((id) => sensorId(id.slice(0, id.indexOf(".")))))];
}
