import type { Cancel } from "../ports/clock.ts";
import type { Scheduler } from "../ports/scheduler.ts";
import { onDemand } from "./on-demand.ts";

// It would write to the console when a run is skipped or fails; the log of the node is events, and tasks tell theirs themselves.
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };

/** Housekeeping on node-cron, in UTC. */
export const cronScheduler: Scheduler = {
  every(expression: string, task: () => Promise<void>): Cancel {
    const cron = onDemand("node-cron") as typeof import("node-cron");
    const job = cron.schedule(expression, task, { timezone: "Etc/UTC", noOverlap: true, logger: silent });
    return () => void job.destroy();
  },
};
