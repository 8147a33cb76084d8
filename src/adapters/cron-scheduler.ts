import cron from "node-cron";
import type { Cancel } from "../ports/clock.ts";
import type { Scheduler } from "../ports/scheduler.ts";

// It would write to the console when a run is skipped or fails; the log of the node is events, and tasks tell theirs themselves.
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };

/** Housekeeping on node-cron, in UTC. */
export const cronScheduler: Scheduler = {
  every(expression: string, task: () => Promise<void>): Cancel {
    const job = cron.schedule(expression, task, { timezone: "Etc/UTC", noOverlap: true, logger: silent });
    return () => void job.destroy();
  },
};
