import { describe, expect, it } from "vitest";
import type { Truth } from "./instruments/instrument.ts";
import { compareState, compareWindow, gapsIn, type HeardSummary, wrongCoverage } from "./oracle.ts";
import type { Sample } from "./street-log.ts";

const START_MS = Date.UTC(2026, 10, 26, 10);
const NOW = { earlyMs: 0, lateMs: 0 };
const TENTHS: Truth = { kind: "gauge", scale: 1, decimals: 1 };

const summary = (stats: object, more: Partial<HeardSummary> = {}): HeardSummary => ({
  id: "a window",
  sensor: "air-1",
  stream: "pm25",
  kind: "gauge",
  window: { start: "2026-11-26T10:00:00Z", end: "2026-11-26T10:01:00Z", seconds: 60 },
  stats: stats as Readonly<Record<string, unknown>>,
  coverage: 1,
  quality: "ok",
  flags: [],
  ...more,
});

/** Values, one every 10 s from the start of the window on, unless a time is given. */
const told = (values: readonly number[], times: readonly number[] = []): readonly Sample[] =>
  values.map((steps, index) => ({ channel: "pm25", steps, atMs: START_MS + (times[index] ?? index * 10_000) }));

const problemOf = (what: Truth, stats: object, samples: readonly Sample[], zone = NOW): string | null =>
  compareWindow(summary(stats), what, samples, zone).problem;

/** 1.0, 2.0, 2.0, 4.1: worked out by hand. */
const VALUES = [10, 20, 20, 41];
const RIGHT = { samples: 4, mean: 2.28, min: 1, max: 4.1, stddev: 1.3, p50: 2, p95: 4.1 };

describe("the oracle of the street", () => {
  it("takes a statistic that was worked out by hand, and either neighbour of a tie (2.275)", () => {
    expect(problemOf(TENTHS, RIGHT, told(VALUES))).toBeNull();
    expect(problemOf(TENTHS, { ...RIGHT, mean: 2.27 }, told(VALUES))).toBeNull();
  });

  it.each([
    ["samples", 5],
    ["mean", 2.29],
    ["mean", 2.275],
    ["min", 1.1],
    ["max", 4],
    ["stddev", 1.31],
    ["stddev", 1.29],
    ["p50", 2.1],
    ["p95", 2],
    ["other", 1],
  ])("finds a wrong %s (%d)", (name, figure) => {
    expect(problemOf(TENTHS, { ...RIGHT, [name]: figure }, told(VALUES))).toContain(name);
  });

  it("finds one value that is missing, that is another, and that comes from the next window", () => {
    expect(problemOf(TENTHS, RIGHT, told(VALUES.slice(1)))).not.toBeNull();
    expect(problemOf(TENTHS, RIGHT, told([10, 20, 21, 41]))).not.toBeNull();
    expect(problemOf(TENTHS, RIGHT, told(VALUES, [0, 10_000, 20_000, 60_000]))).not.toBeNull();
  });

  it("has a value that was told just before an edge be on either side, and one from long before on its own only", () => {
    const zone = { earlyMs: 50, lateMs: 500 };
    expect(compareWindow(summary(RIGHT), TENTHS, told(VALUES, [-400, 100, 2_000, 3_000]), zone)).toMatchObject({ problem: null, ways: 2 });
    expect(problemOf(TENTHS, RIGHT, told(VALUES, [-600, 100, 2_000, 3_000]), zone)).not.toBeNull();
  });

  it("leaves out what was set aside, and takes a reason only where nothing counts", () => {
    const aside = told(VALUES).map((sample) => ({ ...sample, isSetAside: true }));
    const { stats: _, ...nothing } = summary({}, { reason: "missing" });
    expect(
      problemOf(
        TENTHS,
        RIGHT,
        [...aside, ...told(VALUES)].toSorted((a, b) => a.atMs - b.atMs),
      ),
    ).toBeNull();
    expect(compareWindow(nothing, TENTHS, aside, NOW).problem).toBeNull();
    expect(compareWindow(nothing, TENTHS, told(VALUES), NOW).problem).not.toBeNull();
  });

  it("computes levels by their energy: 60 and 70 dB are 67.4 dB", () => {
    const level: Truth = { kind: "level", scale: 1, decimals: 1 };
    const right = { samples: 2, laeq: 67.4, lamax: 70, l10: 70, l50: 60, l90: 60 };
    expect(problemOf(level, right, told([600, 700]))).toBeNull();
    expect(problemOf(level, { ...right, laeq: 65 }, told([600, 700]))).toContain("laeq");
    expect(problemOf(level, { ...right, l10: 60 }, told([600, 700]))).toContain("l10");
  });

  it("computes directions as vectors: 350 and 20 degrees are 5", () => {
    const direction: Truth = { kind: "direction", scale: 0, decimals: 0 };
    const right = { samples: 2, mean: 5, resultant: 0.966 };
    expect(problemOf(direction, right, told([350, 20]))).toBeNull();
    expect(problemOf(direction, { ...right, mean: 185 }, told([350, 20]))).toContain("mean");
    expect(problemOf(direction, { ...right, resultant: 0.965 }, told([350, 20]))).toContain("resultant");
  });

  it("computes the sum of a counter, and its busiest minute", () => {
    const rain: Truth = { kind: "counter", scale: 4, decimals: 4 };
    const right = { samples: 3, sum: 0.8382, peakPerHour: 50.292 };
    expect(problemOf(rain, right, told([2_794, 2_794, 2_794]))).toBeNull();
    expect(problemOf(rain, { ...right, sum: 0.8383 }, told([2_794, 2_794, 2_794]))).toContain("sum");
    expect(problemOf(rain, { ...right, peakPerHour: 50.2 }, told([2_794, 2_794, 2_794]))).toContain("peakPerHour");
  });

  it("computes how long a state was held, from when it is known", () => {
    const door: Truth = { kind: "state", scale: 0, decimals: 4, states: ["closed", "open"] };
    const course = { fromMs: START_MS + 20_000, changes: told([0, 1], [20_000, 50_000]) };
    const right = { samples: 2, transitions: 1, share: { closed: 0.75, open: 0.25 } };
    expect(compareState(summary(right), door, course, 0)).toBeNull();
    expect(compareState(summary({ ...right, share: { closed: 0.7499, open: 0.2501 } }), door, course, 0)).toContain("closed");
    expect(compareState(summary({ ...right, transitions: 2 }), door, course, 0)).toContain("transitions");
    expect(compareState(summary({ ...right, share: { closed: 0.74, open: 0.26 } }), door, course, 1_000)).toBeNull();
  });

  it("wants a coverage of 1 of a sensor that never paused, and less of one that did", () => {
    const none = { leastMs: 0, mostMs: 0 };
    const covers = (coverage: number, aliveFromMs: number, gaps = none) =>
      wrongCoverage(summary({}, { coverage }), aliveFromMs, 1_000, gaps);
    expect(covers(1, START_MS - 1)).toBeNull();
    expect(covers(0.99, START_MS - 1)).not.toBeNull();
    expect(covers(0.5, START_MS + 30_000)).toBeNull();
    expect(covers(0.6, START_MS + 30_000)).not.toBeNull();
    const samples = told([1, 2, 3, 4, 5, 6], [0, 5_000, 10_000, 40_000, 45_000, 50_000]);
    const gaps = gapsIn(samples, summary({}), START_MS - 1);
    expect(gaps).toEqual({ leastMs: 30_000, mostMs: 30_000 });
    expect(covers(0.5, START_MS - 1, gaps)).toBeNull();
    expect(covers(0.4, START_MS - 1, gaps)).not.toBeNull();
    expect(covers(0.6, START_MS - 1, gaps)).not.toBeNull();
    const aside = samples.map((sample, index) => ({ ...sample, isSetAside: index === 4 }));
    expect(gapsIn(aside, summary({}), START_MS - 1)).toEqual({ leastMs: 35_000, mostMs: 35_000 });
  });
});
