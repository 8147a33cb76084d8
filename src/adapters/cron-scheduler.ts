import cron from "node-cron";
import type { Cancel } from "../ports/clock.ts";
import type { Scheduler } from "../ports/scheduler.ts";

/** Housekeeping on node-cron, in UTC. */
export const cronScheduler: Scheduler = {
  every(expression: string, task: () => Promise<void>): Cancel {
    const job = cron.schedule(expression, task, { timezone: "Etc/UTC", noOverlap: true });
    return () => void job.destroy();
  },
};
