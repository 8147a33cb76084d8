import { describe, expect, it } from "vitest";
import { MARK } from "../../../../src/core/reading/record.ts";
import { binOf, exactStatistic, type StatisticShape } from "../../../../src/core/window/statistics.ts";
import { type PlainRecord, readingsOf } from "../../../support/readings.ts";

const SHAPE: StatisticShape = { kind: "gauge", windowMs: 900_000, startMs: 0, cells: {}, states: [], bound: null, binEdges: [] };
const stat = (changes: Partial<StatisticShape>, records: readonly PlainRecord[]) =>
  exactStatistic({ ...SHAPE, ...changes }, readingsOf(records));
const values = (...all: readonly number[]): PlainRecord[] => all.map((value) => ({ value }));

describe("which records count", () => {
  it.each([
    ["coverage", 0],
    ["warming", MARK.sample | MARK.warming],
    ["suspect", MARK.sample | MARK.suspect],
  ])("leaves %s records out of a gauge", (_, marks) => {
    expect(stat({}, [...values(10, 20), { value: 900, marks }])).toMatchObject({ samples: 2, mean: 15, max: 20 });
  });

  it("says nothing about a gauge, a level or a direction without a sample", () => {
    for (const kind of ["gauge", "level", "direction"] as const) {
      expect(stat({ kind }, [{ value: 1, coversMs: 1_000, marks: 0 }])).toBeNull();
    }
  });

  it("counts samples of instruments that average by themselves, and those after a step of the clock", () => {
    const records = [MARK.deviceInterval, MARK.stepped].map((mark) => ({ value: 7, marks: MARK.sample | mark }));
    expect(stat({}, records)).toMatchObject({ samples: 2 });
  });
});

describe("gauge", () => {
  it("has no spread for one sample", () => {
    expect(stat({}, values(4))).toEqual({ kind: "gauge", samples: 1, mean: 4, min: 4, max: 4, stddev: null, p50: 4, p95: 4 });
  });

  it("takes the spread of the sample, n - 1", () => {
    expect(stat({}, values(2, 4, 4, 4, 5, 5, 7, 9))).toMatchObject({ mean: 5, stddev: Math.sqrt(32 / 7) });
  });

  it("keeps a small spread on a large mean", () => {
    expect(stat({}, values(1e9, 1e9 + 1, 1e9 + 2))).toMatchObject({ mean: 1e9 + 1, stddev: 1 });
  });

  it("uses the nearest rank, which is a value that occurred", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(stat({}, values(...hundred))).toMatchObject({ p50: 50, p95: 95 });
    expect(stat({}, values(1, 2))).toMatchObject({ p50: 1, p95: 2 });
    expect(stat({}, values(...hundred.slice(0, 20)))).toMatchObject({ p50: 10, p95: 19 });
  });
});

describe("level", () => {
  it("averages energy, not decibels", () => {
    // 60 and 70 dB: 10 lg((10^6 + 10^7) / 2) = 67.404 dB, not 65.
    expect(stat({ kind: "level" }, values(60, 70))).toMatchObject({ laeq: expect.closeTo(67.4036, 4), lamax: 70 });
  });

  it("names L10 the level that is exceeded a tenth of the time", () => {
    const levels = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(stat({ kind: "level" }, values(...levels))).toMatchObject({ l10: 90, l50: 50, l90: 10 });
  });
});

describe("direction", () => {
  it("averages across north", () => {
    const found = stat({ kind: "direction" }, values(350, 10));
    expect(found).toMatchObject({ kind: "direction", samples: 2 });
    const { mean } = found as { mean: number };
    expect(Math.min(mean, 360 - mean)).toBeCloseTo(0, 9);
  });

  it("has a resultant of nothing when winds cancel, and of one when they agree", () => {
    expect(stat({ kind: "direction" }, values(0, 180))).toMatchObject({ resultant: expect.closeTo(0, 12) });
    expect(stat({ kind: "direction" }, values(222, 222, 222))).toMatchObject({
      mean: expect.closeTo(222, 9),
      resultant: expect.closeTo(1, 12),
    });
  });

  it("stays within 0 to 360", () => {
    for (const degrees of [0, 90, 180, 270, 359.999, 360]) {
      const { mean } = stat({ kind: "direction" }, values(degrees)) as { mean: number };
      expect(mean).toBeGreaterThanOrEqual(0);
      expect(mean).toBeLessThan(360);
    }
  });
});

describe("counter", () => {
  const rain = (records: readonly PlainRecord[], changes: Partial<StatisticShape> = {}) =>
    stat({ kind: "counter", startMs: 5_000, ...changes }, records);

  it("is zero, and not unknown, when nothing was counted", () => {
    expect(rain([])).toEqual({ kind: "counter", samples: 0, sum: 0, peakPerHour: 0, steps: null });
  });

  it("with a bound, adds whole steps, each reading cut down to the bound first", () => {
    const bounded = stat({ kind: "counter", bound: { most: 2, step: 0.5 } }, values(0.5, 1.2, 9, -3, 0.2));
    expect(bounded).toMatchObject({ steps: 1 + 2 + 4 + 0 + 0 });
  });

  it("takes the wettest whole minute of the window as the peak", () => {
    const records = [
      { atMs: 5_000, value: 1 },
      { atMs: 64_999, value: 1 },
      { atMs: 65_000, value: 1 },
    ];
    expect(rain(records)).toEqual({ kind: "counter", samples: 3, sum: 3, peakPerHour: 120, steps: null });
  });

  it("takes a window of less than a minute as one slot", () => {
    const records = [0, 9_999].map((atMs) => ({ atMs, value: 1 }));
    expect(rain(records, { startMs: 0, windowMs: 10_000 })).toMatchObject({ sum: 2, peakPerHour: 720 });
  });
});

describe("state", () => {
  const door = (records: readonly PlainRecord[]) => stat({ kind: "state", states: ["closed", "open"] }, records);

  it("adds up how long each state was held", () => {
    const records = [
      { atMs: 1_000, value: 0, coversMs: 1_000, marks: 0 },
      { atMs: 1_500, value: 0, coversMs: 500, marks: 0 },
      { atMs: 1_500, value: 1 },
      { atMs: 2_000, value: 1, coversMs: 500, marks: 0 },
    ];
    expect(door(records)).toEqual({ kind: "state", samples: 1, heldMs: [1_500, 500], transitions: 1 });
  });

  it("does not take a repeated state for a transition", () => {
    const records = [1, 1, 1].map((value, index) => ({ atMs: index, value, coversMs: 1 }));
    expect(door(records)).toMatchObject({ samples: 3, transitions: 0 });
  });

  it("leaves suspect samples out of samples and transitions", () => {
    const records = [
      { value: 0, coversMs: 100 },
      { value: 1, marks: MARK.sample | MARK.suspect },
      { value: 0, coversMs: 100 },
    ];
    expect(door(records)).toEqual({ kind: "state", samples: 2, heldMs: [200, 0], transitions: 0 });
  });

  it("says nothing when no state was held for any time", () => {
    expect(door([])).toBeNull();
    expect(door([{ value: 1 }])).toBeNull();
  });
});

describe("passage", () => {
  it("counts by cell over the whole declared product, empty cells too", () => {
    const cells = { directions: ["towards", "away"], classes: ["bicycle", "car"] } as const;
    const records = [{ cell: 0 }, { cell: 3 }, { cell: 3 }, { cell: 1, marks: 0 }];
    expect(stat({ kind: "passage", cells }, records)).toEqual({ kind: "passage", counts: [1, 0, 0, 2] });
  });

  it("is a zero, and not unknown, without passages", () => {
    expect(stat({ kind: "passage" }, [])).toEqual({ kind: "passage", counts: [0] });
  });
});

describe("speed", () => {
  it("clamps to the end bins and takes an edge into the bin above", () => {
    const speeds = values(0, 29.9, 30, 49.9, 50, 70, 250, 400);
    expect(stat({ kind: "speed", binEdges: [0, 30, 50, 70, 250] }, speeds)).toEqual({ kind: "speed", counts: [2, 2, 1, 3] });
    expect(binOf([0, 10], -5)).toBe(0);
  });
});

it("counts different identifiers once each", () => {
  expect(stat({ kind: "identity" }, values(1, 7, 7, 1, 3))).toEqual({ kind: "identity", distinct: 3 });
});
