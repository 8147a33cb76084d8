import { describe, expect, it } from "vitest";
import { keepTime, labelled, type TimeKeeping, type TimeSample, UNTRUSTED } from "../../../../src/core/machine/timekeeper.ts";
import { epochMs, monotonicMs } from "../../../../src/core/units/time.ts";

const OFFSET_MS = 1_795_428_000_000;
const sample = (offsetMs: number, trust: TimeSample["trust"], monoMs = 5_000): TimeSample => ({
  monoMs: monotonicMs(monoMs),
  wallMs: epochMs(monoMs + offsetMs),
  trust,
});
const trusted = (changes: object = {}): TimeKeeping => ({ is: "trusted", offsetMs: OFFSET_MS, state: "synced", stepped: "no", ...changes });

describe("keepTime", () => {
  it("waits while nobody vouches for the wall clock", () => {
    expect(keepTime(UNTRUSTED, "system", sample(OFFSET_MS, null))).toEqual(UNTRUSTED);
  });

  it.each(["synced", "rtc", "gps"] as const)("trusts the wall clock when %s vouches, whatever it showed before", (trust) => {
    expect(keepTime(UNTRUSTED, "system", sample(OFFSET_MS, trust))).toEqual(trusted({ state: trust }));
  });

  it("trusts it at once when the operator does", () => {
    expect(keepTime(UNTRUSTED, "operator", sample(OFFSET_MS, null))).toEqual(trusted({ state: "operator" }));
  });

  it.each([
    [0, "no"],
    [1, "no"],
    [500, "no"],
    [501, "small"],
    [60_000, "small"],
    [60_001, "large"],
    [86_400_000, "large"],
  ])("takes a change of %d ms, either way, for step: %s", (byMs, stepped) => {
    for (const offsetMs of [OFFSET_MS + byMs, OFFSET_MS - byMs]) {
      expect(keepTime(trusted(), "system", sample(offsetMs, "synced"))).toEqual(trusted({ offsetMs, stepped }));
    }
  });

  it("does not take many small slews for a step", () => {
    let keeping = trusted();
    for (let second = 1; second <= 1_000; second++) {
      keeping = keepTime(keeping, "system", sample(OFFSET_MS + second * 400, "synced"));
      expect(keeping).toMatchObject({ stepped: "no" });
    }
    expect(keeping).toMatchObject({ offsetMs: OFFSET_MS + 400_000 });
  });

  it("keeps the offset and does not follow the wall clock when trust is lost", () => {
    for (const offsetMs of [OFFSET_MS, OFFSET_MS + 3_600_000]) {
      const held = keepTime(trusted({ stepped: "small" }), "system", sample(offsetMs, null));
      expect(held).toEqual(trusted({ state: "holdover" }));
    }
  });

  it("measures a step after a holdover against the offset that was kept", () => {
    const back = keepTime(trusted({ state: "holdover" }), "system", sample(OFFSET_MS - 30_000, "synced"));
    expect(back).toEqual(trusted({ offsetMs: OFFSET_MS - 30_000, stepped: "small" }));
  });
});

it("labels a monotonic instant with whole milliseconds of wall time", () => {
  expect(labelled({ offsetMs: OFFSET_MS }, monotonicMs(12.75))).toBe(OFFSET_MS + 12);
});
