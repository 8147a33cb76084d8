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

  it("goes on after a run that failed", async () => {
    let started = 0;
    cancels.push(
      cronScheduler.every("* * * * *", () => {
        started++;
        return Promise.reject(new Error("no room"));
      }),
    );
    await vi.advanceTimersByTimeAsync(3 * 60_000);
    expect(started).toBe(3);
  });

  /** Minutes of the wall clock at which an hourly task ran. */
  function hourly(): string[] {
    const ran: string[] = [];
    const run = (): Promise<void> => Promise.resolve(void ran.push(new Date().toISOString().slice(0, 16)));
    cancels.push(cronScheduler.every("17 * * * *", run));
    return ran;
  }

  it("does not stop the process when the wall clock leaps from 1970 to 2026", async () => {
    vi.setSystemTime(Date.UTC(1970, 0, 1, 0, 16, 30));
    const ran = hourly();
    await vi.advanceTimersByTimeAsync(3_600_000 - 60_000);
    vi.setSystemTime(Date.UTC(2026, 10, 23, 10, 16, 59));
    const before = process.cpuUsage();
    await vi.advanceTimersByTimeAsync(120_000);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000, "ms").toBeLessThan(25);
    expect(ran).toEqual(["1970-01-01T00:17", "2026-11-23T10:17"]);
  });

  it("runs within the hour when the wall clock came back from 2046", async () => {
    vi.setSystemTime(Date.UTC(2046, 0, 1, 0, 16, 30));
    const ran = hourly();
    await vi.advanceTimersByTimeAsync(600_000);
    vi.setSystemTime(Date.UTC(2026, 10, 23, 10, 18, 0));
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(ran).toEqual(["2046-01-01T00:17", "2026-11-23T11:17"]);
  });
});
