import type { SensorPlan } from "../../src/config/plan.ts";
import { driverOf, sensorPlan, streamPlan } from "./plans.ts";

/** Its windows, milliseconds. */
export const W = 60_000;

/** A dust sensor that says 7 every second, whatever it is asked. */
export function dust(changes: Parameters<typeof sensorPlan>[0] = {}): SensorPlan {
  const id = changes.id ?? "air-1";
  return sensorPlan({
    driver: driverOf({
      handle(event, out) {
        if (event.type === "opened") out.expect(5_000);
        if (event.type !== "opened" && event.type !== "timer") return;
        if (event.type === "timer") out.reading("pm25", 7);
        out.timer("next", 1_000);
      },
    }),
    streams: [streamPlan(undefined, { sensor: id, windowMs: W, latenessMs: 10_000 })],
    ...changes,
  });
}
