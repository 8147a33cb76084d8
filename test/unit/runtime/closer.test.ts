import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MARK } from "../../../src/core/reading/record.ts";
import type { StreamPlan } from "../../../src/core/reading/stream.ts";
import type { EpochMs } from "../../../src/core/units/time.ts";
import { LiveStoreError } from "../../../src/ports/live-store.ts";
import { CATCH_UP_WINDOWS_MAX } from "../../../src/runtime/close-schedule.ts";
import { GROUP_PAIRS_MAX } from "../../../src/runtime/closer.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { CloserBench, type Survivors } from "../../support/closers.ts";
import { FakeLiveStore } from "../../support/fake-live-store.ts";
import { FakeOutbox, type OutboxTrouble, type SeenSummary } from "../../support/fake-outbox.ts";
import { channelPlan, PASSAGES, RAIN, streamPlan } from "../../support/plans.ts";

const W = 60_000;
const LATENESS = 10_000;
const DUST = channelPlan();
const minute = (changes: Parameters<typeof streamPlan>[1] = {}) => streamPlan(DUST, { windowMs: W, latenessMs: LATENESS, ...changes });
const dust = (survivors: Survivors = {}) => new CloserBench([minute()], survivors);
const starts = (summaries: readonly SeenSummary[]) => summaries.map(({ window }) => window.start.slice(11, 16));

/** Reads 7 every second for `ms`. */
const sample = (bench: CloserBench, ms: number) => bench.pass(ms, () => bench.read(7));

function gapFree(summaries: readonly SeenSummary[]): void {
  expect(summaries.map(({ seq }) => seq)).toEqual(summaries.map((_, index) => index + 1));
  expect(new Set(summaries.map(({ id }) => id)).size).toBe(summaries.length);
  const last = new Map<string, string>();
  for (const { sensor, stream, prev, window } of summaries) {
    const key = `${sensor}.${stream}`;
    expect(prev).toBe(last.get(key) ?? null);
    expect(window.start > (prev ?? "")).toBe(true);
    last.set(key, window.start);
  }
}

describe("a window closes on time", () => {
  it("at its end plus the lateness, and not before", async () => {
    const bench = dust();
    bench.open();
    await sample(bench, W + LATENESS - 1_000);
    expect(bench.summaries()).toEqual([]);
    await sample(bench, 2_000);
    expect(bench.summaries()).toMatchObject([
      {
        id: "n0042/air-1.pm25/PT1M/2026-11-23T10:00:00Z",
        window: { start: "2026-11-23T10:00:00Z", end: "2026-11-23T10:01:00Z", seconds: 60 },
        made: "2026-11-23T10:01:10Z",
        coverage: 1,
        quality: "ok",
        stats: { samples: 60, mean: 7 },
        prev: null,
        seq: 1,
      },
    ]);
    expect(bench.made.map(({ seq }) => seq)).toEqual([1]);
    expect(bench.events.of("SummaryMade")).toHaveLength(1);
  });

  it("without any data, and says missing", async () => {
    const bench = dust();
    await bench.pass(3 * W + LATENESS + 1_000);
    expect(bench.summaries()).toHaveLength(3);
    for (const summary of bench.summaries()) expect(summary).toMatchObject({ reason: "missing", coverage: 0, quality: "partial" });
    gapFree(bench.summaries());
  });

  it("with zero, and not missing, for a gate that nobody passed", async () => {
    const bench = new CloserBench([
      streamPlan(PASSAGES, { windowMs: W, latenessMs: LATENESS }),
      streamPlan(RAIN, { windowMs: W, latenessMs: LATENESS }),
    ]);
    bench.open(null);
    await bench.pass(W + LATENESS + 1_000);
    expect(bench.summaries("passages")).toMatchObject([{ reason: "suppressed", coverage: 1 }]);
    expect(bench.summaries("rainfall")).toMatchObject([{ stats: { samples: 0, sum: 0 }, coverage: 1 }]);
  });

  it("and what comes for it afterwards is late", async () => {
    const bench = dust();
    bench.open();
    await bench.pass(W + 5_000);
    bench.intake.reading("pm25", 1, undefined, (bench.clock.monotonicMs() - 6_000) as ReturnType<VirtualClock["monotonicMs"]>);
    await bench.pass(LATENESS);
    bench.intake.reading("pm25", 2, undefined, (bench.clock.monotonicMs() - 16_000) as ReturnType<VirtualClock["monotonicMs"]>);
    await bench.pass(2_000);
    expect(bench.counters).toMatchObject({ emitted: 2, stored: 1, dropped: { late: 1 } });
    expect(bench.live.records().some(({ value }) => value === 2)).toBe(false);
  });

  it("waits while nobody vouches for the time", async () => {
    const bench = dust();
    bench.open();
    for (let second = 0; second < 200; second++) {
      bench.read(7);
      await bench.clock.advance(1_000);
      bench.ingest.tick(bench.clock.monotonicMs());
      expect(await bench.closer.run()).toBe(true);
    }
    expect(bench.outbox.batches).toEqual([]);
  });
});

describe("what a window is flagged with", () => {
  it("a step of the clock, in it and in the next", async () => {
    const bench = dust();
    bench.open();
    await sample(bench, W + 20_000);
    bench.clock.stepWall(-5_000);
    await sample(bench, 3 * W + 20_000);
    expect(bench.summaries().map(({ flags }) => flags)).toEqual([[], ["stepped"], ["stepped"], []]);
    expect(starts(bench.summaries())).toEqual(["10:00", "10:01", "10:02", "10:03"]);
    gapFree(bench.summaries());
  });

  it("readings that were warming, averaged by the device or simulated, and a calibration that is overdue", async () => {
    const channel = channelPlan({ calibration: { scale: 1, offset: 0, validUntil: "2026-11-22" } });
    const bench = new CloserBench([streamPlan(channel, { windowMs: W, latenessMs: LATENESS })]);
    bench.simulated.add(streamPlan(channel).sensor);
    bench.open();
    await bench.pass(1_000);
    bench.intake.reading("pm25", 900, { quality: "warming" }, bench.clock.monotonicMs());
    await bench.pass(29_000);
    bench.intake.reading("pm25", 7, { coversMs: 30_000 }, bench.clock.monotonicMs());
    await bench.pass(W);
    expect(bench.summaries()).toMatchObject([
      { flags: ["warming", "calibration-overdue", "device-interval", "simulated"], stats: { samples: 1, max: 7 }, coverage: 0.48 },
    ]);
  });

  it("every window in which a sensor of people warmed up, by the clock; none for what its readings say", async () => {
    for (const warmUpMs of [W + 1_000, 0]) {
      const channel = channelPlan({ ...PASSAGES, warmUpMs });
      const bench = new CloserBench([streamPlan(channel, { windowMs: W, latenessMs: LATENESS })]);
      bench.open();
      await bench.pass(2 * W);
      bench.intake.passage("passages", { direction: "towards" }, bench.clock.monotonicMs());
      await bench.pass(2 * W);
      expect(bench.summaries().map(({ flags }) => flags.includes("warming"))).toEqual([warmUpMs > 0, warmUpMs > 0, false]);
    }
  });

  it("a calibration is good until the end of its last day", async () => {
    const channel = channelPlan({ calibration: { scale: 1, offset: 0, validUntil: "2026-11-23" } });
    const clock = new VirtualClock({ wallMs: Date.UTC(2026, 10, 23, 23, 58, 30) });
    const bench = new CloserBench([streamPlan(channel, { windowMs: W, latenessMs: LATENESS })], { clock });
    await bench.pass(3 * W);
    expect(bench.summaries().map(({ window, flags }) => [window.start, flags])).toEqual([
      ["2026-11-23T23:58:00Z", []],
      ["2026-11-23T23:59:00Z", []],
      ["2026-11-24T00:00:00Z", ["calibration-overdue"]],
    ]);
  });
});

describe("a wall clock that jumps", () => {
  it("by less than a minute forward does not close a window that is still being filled", async () => {
    const bench = dust();
    bench.open();
    await sample(bench, 20_000);
    bench.clock.stepWall(55_000); // it is 10:01:15 now, and the window from 10:00 lasts until its old end
    await sample(bench, 2 * W);
    expect(bench.summaries()[0]).toMatchObject({
      window: { start: "2026-11-23T10:00:00Z" },
      stats: { samples: 60 },
      coverage: 1,
      flags: ["stepped"],
    });
    expect(bench.counters.dropped.late).toBe(0);
    gapFree(bench.summaries());
  });

  it("forward by years publishes what it has, and only so many windows as missing", async () => {
    const bench = dust();
    bench.open();
    await sample(bench, W + 30_000);
    bench.clock.stepWall(6 * 365 * 86_400_000);
    await sample(bench, 2 * W + 20_000);
    const summaries = bench.summaries();
    expect(summaries.length).toBeLessThanOrEqual(CATCH_UP_WINDOWS_MAX + 5);
    expect(summaries.slice(0, 2)).toMatchObject([{ stats: { samples: 60 } }, { stats: { mean: 7 } }]);
    expect(summaries.at(-1)).toMatchObject({ stats: { mean: 7 } });
    expect(bench.events.of("WindowsSkipped")).toHaveLength(1);
    gapFree(summaries);
  });

  it("forward does not make a cloudburst of the rain of one window", async () => {
    const bench = new CloserBench([streamPlan(RAIN, { windowMs: 900_000, latenessMs: LATENESS })]);
    bench.open(null);
    await bench.pass(600_000, () => bench.read(0.1, "rainfall"));
    bench.clock.stepWall(7_200_000);
    await bench.pass(30_000);
    expect(bench.summaries()[0]).toMatchObject({ stats: { samples: 600, sum: 60, peakPerHour: 360 } });
  });

  it("back makes no window twice, and waits until the clock has caught up", async () => {
    const bench = dust();
    bench.open();
    await sample(bench, 2 * W + 30_000);
    const before = bench.summaries().length;
    bench.clock.stepWall(-10 * W);
    await sample(bench, 5 * W);
    expect(bench.summaries()).toHaveLength(before);
    expect(bench.time.doubt()).toBe("below-last-trusted");
    expect(bench.counters.dropped.late).toBe(0);
    await sample(bench, 8 * W);
    expect(bench.time.doubt()).toBeNull();
    expect(bench.counters.dropped.late, "they waited, and their windows are closed").toBeGreaterThan(290);
    expect(bench.counters.balanced).toBe(true);
    expect(bench.summaries().length).toBeGreaterThan(before + 1);
    gapFree(bench.summaries());
  });
});

describe("after an absence", () => {
  const absent = async (bench: CloserBench, ms: number): Promise<CloserBench> => {
    await bench.clock.advance(ms);
    return dust({ clock: bench.clock, live: bench.live, outbox: bench.outbox });
  };

  it("windows in between are missing", async () => {
    const first = dust();
    first.open();
    await sample(first, 2 * W + LATENESS + 1_000);
    const second = await absent(first, 3 * W);
    second.open();
    await sample(second, 2 * W);
    expect(second.summaries().map(({ reason }) => reason ?? "ok")).toEqual(["ok", "ok", "ok", "missing", "missing", "ok", "ok"]);
    gapFree(second.summaries());
  });

  it("of days, only the last windows are", async () => {
    const first = dust();
    await first.pass(2 * W + LATENESS + 1_000);
    const before = first.summaries().length;
    const second = await absent(first, 10 * 86_400_000);
    await second.pass(LATENESS + 1_000);
    expect(second.summaries()).toHaveLength(before + CATCH_UP_WINDOWS_MAX);
    expect(second.events.of("WindowsSkipped")).toMatchObject([{ from: "2026-11-23T10:02:00Z" }]);
    gapFree(second.summaries());
  });

  it("of a moment, the readings that the live store kept are in their window", async () => {
    const first = dust();
    first.open();
    await sample(first, 30_000);
    first.ingest.flush();
    const second = await absent(first, 10_000);
    second.open();
    await sample(second, W);
    expect(second.summaries()).toMatchObject([{ stats: { samples: 50 }, coverage: expect.closeTo(0.81, 1) }]);
  });

  it("a new stream begins at the present window, and one with held readings at theirs", async () => {
    const bench = new CloserBench([minute(), minute({ name: "other", windowMs: 120_000 })]);
    await bench.pass(2 * W + LATENESS);
    expect(starts(bench.summaries("pm25"))[0]).toBe("10:00");
    const late = new CloserBench([minute(), minute({ name: "new" })], { clock: bench.clock, live: bench.live, outbox: bench.outbox });
    await late.pass(2 * W);
    expect(starts(late.summaries("new"))[0]).toBe("10:02");
  });

  it("readings of windows that were closed then are late, not lost in silence", async () => {
    const first = dust();
    await first.pass(2 * W + LATENESS + 1_000);
    first.clock.stepWall(-90_000); // while nobody looked
    const second = dust({ clock: first.clock, live: first.live, outbox: first.outbox });
    await second.pass(1_000);
    second.open();
    second.read(1);
    expect(second.counters).toMatchObject({ emitted: 1, dropped: { late: 1 } });
  });
});

describe("a window that is shorter or longer than its label because the clock was slewed", () => {
  it.each([400, -400])("by %d ms is covered as a whole by a sensor that never paused", async (slewMs) => {
    const bench = dust();
    bench.open();
    await sample(bench, W / 2);
    bench.clock.stepWall(slewMs);
    await sample(bench, 3 * W);
    expect(bench.events.of("ClockStepped")).toEqual([]);
    expect(bench.summaries()).toMatchObject(Array(3).fill({ coverage: 1, flags: [] }));
  });

  it("measures a gap by how long it really was: 59.1 s of 60.4 s", async () => {
    const bench = dust();
    bench.open();
    await sample(bench, W / 2);
    bench.clock.stepWall(-400);
    await sample(bench, W);
    await bench.pass(300);
    bench.open();
    await sample(bench, W + LATENESS);
    expect(bench.summaries().map(({ coverage }) => coverage)).toEqual([1, 0.97]);
  });
});

describe("when a window length was changed in the config", () => {
  it.each([
    [60_000, 900_000, "10:30"],
    [900_000, 60_000, "10:15"],
    [60_000, 3_600_000, "11:00"],
  ])("from %d to %d ms, windows stay on their lattice and do not overlap what was published", async (beforeMs, afterMs, firstStart) => {
    const first = new CloserBench([minute({ windowMs: beforeMs })]);
    await first.pass(18 * W);
    const before = first.summaries().length;
    const end = first.summaries().at(-1)?.window.end ?? "";
    const second = new CloserBench([minute({ windowMs: afterMs })], { clock: first.clock, live: first.live, outbox: first.outbox });
    second.open();
    await sample(second, 2 * afterMs + LATENESS + 1_000);
    const after = second.summaries().slice(before);
    expect(after[0]?.window.start.slice(11, 16)).toBe(firstStart);
    expect((after[0]?.window.start ?? "") >= end).toBe(true);
    for (const { window } of after) expect(Date.parse(window.start) % afterMs).toBe(0);
    expect(after.at(-1)).toMatchObject({ coverage: 1 });
    gapFree(second.summaries());
  });
});

describe("a commit that fails", () => {
  it.each<[OutboxTrouble, number]>([
    ["full", 0],
    ["lost", 0],
    ["unknown", 1],
  ])("%s is tried again, to the same ids, without a double number", async (trouble, rowsAtOnce) => {
    const bench = dust();
    bench.open();
    bench.outbox.commitTroubles.push(trouble);
    await sample(bench, W + LATENESS);
    const rows = bench.outbox.rows.length;
    await sample(bench, 1_000);
    expect(bench.outbox.rows.length - rows).toBe(rowsAtOnce);
    expect(bench.runs.filter((wentWell) => !wentWell)).toHaveLength(1);
    await sample(bench, W);
    expect(bench.summaries().map(({ id }) => id)).toEqual([
      "n0042/air-1.pm25/PT1M/2026-11-23T10:00:00Z",
      "n0042/air-1.pm25/PT1M/2026-11-23T10:01:00Z",
    ]);
    expect(bench.summaries()).toMatchObject([{ stats: { samples: 60 } }, { stats: { samples: 60 } }]);
    gapFree(bench.summaries());
    expect(bench.events.of("CloseFailed")).toHaveLength(1);
    expect(bench.outbox.reopened).toBe(1);
  });

  it("keeps the readings until it went well, and not longer", async () => {
    const bench = dust();
    bench.open();
    bench.outbox.commitTroubles.push("full", "full", "full");
    await sample(bench, W + LATENESS + 3_000);
    const held = () => bench.live.chunks.some(({ window }) => window === Date.UTC(2026, 10, 23, 10));
    expect(held()).toBe(true);
    await sample(bench, 2_000);
    expect(bench.summaries()).toHaveLength(1);
    expect(held()).toBe(false);
  });

  it("says so as long as the outbox cannot be opened, and goes on afterwards", async () => {
    const bench = dust();
    bench.outbox.commitTroubles.push("lost");
    bench.outbox.failsToReopen = true;
    await bench.pass(W + LATENESS + 5_000);
    expect(bench.runs.filter((wentWell) => !wentWell).length).toBeGreaterThan(3);
    expect(bench.events.of("OutboxFailed").length).toBeGreaterThan(3);
    bench.outbox.failsToReopen = false;
    await bench.pass(3_000);
    expect(bench.summaries()).toHaveLength(1);
    gapFree(bench.summaries());
  });

  it("never breaks numbers, chains or ids, however often and whenever it fails", async () => {
    const trouble = fc.constantFrom<OutboxTrouble | null>(null, null, null, "full", "lost", "unknown");
    await fc.assert(
      fc.asyncProperty(fc.array(trouble, { maxLength: 25 }), fc.nat({ max: 5 }), async (troubles, restartAfter) => {
        const streams = [minute(), minute({ name: "slow", windowMs: 120_000 }), minute({ name: "late", latenessMs: 40_000 })];
        let bench = new CloserBench(streams);
        bench.outbox.commitTroubles.push(...troubles);
        for (let round = 0; round < 8; round++) {
          if (round === restartAfter) {
            await bench.outbox.reopen();
            bench = new CloserBench(streams, { clock: bench.clock, live: bench.live, outbox: bench.outbox });
          }
          bench.open();
          await bench.pass(50_000, () => bench.read(7));
        }
        bench.outbox.commitTroubles.length = 0;
        await bench.pass(3 * W);
        gapFree(bench.summaries());
        const minutes = bench.summaries("pm25");
        expect(starts(minutes)).toEqual(minutes.map((_, index) => `10:0${index}`));
        expect(minutes.length).toBeGreaterThan(6);
        for (const summary of minutes.slice(0, 5)) expect(summary.stats?.samples).toBe(60);
      }),
      { numRuns: 12 },
    );
  });
});

describe("many streams", () => {
  const MANY = Array.from({ length: 2 * GROUP_PAIRS_MAX + 20 }, (_, index) => minute({ name: `s${index}` }));

  it("are committed in groups of whole streams, each with its mark", async () => {
    const bench = new CloserBench(MANY);
    bench.open();
    await sample(bench, W + LATENESS + 2_000);
    expect(bench.outbox.batches.map(({ rows, marks }) => [rows.length, marks.size])).toEqual([
      [GROUP_PAIRS_MAX, GROUP_PAIRS_MAX],
      [GROUP_PAIRS_MAX, GROUP_PAIRS_MAX],
      [20, 20],
    ]);
    for (const summary of bench.summaries()) expect(summary).toMatchObject({ stats: { samples: 60 } });
    gapFree(bench.summaries());
    expect(bench.live.chunks.every(({ window }) => window !== Date.UTC(2026, 10, 23, 10))).toBe(true);
  });

  it("of which a group fails are done again for that group and those after it only", async () => {
    const bench = new CloserBench(MANY);
    bench.open();
    bench.outbox.commitTroubles.push(null, "full");
    await sample(bench, W + LATENESS + 3_000);
    expect(bench.outbox.batches.map(({ rows }) => rows.length)).toEqual([GROUP_PAIRS_MAX, GROUP_PAIRS_MAX, 20]);
    for (const summary of bench.summaries()) expect(summary).toMatchObject({ stats: { samples: 60 } });
    gapFree(bench.summaries());
  });
});

describe("windows that are due in one tick", () => {
  const BOTH = [minute(), minute({ name: "slow", windowMs: 2 * W })];

  it("are committed together, and then nothing of them is held any more", async () => {
    const bench = new CloserBench(BOTH);
    bench.open();
    await sample(bench, 2 * W + LATENESS + 2_000);
    expect(bench.outbox.batches.map(({ rows, marks }) => [rows.length, marks.size])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(bench.live.chunks.every(({ window }) => window === Date.UTC(2026, 10, 23, 10, 2))).toBe(true);
    gapFree(bench.summaries());
  });

  it("are several of one stream after an absence: one commit, one mark, each naming the one before", async () => {
    const first = dust();
    await first.pass(W + LATENESS + 1_000);
    await first.clock.advance(5 * W);
    const second = dust({ clock: first.clock, live: first.live, outbox: first.outbox });
    await second.pass(1_000);
    expect(second.outbox.batches.slice(1).map(({ rows, marks }) => [rows.length, marks.size])).toEqual([[5, 1]]);
    gapFree(second.summaries());
  });

  it("are committed without the one that cannot be read, which waits", async () => {
    class Torn extends FakeLiveStore {
      isTorn = true;
      override read(...[windowMs, window]: Parameters<FakeLiveStore["read"]>) {
        if (this.isTorn && windowMs === 2 * W) throw new LiveStoreError("LIVE_IO");
        return super.read(windowMs, window);
      }
    }
    const live = new Torn();
    const bench = new CloserBench(BOTH, { live });
    bench.open();
    await sample(bench, 2 * W + LATENESS + 2_000);
    expect(bench.runs.at(-1)).toBe(false);
    expect(starts(bench.summaries())).toEqual(["10:00", "10:01"]);
    live.isTorn = false;
    await sample(bench, 2_000);
    expect(bench.summaries("slow")).toMatchObject([{ stats: { samples: 120 } }]);
    gapFree(bench.summaries());
  });
});

describe("two streams with the same window and another lateness", () => {
  it("are closed each in its time, from the same readings, which stay until both are", async () => {
    const bench = new CloserBench([minute(), minute({ name: "patient", latenessMs: 40_000 })]);
    bench.open();
    await sample(bench, W + LATENESS + 2_000);
    expect(bench.summaries().map(({ stream }) => stream)).toEqual(["pm25"]);
    expect(bench.live.chunks.some(({ window }) => window === Date.UTC(2026, 10, 23, 10))).toBe(true);
    await sample(bench, 30_000);
    expect(bench.summaries()).toMatchObject([
      { stream: "pm25", stats: { samples: 60 }, coverage: 1 },
      { stream: "patient", stats: { samples: 60 }, coverage: 1 },
    ]);
    expect(bench.live.chunks.some(({ window }) => window === Date.UTC(2026, 10, 23, 10))).toBe(false);
    expect(bench.events.of("BalanceBroken")).toEqual([]);
  });
});

describe("the live store", () => {
  it("is purged at start of what an earlier run closed and did not purge", async () => {
    const first = dust();
    first.open();
    first.live.failing.set("purge", "LIVE_IO");
    await sample(first, W + LATENESS + 2_000);
    expect(first.summaries()).toHaveLength(1);
    first.live.failing.clear();
    const second = dust({ clock: first.clock, live: first.live, outbox: first.outbox });
    await second.pass(1_000);
    expect(second.live.chunks.filter(({ window }) => window === Date.UTC(2026, 10, 23, 10))).toEqual([]);
  });

  it("is purged at start of readings that no stream of this config will ever close", async () => {
    const gate = streamPlan(PASSAGES, { windowMs: 300_000 });
    const first = new CloserBench([gate]);
    first.open(null);
    await first.pass(30_000);
    expect(first.live.chunks.length).toBeGreaterThan(0);
    const second = dust({ clock: first.clock, live: first.live, outbox: first.outbox });
    await second.pass(1_000);
    expect(second.live.chunks.filter(({ sensitivity }) => sensitivity === "presence")).toEqual([]);
  });

  it.each(["held", "read", "purge"] as const)("that fails to %s delays closing, and the outbox is left alone", async (method) => {
    const bench = dust();
    bench.open();
    await sample(bench, method === "held" ? 0 : 5_000);
    bench.live.failing.set(method, "LIVE_IO");
    await sample(bench, W + LATENESS);
    expect(bench.runs).toContain(false);
    bench.live.failing.clear();
    await sample(bench, W);
    expect(bench.runs.at(-1)).toBe(true);
    expect(bench.summaries()[0]).toMatchObject({ stats: { samples: 60 } });
    expect(bench.outbox.reopened).toBe(0);
    gapFree(bench.summaries());
  });

  it("says a bug when it has fewer readings than it was given", async () => {
    const bench = dust();
    bench.open();
    await sample(bench, W);
    bench.ingest.flush();
    bench.live.purge("environmental", minute().windowMs, Number.MAX_SAFE_INTEGER as ReturnType<VirtualClock["wallMs"]>);
    await sample(bench, LATENESS + 2_000);
    expect(bench.events.of("BalanceBroken")).toHaveLength(1);
  });

  it("is handed back zeroes, also when closing fails", async () => {
    class Watched extends FakeLiveStore {
      readonly given: Uint8Array[] = [];
      override *read(...where: Parameters<FakeLiveStore["read"]>) {
        for (const chunk of super.read(...where)) {
          this.given.push(chunk.data);
          yield chunk;
        }
      }
    }
    const live = new Watched();
    const bench = dust({ live });
    bench.open();
    bench.outbox.commitTroubles.push("full");
    await sample(bench, W + LATENESS + 1_000);
    expect(bench.runs).toContain(false);
    expect(live.given.length).toBeGreaterThan(10);
    expect(live.given.every((data) => data.every((byte) => byte === 0))).toBe(true);
  });
});

it("publishes nothing of a stream whose policy does not fit, says so, and goes on", async () => {
  const bench = new CloserBench([streamPlan(PASSAGES, { windowMs: W, latenessMs: LATENESS, policy: { is: "open" } }), minute()]);
  bench.open();
  await sample(bench, 2 * W + LATENESS + 2_000);
  expect(bench.summaries("passages")).toEqual([]);
  expect(bench.summaries("pm25")).toHaveLength(2);
  expect(bench.events.of("StreamWithheld")[0]).toMatchObject({ because: "forbidden" });
  gapFree(bench.summaries());
});

it("runs once at a time: a call during a run waits for it", async () => {
  const bench = new CloserBench([minute()], { outbox: new FakeOutbox() });
  await bench.pass(W + LATENESS - 1_000);
  await bench.clock.advance(2_000);
  bench.ingest.tick(bench.clock.monotonicMs());
  bench.time.tick();
  expect(await Promise.all([bench.closer.run(), bench.closer.run(), bench.closer.run()])).toEqual([true, true, true]);
  expect(bench.summaries()).toHaveLength(1);
});

it("names the error of a store by its code", () => {
  expect(new LiveStoreError("LIVE_IO")).toMatchObject({ code: "LIVE_IO", name: "LiveStoreError" });
});

describe("a stream that means something else since the restart", () => {
  const doubled = streamPlan(channelPlan({ calibration: { scale: 2, offset: 0 } }), { windowMs: W, latenessMs: LATENESS });
  const restarted = ({ clock, live, outbox }: CloserBench, stream: StreamPlan): CloserBench => {
    const bench = new CloserBench([stream], { clock, live, outbox });
    bench.open();
    return bench;
  };
  const means = (bench: CloserBench) => bench.summaries().map(({ stats, quality }) => [stats?.mean, stats?.samples, quality]);

  it("has no window with readings of both: the open one is made of what came since", async () => {
    const first = dust();
    first.open();
    await sample(first, 30_000);
    const second = restarted(first, doubled);
    await sample(second, 2 * W);
    expect(means(second)).toEqual([
      [14, 30, "partial"],
      [14, 60, "ok"],
    ]);
    expect(
      second.live.records().some(({ window }) => window === 0),
      "readings of before go with their window",
    ).toBe(false);
  });

  it("finds its own readings again when it means what it meant, however often it is started anew", async () => {
    const first = dust();
    first.open();
    await sample(first, 20_000);
    const second = restarted(first, doubled);
    await sample(second, 20_000);
    const third = restarted(second, minute());
    await sample(third, W);
    expect(means(third)).toEqual([[7, 40, "partial"]]);
    expect(third.events.of("BalanceBroken")).toEqual([]);
  });

  it("has no window with readings of both that waited for the clock", async () => {
    const first = dust();
    first.open();
    for (let second = 0; second < 30; second++) {
      first.read(7);
      await first.clock.advance(1_000);
      first.ingest.tick(first.clock.monotonicMs());
    }
    expect(first.live.records().filter(({ window, marks }) => window === null && marks & MARK.sample)).toHaveLength(30);
    const second = restarted(first, doubled);
    await sample(second, 2 * W);
    expect(means(second)).toEqual([
      [14, 30, "partial"],
      [14, 60, "ok"],
    ]);
  });
});

describe("a store whose marks were damaged", () => {
  it("lets a stream without one begin with the next whole window, and says what is skipped", async () => {
    const first = dust();
    first.open();
    await sample(first, 2 * W + 30_000);
    first.outbox.markOf.clear();
    first.outbox.isDoubtful = true;
    const before = first.summaries().length;
    const second = new CloserBench([minute()], { clock: first.clock, live: first.live, outbox: first.outbox });
    second.open();
    await sample(second, 2 * W);
    expect(starts(second.summaries()).slice(before)).toEqual(["10:03"]);
    expect(second.events.of("WindowsSkipped")).toMatchObject([{ to: "2026-11-23T10:03:00Z" }]);
  });

  it("goes by the furthest mark where that is ahead of the clock", async () => {
    const outbox = new FakeOutbox();
    const rain = streamPlan(RAIN, { windowMs: W, latenessMs: LATENESS });
    outbox.isDoubtful = true;
    outbox.markOf.set(rain.id, { closedTo: Date.UTC(2026, 10, 23, 10, 5) as EpochMs, lastStart: null });
    const bench = new CloserBench([minute(), rain], { outbox });
    bench.open();
    await sample(bench, 7 * W + 30_000);
    expect(starts(bench.summaries("pm25"))).toEqual(["10:05", "10:06"]);
  });
});
