import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MARK } from "../../src/core/reading/record.ts";
import { exactStatistic, type StatisticShape } from "../../src/core/window/statistics.ts";
import { type PlainRecord, readingsOf } from "../support/readings.ts";

// Every oracle here is written from the definition, the slow way, on plain arrays.

const SHAPE: StatisticShape = { kind: "gauge", windowMs: 900_000, startMs: 0, cells: {}, states: [], bound: null, binEdges: [] };
const stat = (changes: Partial<StatisticShape>, records: readonly PlainRecord[]) =>
  exactStatistic({ ...SHAPE, ...changes }, readingsOf(records));

const marks = fc.constantFrom(
  MARK.sample,
  MARK.sample,
  MARK.sample,
  MARK.sample | MARK.deviceInterval,
  MARK.sample | MARK.warming,
  MARK.sample | MARK.suspect,
  0,
);
const isCounted = ({ marks: bits = 0 }: PlainRecord): boolean => bits % 2 === 1 && (bits & (MARK.warming | MARK.suspect)) === 0;
const recordsOf = (value: fc.Arbitrary<number>) => fc.array(fc.record({ value, marks }), { maxLength: 200 });
const countedValues = (records: readonly PlainRecord[]): number[] => records.filter(isCounted).map(({ value = 0 }) => value);

/** By definition: the smallest sample that at least `percent` % of all samples do not exceed. */
function percentile(samples: readonly number[], percent: number): number {
  const fits = samples.filter((one) => samples.filter((other) => other <= one).length * 100 >= percent * samples.length);
  return Math.min(...fits);
}

const close = (value: number, scale = 1) => expect.closeTo(value, Math.max(0, 9 - Math.ceil(Math.log10(Math.max(1, scale)))));

describe("gauge against its definition", () => {
  // Thousandths, so that sums are exact in whole numbers.
  const thousandths = fc.integer({ min: -5_000_000, max: 5_000_000 });

  it("has the mean and the spread of exact arithmetic", () => {
    fc.assert(
      fc.property(recordsOf(thousandths.map((whole) => whole / 1_000)), (records) => {
        const samples = countedValues(records);
        const found = stat({}, records);
        if (samples.length === 0) {
          expect(found).toBeNull();
          return;
        }
        const whole = samples.map((one) => BigInt(Math.round(one * 1_000)));
        const n = BigInt(whole.length);
        const sum = whole.reduce((a, b) => a + b, 0n);
        // n * sum of squares - square of sum, over n (n - 1): exact in whole numbers.
        const spread = n * whole.reduce((a, b) => a + b * b, 0n) - sum * sum;
        const stddev = samples.length === 1 ? null : Math.sqrt(Number(spread) / Number(n * (n - 1n))) / 1_000;
        expect(found).toMatchObject({
          samples: samples.length,
          mean: close(Number(sum) / Number(n) / 1_000, 5_000),
          min: Math.min(...samples),
          max: Math.max(...samples),
          stddev: stddev === null ? null : close(stddev, 5_000),
        });
      }),
    );
  });

  it("has the percentiles of the definition, with ties", () => {
    fc.assert(
      fc.property(recordsOf(fc.integer({ min: 0, max: 12 })), (records) => {
        const samples = countedValues(records);
        fc.pre(samples.length > 0);
        expect(stat({}, records)).toMatchObject({ p50: percentile(samples, 50), p95: percentile(samples, 95) });
      }),
    );
  });

  it("does not depend on the order of the readings", () => {
    const shuffled = recordsOf(thousandths).chain((records) =>
      fc.tuple(fc.constant(records), fc.shuffledSubarray(records, { minLength: records.length, maxLength: records.length })),
    );
    fc.assert(
      fc.property(shuffled, ([a, b]) => {
        expect(stat({}, a)).toEqual(stat({}, b));
      }),
    );
  });
});

it("level is the level of the mean energy, with percentiles of exceedance", () => {
  fc.assert(
    fc.property(recordsOf(fc.integer({ min: 200, max: 1_300 }).map((tenths) => tenths / 10)), (records) => {
      const samples = countedValues(records);
      fc.pre(samples.length > 0);
      // p0 cancels: mean of the squared pressures over p0 squared.
      const meanSquare = samples.map((db) => Math.exp((db * Math.LN10) / 10)).reduce((a, b) => a + b, 0) / samples.length;
      expect(stat({ kind: "level" }, records)).toMatchObject({
        samples: samples.length,
        laeq: expect.closeTo((10 * Math.log(meanSquare)) / Math.LN10, 8),
        lamax: Math.max(...samples),
        l10: percentile(samples, 90),
        l50: percentile(samples, 50),
        l90: percentile(samples, 10),
      });
    }),
  );
});

it("direction is the argument and the length of the mean complex number", () => {
  interface Complex {
    readonly re: number;
    readonly im: number;
  }
  const times = (a: Complex, b: Complex): Complex => ({ re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re });
  /** e^(i degrees), as a product of powers of one degree. */
  const one: Complex = { re: Math.cos(Math.PI / 180), im: Math.sin(Math.PI / 180) };
  const turned = (degrees: number): Complex => {
    let result: Complex = { re: 1, im: 0 };
    for (let power = one, rest = degrees; rest > 0; rest >>= 1, power = times(power, power)) {
      if (rest % 2 === 1) result = times(result, power);
    }
    return result;
  };
  fc.assert(
    fc.property(recordsOf(fc.integer({ min: 0, max: 360 })), (records) => {
      const samples = countedValues(records);
      fc.pre(samples.length > 0);
      const sum = samples.map(turned).reduce((a, b) => ({ re: a.re + b.re, im: a.im + b.im }), { re: 0, im: 0 });
      const length = Math.sqrt(sum.re ** 2 + sum.im ** 2) / samples.length;
      const found = stat({ kind: "direction" }, records) as { mean: number; resultant: number };
      expect(found.resultant).toBeCloseTo(length, 9);
      expect(found.mean).toBeGreaterThanOrEqual(0);
      expect(found.mean).toBeLessThan(360);
      if (length < 1e-6) return; // winds that cancel have no direction
      const back = turned(Math.floor(found.mean));
      const fraction = (found.mean % 1) * (Math.PI / 180);
      const unit = times(back, { re: Math.cos(fraction), im: Math.sin(fraction) });
      expect([unit.re * length * samples.length, unit.im * length * samples.length]).toEqual([
        expect.closeTo(sum.re, 6),
        expect.closeTo(sum.im, 6),
      ]);
    }),
  );
});

it("counter is the sum, and the largest minute of it as a rate", () => {
  const drops = fc.array(fc.record({ atMs: fc.integer({ min: 1_000, max: 900_999 }), value: fc.integer({ min: 0, max: 1_000 }), marks }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(drops, (records) => {
      const minutes = new Map<number, number>();
      for (const { atMs, value } of records.filter(isCounted)) {
        const minute = Math.floor((atMs - 1_000) / 60_000);
        minutes.set(minute, (minutes.get(minute) ?? 0) + value);
      }
      expect(stat({ kind: "counter", startMs: 1_000 }, records)).toEqual({
        kind: "counter",
        samples: records.filter(isCounted).length,
        sum: countedValues(records).reduce((a, b) => a + b, 0),
        peakPerHour: Math.max(0, ...minutes.values()) * 60,
        steps: null,
      });
    }),
  );
});

it("cells and bins hold each counted record once", () => {
  const edges = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 2, maxLength: 8 }).map((all) => all.sort((a, b) => a - b));
  fc.assert(
    fc.property(edges, recordsOf(fc.integer({ min: -5, max: 70 })), (binEdges, records) => {
      const bins = binEdges.length - 1;
      const samples = countedValues(records);
      const counts = Array.from({ length: bins }, (_, bin) => {
        const low = bin === 0 ? Number.NEGATIVE_INFINITY : (binEdges[bin] as number);
        const high = bin === bins - 1 ? Number.POSITIVE_INFINITY : (binEdges[bin + 1] as number);
        return samples.filter((value) => value >= low && value < high).length;
      });
      expect(stat({ kind: "speed", binEdges }, records)).toEqual({ kind: "speed", counts });
    }),
  );
  const cells = { directions: ["towards", "away"], classes: ["car", "bus", "other"] } as const;
  fc.assert(
    fc.property(fc.array(fc.record({ cell: fc.nat({ max: 5 }), marks })), (records) => {
      const counts = [0, 1, 2, 3, 4, 5].map((cell) => records.filter((one) => one.cell === cell && isCounted(one)).length);
      expect(stat({ kind: "passage", cells }, records)).toEqual({ kind: "passage", counts });
    }),
  );
});
