import { describe, expect, it } from "vitest";
import { DROP_REASONS, SensorCounters } from "../../../../src/core/events/counters.ts";
import { EVENTS } from "../../../../src/core/events/events.ts";

describe("SensorCounters", () => {
  it("balance when everything emitted was stored, set aside or dropped", () => {
    const counters = new SensorCounters();
    expect(counters.balanced).toBe(true);
    counters.emitted = DROP_REASONS.length + 2;
    counters.stored = 1;
    counters.setAside = 1;
    for (const reason of DROP_REASONS) counters.drop(reason);
    expect(counters.balanced).toBe(true);
    counters.drop("late");
    expect(counters.balanced).toBe(false);
  });

  it("do not balance when more bytes were discarded than came in", () => {
    const counters = new SensorCounters();
    counters.bytes = 10;
    counters.discard("noise", 4);
    counters.discard("checksum", 6);
    expect(counters.balanced).toBe(true);
    counters.discard("noise", 1);
    expect(counters.discardedBytes).toEqual({ noise: 5, checksum: 6 });
    expect(counters.balanced).toBe(false);
  });
});

it("says about every event in one line what it means", () => {
  for (const { says } of Object.values(EVENTS)) expect(says).toMatch(/^[^\n]{10,120}$/);
});
