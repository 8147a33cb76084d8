import type { Cancel } from "./clock.ts";

/** Housekeeping by the calendar, in UTC. Windows never depend on it. */
export interface Scheduler {
  /** Runs `task` at each match of the cron expression; a run that is still going is not started twice. */
  every(cron: string, task: () => Promise<void>): Cancel;
}
