import { MINUTE_MS } from "../core/units/time.ts";
import type { Cancel } from "../ports/clock.ts";
import type { Scheduler } from "../ports/scheduler.ts";
import { onDemand } from "./on-demand.ts";

/** Three looks a minute: one that is late passes over none. */
const LOOK_EVERY_MS = 20_000;

// It would write to the console when a run fails; the log of the node is events, and tasks tell theirs themselves.
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };

/**
 * Housekeeping by the calendar of node-cron, in UTC. Its own beat is not started: that waits for one slot, walks through every slot
 * between it and a wall clock that leapt ahead (56 years of hours: half a minute in which nothing else happens), and waits for years
 * when the wall clock came back from them. A look at the minute that it is has nothing to catch up with and nothing to wait for.
 */
export const cronScheduler: Scheduler = {
  every(expression: string, task: () => Promise<void>): Cancel {
    const cron = onDemand("node-cron") as typeof import("node-cron");
    const job = cron.createTask(expression, task, { timezone: "Etc/UTC", logger: silent });
    let lastMinute = minuteNow();
    let isGoing = false;
    const over = (): void => {
      isGoing = false;
    };
    const timer = setInterval(() => {
      const minute = minuteNow();
      if (minute === lastMinute) return;
      lastMinute = minute;
      if (isGoing || !job.match(new Date(minute * MINUTE_MS))) return;
      isGoing = true;
      void job.execute().then(over, over);
    }, LOOK_EVERY_MS);
    return () => {
      clearInterval(timer);
      void job.destroy();
    };
  },
};

const minuteNow = (): number => Math.floor(Date.now() / MINUTE_MS);
