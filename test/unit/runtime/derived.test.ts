import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NoisedPolicy, StreamPlan } from "../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../src/core/units/epsilon.ts";
import { DAY_MS, HOUR_MS } from "../../../src/core/units/time.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { CloserBench, type Survivors } from "../../support/closers.ts";
import type { OutboxTrouble, SeenSummary } from "../../support/fake-outbox.ts";
import { channelPlan, PASSAGES, RAIN, SPEED, streamPlan, WINDOW_MS } from "../../support/plans.ts";

const NOISED: NoisedPolicy = { is: "noised", epsilonMicro: epsilonMicro(500_000), accountMicro: epsilonMicro(1_000_000), bound: null };
const PM25 = streamPlan();
const GATE = streamPlan(PASSAGES, { policy: NOISED });
const SPEEDS = streamPlan(SPEED, { policy: NOISED });

/** Hours, or days, made of a stream. */
function from(source: StreamPlan, windowMs: number = HOUR_MS, timeZone: string | null = null): StreamPlan {
  const name = `${source.name}_${windowMs === HOUR_MS ? "1h" : "1d"}`;
  return { ...streamPlan(source.channel, { ...source, name, windowMs, latenessMs: 0 }), from: { stream: source.id, timeZone } };
}

/** A bench on the virtual clock, which starts on a full hour. */
function bench(streams: readonly StreamPlan[], survivors: Survivors = {}): CloserBench {
  const closers = new CloserBench(streams, survivors);
  closers.open(null);
  return closers;
}

const inside = (long: SeenSummary, parts: readonly SeenSummary[]): readonly SeenSummary[] =>
  parts.filter(({ window }) => window.start >= long.window.start && window.end <= long.window.end);
const countsOf = (one: SeenSummary): readonly number[] => (one.cells ?? []).map(({ count }) => count ?? Number.NaN);
const added = (parts: readonly SeenSummary[]): readonly number[] =>
  parts
    .map(countsOf)
    .filter((counts) => counts.length > 0)
    .reduce((sum, counts) => sum.map((one, index) => one + (counts[index] ?? 0)), [0, 0]);

describe("an hour made of released quarters", () => {
  it("of passages is the sum of what was released, and never of what was counted", async () => {
    const closers = bench([GATE, from(GATE)]);
    await closers.pass(2 * HOUR_MS + WINDOW_MS, () =>
      closers.intake.passage("passages", { direction: "towards" }, closers.clock.monotonicMs()),
    );
    const [hour, ...more] = closers.summaries("passages_1h");
    if (hour === undefined) throw new Error("no hour was made");
    const quarters = inside(hour, closers.summaries("passages"));
    expect(quarters).toHaveLength(HOUR_MS / WINDOW_MS);
    expect(countsOf(hour)).toEqual(added(quarters));
    // Exactly 3,600 passed; the noise of the quarters is in the sum.
    expect(countsOf(hour)[1]).not.toBe(0);
    expect(hour).toMatchObject({
      id: `n0042/air-1.passages_1h/PT1H/${hour.window.start}`,
      privacy: { policy: "noised", epsilon: 0, epsilonTotal: 1, scale: 2, from: "passages", windows: quarters.length },
      coverage: 1,
      quality: "ok",
    });
    expect(more[0]?.prev).toBe(hour.window.start);
  });

  it("costs no budget", async () => {
    const [alone, both] = [bench([GATE]), bench([GATE, from(GATE)])];
    for (const closers of [alone, both]) await closers.pass(2 * HOUR_MS);
    expect([...both.outbox.spanOf.values()]).toEqual([...alone.outbox.spanOf.values()]);
  });

  it("of speeds adds up bins, and finds a V85 that no quarter had", async () => {
    const closers = bench([SPEEDS, from(SPEEDS)]);
    let second = 0;
    await closers.pass(HOUR_MS + WINDOW_MS, () => {
      if (second++ % 60 === 0) closers.read(35, "speed");
    });
    const [hour] = closers.summaries("speed_1h") as (SeenSummary & { histogram: { counts: number[]; v85: number | null } })[];
    const quarters = closers.summaries("speed") as (SeenSummary & { histogram: { counts: number[]; v85: number | null } })[];
    const sums = quarters
      .slice(0, HOUR_MS / WINDOW_MS)
      .reduce<number[]>((sum, one) => one.histogram.counts.map((n, i) => n + (sum[i] ?? 0)), []);
    expect(hour?.histogram.counts).toEqual(sums);
    expect(quarters[0]?.histogram.v85).toBeNull();
    expect(hour?.histogram.v85).toEqual(expect.any(Number));
  });

  it("of a gauge has the mean and spread of all its values, and no percentile", async () => {
    const closers = bench([PM25, from(PM25)]);
    const begun = closers.clock.wallMs();
    const values: number[] = [];
    let second = 0;
    await closers.pass(HOUR_MS + WINDOW_MS, () => {
      const value = 10 + (second++ % 7);
      if (closers.clock.wallMs() - begun < HOUR_MS) values.push(value);
      closers.read(value);
    });
    const [hour] = closers.summaries("pm25_1h");
    const { samples, mean, stddev, min, max, p50, p95 } = (hour?.stats ?? {}) as Record<string, number | null>;
    const exact = values.reduce((sum, value) => sum + value, 0) / values.length;
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - exact) ** 2, 0) / (values.length - 1));
    expect(Math.abs((samples ?? 0) - values.length)).toBeLessThanOrEqual(1);
    expect(mean).toBeCloseTo(exact, 1);
    expect(stddev).toBeCloseTo(spread, 1);
    expect([min, max, p50, p95]).toEqual([10, 16, null, null]);
    expect(hour).toMatchObject({ privacy: { policy: "open", from: "pm25", windows: HOUR_MS / WINDOW_MS } });
  });

  it("of a counter is its sum, with the highest peak", async () => {
    const rain = streamPlan(RAIN);
    const closers = bench([rain, from(rain)]);
    await closers.pass(HOUR_MS + WINDOW_MS, () => closers.read(0.2, "rainfall"));
    const [hour] = closers.summaries(`${RAIN.name}_1h`);
    if (hour === undefined) throw new Error("no hour was made");
    const quarters = inside(hour, closers.summaries(RAIN.name));
    const sum = quarters.reduce((all, { stats }) => all + (stats?.sum ?? 0), 0);
    expect(hour.stats?.sum).toBeCloseTo(sum, 3);
    expect(hour.stats?.peakPerHour).toBe(Math.max(...quarters.map(({ stats }) => stats?.peakPerHour ?? 0)));
  });

  it("says how much of it is there when a part is missing", async () => {
    const closers = bench([PM25, from(PM25)]);
    await closers.pass(HOUR_MS / 2, () => closers.read(10));
    closers.intake.closed(closers.clock.monotonicMs());
    await closers.pass(HOUR_MS / 2 + WINDOW_MS);
    const [hour] = closers.summaries("pm25_1h");
    expect(hour).toMatchObject({ quality: "partial", privacy: { windows: HOUR_MS / 2 / WINDOW_MS } });
    expect(hour?.coverage).toBeCloseTo(0.5, 1);
  });

  it("without any number gives the reason of its parts", async () => {
    const closers = new CloserBench([PM25, from(PM25)]);
    await closers.pass(HOUR_MS + WINDOW_MS);
    expect(closers.summaries("pm25_1h")[0]).toMatchObject({ reason: "missing", coverage: 0 });
  });
});

describe("a stream that is made of another", () => {
  it("begins with the next whole window, never with a rest", async () => {
    const clock = new VirtualClock();
    await clock.advance(WINDOW_MS);
    const closers = bench([PM25, from(PM25)], { clock });
    const made = closers.clock.wallMs();
    await closers.pass(2 * HOUR_MS, () => closers.read(10));
    const [hour] = closers.summaries("pm25_1h");
    expect(Date.parse(hour?.window.start ?? "")).toBeGreaterThan(made);
  });

  it("has days of its time zone, of 23, 24 or 25 hours", async () => {
    const clock = new VirtualClock();
    const spring = Date.UTC(2027, 2, 27, 20) - clock.wallMs();
    await clock.advance(spring);
    const closers = bench([PM25, from(PM25, DAY_MS, "Europe/Amsterdam")], { clock });
    await closers.pass(3 * DAY_MS);
    expect(closers.summaries("pm25_1d").map(({ window }) => window)).toEqual([
      { start: "2027-03-27T23:00:00Z", end: "2027-03-28T22:00:00Z", seconds: 23 * 3_600 },
      { start: "2027-03-28T22:00:00Z", end: "2027-03-29T22:00:00Z", seconds: 24 * 3_600 },
    ]);
  }, 60_000);

  it("is the same after restarts and failed commits at any point", async () => {
    const trouble = fc.constantFrom<OutboxTrouble | null>(null, null, null, "full", "lost", "unknown");
    const story = fc.array(fc.record({ seconds: fc.integer({ min: 60, max: 1_500 }), troubles: fc.array(trouble, { maxLength: 3 }) }), {
      minLength: 3,
      maxLength: 7,
    });
    await fc.assert(
      fc.asyncProperty(story, async (chapters) => {
        let survivors: Survivors = {};
        let last = bench([GATE, from(GATE)]);
        for (const { seconds, troubles } of chapters) {
          last = bench([GATE, from(GATE)], survivors);
          last.outbox.commitTroubles.push(...troubles);
          await last.pass(seconds * 1_000, () => last.intake.passage("passages", { direction: "away" }, last.clock.monotonicMs()));
          last.ingest.flush();
          survivors = { clock: last.clock, live: last.live, outbox: last.outbox };
        }
        last.outbox.commitTroubles.length = 0;
        await last.pass(2 * HOUR_MS);
        const [hours, quarters] = [last.summaries("passages_1h"), last.summaries("passages")];
        expect(hours.length).toBeGreaterThan(0);
        expect(new Set(hours.map(({ id }) => id)).size).toBe(hours.length);
        for (const hour of hours) {
          if (hour.cells === undefined) continue;
          expect(countsOf(hour)).toEqual(added(inside(hour, quarters)));
        }
      }),
      { numRuns: 15 },
    );
  }, 120_000);

  it("does not add up parts that are protected unlike: it says so", async () => {
    const before = bench([GATE, from(GATE, DAY_MS)]);
    await before.pass(DAY_MS - (before.clock.wallMs() % DAY_MS) + HOUR_MS);
    const { clock, live, outbox } = before;
    const changed = { ...GATE, policy: { ...NOISED, epsilonMicro: epsilonMicro(250_000) } };
    const after = bench([changed, from(changed, DAY_MS)], { clock, live, outbox });
    await after.pass(DAY_MS);
    expect(after.summaries("passages_1d").at(-1)).toMatchObject({ reason: "budget" });
  }, 60_000);

  it("forgets a longer window whose record is not what was written, rather than trust it", async () => {
    const first = bench([PM25, from(PM25)]);
    await first.pass(HOUR_MS / 2 + WINDOW_MS / 2, () => first.read(10));
    const { clock, live, outbox } = first;
    const key = `derived:${from(PM25).id}`;
    outbox.factOf.set(key, (outbox.factOf.get(key) ?? "").replace('"windows":', '"windows":9'));
    const second = bench([PM25, from(PM25)], { clock, live, outbox });
    await second.pass(2 * HOUR_MS, () => second.read(10));
    const [hour, ...more] = second.summaries("pm25_1h");
    expect(more).toEqual([]);
    expect(Date.parse(hour?.window.start ?? "")).toBeGreaterThan(second.clock.wallMs() - 2 * HOUR_MS);
  });

  it("begins anew when its parts mean something else since a restart, and goes on when they do not", async () => {
    const first = bench([PM25, from(PM25)]);
    await first.pass(HOUR_MS / 2 + WINDOW_MS / 2, () => first.read(10));
    const { clock, live, outbox } = first;
    const doubled = streamPlan(channelPlan({ calibration: { scale: 2, offset: 0 } }));
    const second = bench([doubled, from(doubled)], { clock, live, outbox });
    await second.pass(2 * HOUR_MS, () => second.read(10));
    const third = bench([doubled, from(doubled)], { clock, live, outbox });
    await third.pass(HOUR_MS, () => third.read(10));
    expect(third.summaries("pm25_1h").map(({ window, stats }) => [window.start, stats?.mean])).toEqual([
      ["2026-11-23T11:00:00Z", 20],
      ["2026-11-23T12:00:00Z", 20],
    ]);
  }, 60_000);

  it("is no stream of readings: nothing of it is in the live store", () => {
    const closers = bench([PM25, from(PM25)]);
    closers.read(10);
    closers.ingest.flush();
    expect(closers.live.records()).toHaveLength(1);
    expect(closers.counters.emitted).toBe(1);
  });
});
