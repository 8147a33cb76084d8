import { expect, it } from "vitest";
import { createSystemClock } from "../../src/adapters/system-clock.ts";

it("never calls a task before its time on the monotonic clock", async () => {
  const clock = createSystemClock();
  const early: number[] = [];
  for (let round = 0; round < 40; round++) {
    const dueMs = clock.monotonicMs() + 3;
    await new Promise<void>((resolve) => clock.after(3, resolve));
    if (clock.monotonicMs() < dueMs) early.push(dueMs - clock.monotonicMs());
  }
  expect(early).toEqual([]);
});

it("gets an answer, or none, about this machine's time within a few seconds and never fails", async () => {
  const clock = createSystemClock();
  const fromMs = clock.monotonicMs();
  for (const { says } of await clock.testimonies()) expect(["synced", "gps", "rtc", "no"]).toContain(says);
  expect(clock.monotonicMs() - fromMs).toBeLessThan(10_000);
});
