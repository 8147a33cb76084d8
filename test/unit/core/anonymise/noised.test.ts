import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noisedNote, noiseScale, speedV85, stepsPerEvent } from "../../../../src/core/anonymise/noised.ts";
import { anonymise, type ClosedWindow, type Grant, Summary } from "../../../../src/core/anonymise/summary.ts";
import type { NoisedPolicy, StreamPlan } from "../../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../../src/core/units/epsilon.ts";
import { epochMs } from "../../../../src/core/units/time.ts";
import { windowAt } from "../../../../src/core/window/lattice.ts";
import type { ExactStatistic } from "../../../../src/core/window/statistics.ts";
import { brokenCoins, noCoins, seededCoins } from "../../../support/coins.ts";
import { channelPlan, PASSAGES, SPEED, streamPlan, WINDOW_MS } from "../../../support/plans.ts";

const noised = (micro: number, bound: number | null = null): NoisedPolicy => ({
  is: "noised",
  epsilonMicro: epsilonMicro(micro),
  accountMicro: epsilonMicro(1_000_000),
  bound,
});
const ENTRIES = channelPlan({ name: "entries", quantity: "entries", kind: "counter", unit: "1", sensitivity: "presence", resolution: 0.5 });
const GATE = streamPlan(PASSAGES, { policy: noised(1_000_000) });

function closed(stream: StreamPlan, statistic: ExactStatistic | null, changes: Partial<ClosedWindow> = {}): ClosedWindow {
  const window = windowAt(epochMs(Date.UTC(2026, 10, 23, 10)), WINDOW_MS);
  return { stream, window, coverage: 1, statistic, flags: [], time: "synced", ...changes };
}

function bodyOf(
  stream: StreamPlan,
  statistic: ExactStatistic | null,
  seed = 1,
  changes: Partial<ClosedWindow> = {},
  grant: Grant = "granted",
) {
  const result = anonymise(closed(stream, statistic, changes), seededCoins(seed), grant);
  if (!(result instanceof Summary)) throw new Error(`withheld: ${result.because}`);
  return result.body;
}

describe("the scale of the noise", () => {
  it("is sensitivity over epsilon, exactly", () => {
    expect(noiseScale(GATE, noised(1_000_000))).toEqual({ num: 1n, den: 1n });
    expect(noiseScale(GATE, noised(600_000))).toEqual({ num: 5n, den: 3n });
    expect(noiseScale(GATE, noised(333_333))).toEqual({ num: 1_000_000n, den: 333_333n });
  });

  it("grows with what one event can do", () => {
    const twice = streamPlan({ ...PASSAGES, maxPerPassage: 2 }, { policy: noised(1_000_000) });
    expect(noiseScale(twice, noised(1_000_000))).toEqual({ num: 2n, den: 1n });
    expect(stepsPerEvent(streamPlan(ENTRIES), noised(1_000_000, 2))).toBe(4);
  });

  it("refuses to be without a bound or an epsilon", () => {
    expect(() => noiseScale(streamPlan(ENTRIES), noised(1_000_000))).toThrow("bound");
    expect(() => noiseScale(GATE, noised(0))).toThrow("epsilon");
  });

  it("is what subscribers are told, in the unit of what is released", () => {
    expect(noisedNote(GATE, noised(1_000_000))).toEqual({
      policy: "noised",
      mechanism: "discrete-laplace",
      epsilon: 1,
      epsilonTotal: 1,
      scale: 1,
      ci95: 3,
      per: "detection",
    });
    expect(noisedNote(streamPlan(ENTRIES), noised(250_000, 1))).toMatchObject({ epsilon: 0.25, scale: 4, per: "reading" });
  });
});

describe("a noised release", () => {
  it("has noise of its own in every cell, and a total of what is released", () => {
    const differences = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const body = bodyOf(GATE, { kind: "passage", counts: [37, 3] }, seed);
      if (body.is !== "cells") throw new Error("not cells");
      const [towards = 0, away = 0] = body.cells.map(({ count }) => count ?? Number.NaN);
      expect(body.total).toEqual({ count: towards + away, ci95: 4 });
      differences.add(`${towards - 37} ${away - 3}`);
    }
    expect([...differences].some((pair) => pair.split(" ")[0] !== pair.split(" ")[1])).toBe(true);
    expect(differences.size).toBeGreaterThan(10);
  });

  it("of an empty window is noise around zero, negative now and then: nothing is clamped", () => {
    const counts = Array.from({ length: 60 }, (_, seed) => bodyOf(GATE, { kind: "passage", counts: [0, 0] }, seed)).flatMap((body) =>
      body.is === "cells" ? body.cells.map(({ count }) => count ?? 0) : [],
    );
    expect(counts).toHaveLength(120);
    expect(counts.some((count) => count < 0)).toBe(true);
    expect(counts.some((count) => count > 0)).toBe(true);
  });

  it("differs from the one of a neighbouring window by the difference of the counts, with the same coins: noise knows no data", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(1_000), fc.nat(1_000), (seed, towards, away) => {
        const none = bodyOf(GATE, { kind: "passage", counts: [0, 0] }, seed);
        const some = bodyOf(GATE, { kind: "passage", counts: [towards, away] }, seed);
        if (none.is !== "cells" || some.is !== "cells") throw new Error("not cells");
        expect(some.cells.map(({ count }, index) => (count ?? 0) - (none.cells[index]?.count ?? 0))).toEqual([towards, away]);
      }),
      { numRuns: 50 },
    );
  });

  it("of a counter is a sum in its steps, and says neither how many readings nor when most came", () => {
    const stream = streamPlan(ENTRIES, { policy: noised(1_000_000, 1) });
    const body = bodyOf(stream, { kind: "counter", samples: 7, sum: 12.3, peakPerHour: 240, steps: 24 });
    if (body.is !== "stats") throw new Error("not stats");
    expect(body.stats).toMatchObject({ samples: null, peakPerHour: null });
    expect((Number(body.stats.sum) * 2) % 1).toBe(0);
  });

  it("of speeds has a V85 only when there are 30 of them after noise", () => {
    const stream = streamPlan(SPEED, { policy: noised(1_000_000) });
    expect(bodyOf(stream, { kind: "speed", counts: [0, 0, 0, 0] })).toMatchObject({ is: "histogram", v85: null });
    expect(bodyOf(stream, { kind: "speed", counts: [10, 400, 90, 0] })).toMatchObject({ is: "histogram", v85: expect.any(Number) });
  });
});

describe("a noised release fails closed", () => {
  it("without randomness", () => {
    const result = anonymise(closed(GATE, { kind: "passage", counts: [37, 3] }), brokenCoins, "granted");
    expect(result).toMatchObject({ body: { is: "reason", reason: "unavailable" } });
  });

  it("without budget, and when it was drawn before: nothing is drawn at all", () => {
    for (const grant of ["budget", "unavailable"] as const) {
      const result = anonymise(closed(GATE, { kind: "passage", counts: [37, 3] }), noCoins, grant);
      expect(result).toMatchObject({ body: { is: "reason", reason: grant } });
    }
  });

  it("when the sensor was not alive", () => {
    expect(bodyOf(GATE, { kind: "passage", counts: [0, 0] }, 1, { coverage: 0 })).toEqual({ is: "reason", reason: "missing" });
  });
});

describe("speedV85", () => {
  it.each([
    ["inside one bin", [0, 10, 20], [0, 100], 18.5],
    ["across bins", [0, 10, 20, 30], [50, 35, 15], 20],
    ["past negative noise", [0, 10, 20, 30], [-3, 100, -2], 18.5],
    ["of too few", [0, 10, 20], [10, 19], null],
    ["of nothing but noise", [0, 10, 20], [-40, -1], null],
  ])("%s", (_, edges, counts, v85) => {
    expect(speedV85(edges, counts)).toBe(v85);
  });
});
