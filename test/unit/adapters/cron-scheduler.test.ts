import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cronScheduler } from "../../../src/adapters/cron-scheduler.ts";
import type { Cancel } from "../../../src/ports/clock.ts";

describe("cronScheduler", () => {
  const cancels: Cancel[] = [];
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 10, 23, 10, 16, 30) });
    // Where the machine stands must not matter.
    vi.stubEnv("TZ", "Asia/Kathmandu");
  });
  afterEach(() => {
    for (const cancel of cancels.splice(0)) cancel();
    vi.useRealTimers();
    vi.unstubAllEnvs();
  });

  it("runs a task at each match, in UTC, until it is called off", async () => {
    const ran: string[] = [];
    const cancel = cronScheduler.every("17 10-11 * * *", () => {
      ran.push(new Date().toISOString().slice(0, 16));
      return Promise.resolve();
    });
    cancels.push(cancel);
    await vi.advanceTimersByTimeAsync(2 * 3_600_000);
    expect(ran).toEqual(["2026-11-23T10:17", "2026-11-23T11:17"]);
    cancel();
    cancel();
    await vi.advanceTimersByTimeAsync(24 * 3_600_000);
    expect(ran).toHaveLength(2);
  });

  it("does not start a run while one is still going", async () => {
    let started = 0;
    cancels.push(
      cronScheduler.every("* * * * *", () => {
        started++;
        return new Promise(() => undefined);
      }),
    );
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect(started).toBe(1);
  });
});
