import { describe, expect, it } from "vitest";
import { durationMs, epochMs, isoDuration, isoUtc } from "../../../../src/core/units/time.ts";

describe("isoUtc", () => {
  it.each([
    [Date.UTC(2026, 10, 23, 10, 0, 0), "2026-11-23T10:00:00Z"],
    [Date.UTC(2026, 10, 23, 10, 15, 31, 120), "2026-11-23T10:15:31.120Z"],
    [Date.UTC(2026, 10, 23, 10, 15, 31, 5), "2026-11-23T10:15:31.005Z"],
    [0, "1970-01-01T00:00:00Z"],
    [-1_000, "1969-12-31T23:59:59Z"],
  ])("writes %d as %s", (at, text) => {
    expect(isoUtc(epochMs(at))).toBe(text);
  });
});

describe("isoDuration", () => {
  it.each([
    [10_000, "PT10S"],
    [60_000, "PT1M"],
    [90_000, "PT90S"],
    [900_000, "PT15M"],
    [3_600_000, "PT1H"],
    [5_400_000, "PT90M"],
    [86_400_000, "P1D"],
  ])("writes %d ms as %s", (length, text) => {
    expect(isoDuration(durationMs(length))).toBe(text);
  });
});
