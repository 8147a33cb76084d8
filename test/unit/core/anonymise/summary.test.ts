import { describe, expect, it } from "vitest";
import type { SummaryBody } from "../../../../src/core/anonymise/body.ts";
import { anonymise, type ClosedWindow, Summary } from "../../../../src/core/anonymise/summary.ts";
import { epochMs } from "../../../../src/core/units/time.ts";
import { windowAt } from "../../../../src/core/window/lattice.ts";
import type { ExactStatistic } from "../../../../src/core/window/statistics.ts";
import { noCoins } from "../../../support/coins.ts";
import { channelPlan, DOOR, PASSAGES, RAIN, SPEED, streamPlan, WINDOW_MS } from "../../../support/plans.ts";

const WINDOW = windowAt(epochMs(Date.UTC(2026, 10, 23, 10)), WINDOW_MS);
const GAUGE: ExactStatistic = {
  kind: "gauge",
  samples: 900,
  mean: 12.4449,
  min: 9.1000000001,
  max: 17.9,
  stddev: 1.7999999,
  p50: 12.1,
  p95: 16.55,
};

const closed = (changes: Partial<ClosedWindow> = {}): ClosedWindow => ({
  stream: streamPlan(),
  window: WINDOW,
  coverage: 1,
  statistic: GAUGE,
  flags: [],
  time: "synced",
  ...changes,
});

function summaryOf(changes: Partial<ClosedWindow> = {}): Summary {
  const result = anonymise(closed(changes), noCoins, "granted");
  if (!(result instanceof Summary)) throw new Error(`withheld: ${result.because}`);
  return result;
}

const bodyOf = (changes: Partial<ClosedWindow>): SummaryBody => summaryOf(changes).body;
const counted = (channel: typeof PASSAGES, counts: readonly number[], k = 10): SummaryBody =>
  bodyOf({
    stream: streamPlan(channel, { policy: { is: "minimum-count", k } }),
    statistic: { kind: channel.kind as "passage" | "speed", counts },
  });

describe("the seal", () => {
  it("is on what anonymise made", () => {
    expect(Summary.isSealed(summaryOf())).toBe(true);
  });

  it("cannot be had without the key", () => {
    const Forge = Summary as unknown as new (...parts: readonly unknown[]) => Summary;
    const body = { is: "stats", stats: { samples: 1 } };
    for (const key of [undefined, null, Symbol("mint"), Symbol.for("mint"), "mint", true]) {
      expect(() => new Forge(key, closed(), { policy: "open" }, body)).toThrow(/anonymise only/);
    }
    class Heir extends Forge {}
    expect(() => new Heir(Symbol("mint"), closed(), { policy: "open" }, body)).toThrow(/anonymise only/);
    expect(() => Reflect.construct(Summary, [Symbol("mint"), closed(), { policy: "open" }, body])).toThrow(/anonymise only/);
  });

  it("is not on a look-alike, a copy or what went through JSON", () => {
    const real = summaryOf();
    const clone = structuredClone({ coverage: real.coverage, body: real.body });
    for (const fake of [
      { ...real },
      Object.create(real) as object,
      Object.assign(Object.create(Summary.prototype) as object, real),
      JSON.parse(JSON.stringify(real)) as object,
      new Proxy(real, {}),
      clone,
    ]) {
      expect(Summary.isSealed(fake)).toBe(false);
    }
  });

  it("holds: what is in a summary cannot be changed afterwards", () => {
    const summary = summaryOf({ flags: ["stepped"] });
    const open = summary as unknown as { body: { stats: { mean: number } }; coverage: number; flags: string[]; window: { start: number } };
    expect(() => {
      open.body = { stats: { mean: 1 } };
    }).toThrow(TypeError);
    expect(() => {
      open.body.stats.mean = 1;
    }).toThrow(TypeError);
    expect(() => {
      open.window.start = 1;
    }).toThrow(TypeError);
    expect(() => open.flags.push("simulated")).toThrow(TypeError);
  });
});

describe("anonymise fails closed", () => {
  it("publishes nothing of a withheld stream", () => {
    expect(anonymise(closed({ stream: streamPlan(channelPlan(), { policy: { is: "withheld" } }) }), noCoins, "granted")).toEqual({
      is: "withheld",
      because: "policy",
    });
  });

  it.each([
    ["people, open", streamPlan(PASSAGES, { policy: { is: "open" } })],
    ["people by a tightened sensitivity, open", streamPlan(channelPlan(), { sensitivity: "presence", policy: { is: "open" } })],
    ["a gauge of people, counted", streamPlan(channelPlan({ sensitivity: "presence" }), { policy: { is: "minimum-count", k: 10 } })],
    ["identifiers, counted", streamPlan(PASSAGES, { sensitivity: "identifying", policy: { is: "minimum-count", k: 10 } })],
    ["a k of 1", streamPlan(PASSAGES, { policy: { is: "minimum-count", k: 1 } })],
    ["a k of 4", streamPlan(SPEED, { policy: { is: "minimum-count", k: 4 } })],
    ["a k that is no number", streamPlan(SPEED, { policy: { is: "minimum-count", k: Number.NaN } })],
  ])("for %s", (_, stream) => {
    const statistic: ExactStatistic = { kind: "passage", counts: [50, 60] };
    expect(anonymise(closed({ stream, statistic }), noCoins, "granted")).toEqual({ is: "withheld", because: "forbidden" });
  });

  it("when a statistic is not the one that its stream allows", () => {
    const unavailable = { is: "reason", reason: "unavailable" };
    expect(bodyOf({ stream: streamPlan(), statistic: { kind: "passage", counts: [3] } })).toEqual(unavailable);
    expect(bodyOf({ stream: streamPlan(PASSAGES), statistic: GAUGE })).toEqual(unavailable);
    expect(bodyOf({ stream: streamPlan(PASSAGES), statistic: { kind: "speed", counts: [50, 50] } })).toEqual(unavailable);
    expect(bodyOf({ stream: streamPlan(), statistic: { kind: "identity", distinct: 3 } })).toEqual(unavailable);
  });
});

describe("minimum-count", () => {
  it("shows every declared cell, small ones as null, and no total", () => {
    expect(counted(PASSAGES, [10, 9])).toEqual({
      is: "cells",
      cells: [
        { direction: "towards", count: 10 },
        { direction: "away", count: null },
      ],
      total: null,
    });
  });

  it.each([[[0, 0]], [[9, 9]], [[0, 9]]])("says suppressed, whatever was suppressed: %j", (counts) => {
    expect(counted(PASSAGES, counts)).toEqual({ is: "reason", reason: "suppressed" });
  });

  it("shows speeds as bins without any quantile", () => {
    expect(counted(SPEED, [0, 12, 9, 40])).toEqual({
      is: "histogram",
      edges: [0, 30, 50, 70, 250],
      counts: [null, 12, null, 40],
      unit: "km/h",
      v85: null,
    });
    expect(counted(SPEED, [0, 0, 0, 0])).toEqual({ is: "reason", reason: "suppressed" });
  });

  it("says with what k", () => {
    const stream = streamPlan(PASSAGES, { policy: { is: "minimum-count", k: 12 } });
    expect(summaryOf({ stream, statistic: { kind: "passage", counts: [20, 20] } }).privacy).toEqual({ policy: "minimum-count", k: 12 });
  });
});

describe("a window without a number", () => {
  it("is missing when the sensor was not known to work, whatever came in", () => {
    expect(bodyOf({ coverage: 0 })).toEqual({ is: "reason", reason: "missing" });
    const stream = streamPlan(PASSAGES);
    expect(bodyOf({ stream, coverage: 0, statistic: { kind: "passage", counts: [50, 50] } })).toEqual({ is: "reason", reason: "missing" });
  });

  it("is missing when there is nothing to make a statistic of", () => {
    expect(bodyOf({ statistic: null })).toEqual({ is: "reason", reason: "missing" });
  });
});

describe("quality", () => {
  it.each([
    [0, "partial"],
    [0.89, "partial"],
    [0.9, "ok"],
    [1, "ok"],
  ])("of a coverage of %d is %s", (coverage, quality) => {
    expect(summaryOf({ coverage })).toMatchObject({ coverage, quality });
  });
});

describe("numbers", () => {
  it("are rounded to the channel's resolution, mean and spread to one digit more", () => {
    expect(bodyOf({})).toEqual({
      is: "stats",
      stats: { samples: 900, mean: 12.44, min: 9.1, max: 17.9, stddev: 1.8, p50: 12.1, p95: 16.6 },
    });
  });

  it("leave out the spread of one sample", () => {
    expect(bodyOf({ statistic: { ...GAUGE, samples: 1, stddev: null } })).toMatchObject({ stats: { stddev: null } });
  });

  it("of a level", () => {
    const stream = streamPlan(channelPlan({ kind: "level", resolution: 0.1 }));
    const statistic: ExactStatistic = { kind: "level", samples: 2, laeq: 67.4036, lamax: 70, l10: 70, l50: 60.04, l90: 60 };
    expect(bodyOf({ stream, statistic })).toEqual({ is: "stats", stats: { samples: 2, laeq: 67.4, lamax: 70, l10: 70, l50: 60, l90: 60 } });
  });

  it("of a direction never reach 360", () => {
    const stream = streamPlan(channelPlan({ kind: "direction", resolution: 1 }));
    const statistic: ExactStatistic = { kind: "direction", samples: 2, mean: 359.96, resultant: 0.98765 };
    expect(bodyOf({ stream, statistic })).toEqual({ is: "stats", stats: { samples: 2, mean: 0, resultant: 0.988 } });
  });

  it("of a counter", () => {
    const statistic: ExactStatistic = { kind: "counter", samples: 3, sum: 0.1 + 0.2, peakPerHour: 12.345, steps: null };
    expect(bodyOf({ stream: streamPlan(RAIN), statistic })).toEqual({ is: "stats", stats: { samples: 3, sum: 0.3, peakPerHour: 12.35 } });
  });

  it("of a state are shares of the known time, one for each declared state", () => {
    const statistic: ExactStatistic = { kind: "state", samples: 1, heldMs: [200_000, 100_000], transitions: 1 };
    expect(bodyOf({ stream: streamPlan(DOOR), statistic })).toEqual({
      is: "stats",
      stats: { samples: 1, share: { closed: 0.6667, open: 0.3333 }, transitions: 1 },
    });
  });
});
