import type { Cancel } from "./clock.ts";

/** Housekeeping by the calendar, in UTC. Windows never depend on it. */
export interface Scheduler {
  /**
   * Runs `task` at each match of the cron expression; a run that is still going is not started twice. By the wall clock, trusted or not: a
   * minute that it leaps over has no run, and after a leap by years the next run is as near as ever.
   */
  every(cron: string, task: () => Promise<void>): Cancel;
}
