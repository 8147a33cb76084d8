import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { epochMs, HOUR_MS, isoUtc } from "../../../../src/core/units/time.ts";
import { dayAt, offsetsOf } from "../../../../src/core/window/local-day.ts";

const day = (at: string, timeZone: string | null): readonly [string, string, number] => {
  const { start, end } = dayAt(epochMs(Date.parse(at)), timeZone);
  return [isoUtc(start), isoUtc(end), (end - start) / HOUR_MS];
};

describe("a calendar day", () => {
  it.each([
    ["UTC", "2026-11-23T12:00:00Z", null, "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", 24],
    ["Amsterdam in winter", "2026-11-23T12:00:00Z", "Europe/Amsterdam", "2026-11-22T23:00:00Z", "2026-11-23T23:00:00Z", 24],
    ["Amsterdam, its first minute", "2026-11-22T23:00:00Z", "Europe/Amsterdam", "2026-11-22T23:00:00Z", "2026-11-23T23:00:00Z", 24],
    ["Amsterdam, the minute before", "2026-11-22T22:59:59Z", "Europe/Amsterdam", "2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z", 24],
    ["the short day of spring", "2026-03-29T12:00:00Z", "Europe/Amsterdam", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23],
    ["the long day of autumn", "2026-10-25T12:00:00Z", "Europe/Amsterdam", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25],
    ["half an hour of summer time", "2026-04-05T00:00:00Z", "Australia/Lord_Howe", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 24.5],
    ["a day that begins at one", "2026-04-24T12:00:00Z", "Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z", 23],
    ["no summer time", "2026-07-01T00:00:00Z", "Asia/Kathmandu", "2026-06-30T18:15:00Z", "2026-07-01T18:15:00Z", 24],
  ])("%s", (_, at, timeZone, start, end, hours) => {
    expect(day(at, timeZone)).toEqual([start, end, hours]);
  });

  it("holds its instant, and the next one begins where it ends", () => {
    const zone = fc.constantFrom("Europe/Amsterdam", "Atlantic/Azores", "Australia/Lord_Howe", "America/St_Johns", "Africa/Cairo", "UTC");
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2025, 0, 1), max: Date.UTC(2035, 0, 1) }), zone, (at, timeZone) => {
        const { start, end } = dayAt(epochMs(at), timeZone);
        expect(start <= at && at < end).toBe(true);
        expect(dayAt(end, timeZone).start).toBe(end);
        expect(dayAt(epochMs(end - 1), timeZone)).toEqual({ start, end });
      }),
      { numRuns: 300 },
    );
  });

  it("knows every distance from UTC that a zone has", () => {
    expect(offsetsOf("Europe/Amsterdam").toSorted((a, b) => a - b)).toEqual([60, 120]);
    expect(offsetsOf("Asia/Kathmandu")).toEqual([345]);
  });
});
