import { describe, expect, it } from "vitest";
import { meaningOf } from "../../../src/core/reading/meaning.ts";
import { MARK } from "../../../src/core/reading/record.ts";
import { epsilonMicro } from "../../../src/core/units/epsilon.ts";
import { HOUR_MS, SECOND_MS } from "../../../src/core/units/time.ts";
import { FLUSH_EVERY_MS, PEOPLE_WAIT_MS_MAX, SHED_EVERY_MS } from "../../../src/runtime/ingest.ts";
import { CloserBench } from "../../support/closers.ts";
import { IntakeBench } from "../../support/intakes.ts";
import { channelPlan, LATENESS_MS, PASSAGES, streamPlan, WINDOW_MS } from "../../support/plans.ts";

const DUST = channelPlan();
const HOUR_S = HOUR_MS / SECOND_MS;

describe("readings of people that grow too old", () => {
  const gate = streamPlan(PASSAGES);
  const dustStream = streamPlan(DUST, { windowMs: gate.windowMs });
  const passing = (bench: IntakeBench): void => bench.intake.passage("passages", { direction: "towards" }, bench.nowMs);

  /** Somebody passes every ten minutes, dust is measured as often, and old readings are looked for every second. */
  function live(bench: IntakeBench, minutes: number, hasDust = false): void {
    for (let minute = 0; minute < minutes; minute++) {
      if (minute % 10 === 0) {
        passing(bench);
        if (hasDust) bench.read("pm25", minute);
      }
      for (let second = 0; second < 60; second++) {
        bench.pass(1_000);
        bench.ingest.shedOld(bench.nowMs);
      }
    }
  }
  const ageMs = (bench: IntakeBench): number => bench.nowMs - Math.min(...people(bench).map(({ fromMs }) => fromMs));
  const people = (bench: IntakeBench) => bench.live.chunks.filter(({ sensitivity }) => sensitivity !== "environmental");

  it("are deleted and counted after an hour and their lateness, however long the clock stays untrusted", () => {
    const bench = new IntakeBench([DUST, PASSAGES], [dustStream, gate], { isTrusted: false });
    bench.open();
    live(bench, 60, true);
    expect(bench.books()).toEqual({ emitted: 12, stored: 12 });
    live(bench, 120, true);
    expect(ageMs(bench)).toBeLessThanOrEqual(PEOPLE_WAIT_MS_MAX + LATENESS_MS + SHED_EVERY_MS + FLUSH_EVERY_MS);
    expect(ageMs(bench), "and not much earlier").toBeGreaterThan(PEOPLE_WAIT_MS_MAX);
    const kept = bench.live.records().filter(({ marks }) => (marks & MARK.sample) !== 0);
    const environmental = kept.filter(({ stream }) => stream === bench.live.streamIndex(dustStream.id, meaningOf(dustStream)));
    expect(environmental, "what is not about people waits on").toHaveLength(18);
    expect(bench.books()).toEqual({ emitted: 36, stored: kept.length, "clock-untrusted": 36 - kept.length });
    expect(bench.counters.balanced).toBe(true);
    expect(
      bench.events.all.filter(({ type }) => type === "ReadingsExpired"),
      "said once",
    ).toHaveLength(1);
  });

  it("are deleted and counted an hour after their window and its lateness, when nobody closes it", () => {
    const bench = new IntakeBench([DUST, PASSAGES], [dustStream, gate]);
    bench.open();
    live(bench, 180, true);
    const most = PEOPLE_WAIT_MS_MAX + LATENESS_MS + gate.windowMs + SHED_EVERY_MS + FLUSH_EVERY_MS;
    expect(ageMs(bench)).toBeLessThanOrEqual(most);
    expect(ageMs(bench)).toBeGreaterThan(PEOPLE_WAIT_MS_MAX + gate.windowMs);
    const { stored, expired } = bench.books();
    expect((stored ?? 0) + (expired ?? 0)).toBe(36);
    expect(expired).toBeGreaterThan(5);
    expect(bench.counters.balanced).toBe(true);
  });

  it("are not counted when an earlier run stored them", () => {
    const first = new IntakeBench([PASSAGES], [gate], { isTrusted: false });
    first.open();
    live(first, 1);
    const second = new IntakeBench([PASSAGES], [gate], { isTrusted: false, live: first.live, fromMs: first.nowMs });
    second.open();
    live(second, 100);
    expect(second.books()).toEqual({ emitted: 10, stored: 6, "clock-untrusted": 4 });
    expect(second.counters.balanced).toBe(true);
  });

  it("stay when they cannot be deleted, and are tried again", () => {
    const bench = new IntakeBench([PASSAGES], [gate], { isTrusted: false });
    bench.open();
    bench.live.failing.set("purge", "LIVE_IO");
    live(bench, 65);
    expect(bench.books()).toEqual({ emitted: 7, stored: 7 });
    expect(bench.events.all).toContainEqual(expect.objectContaining({ type: "CloseFailed" }));
    bench.live.failing.clear();
    live(bench, 2);
    expect(bench.books()).toMatchObject({ "clock-untrusted": 1 });
  });
});

describe("a window that could not be written for hours", () => {
  const NOISED = { is: "noised", epsilonMicro: epsilonMicro(500_000), accountMicro: epsilonMicro(1_000_000), bound: null } as const;

  it("is told as missing once it can be: its readings are gone, and no number leaves without its charge", { timeout: 60_000 }, async () => {
    const bench = new CloserBench([streamPlan(PASSAGES, { policy: NOISED })]);
    bench.open(null);
    const passing = (): void => {
      bench.intake.passage("passages", { direction: "towards" }, bench.clock.monotonicMs());
      bench.ingest.shedOld(bench.clock.monotonicMs());
    };
    const untilClosed = WINDOW_MS + LATENESS_MS + 2_000;
    await bench.pass(untilClosed, passing);
    expect(bench.summaries()).toHaveLength(1);
    // The second window is drawn, and cannot be written.
    bench.outbox.commitTroubles.push(...Array.from({ length: 10 }, () => "full" as const));
    await bench.pass(WINDOW_MS + 2_000, passing);
    bench.outbox.commitTroubles.length = 0;
    // Nor is anything else: the closer is not even asked, for it would fail.
    for (let second = 0; second < 2 * HOUR_S; second++) {
      await bench.clock.advance(1_000);
      passing();
      bench.ingest.tick(bench.clock.monotonicMs());
    }
    await bench.pass(2_000, passing);
    const told = bench.summaries().map(({ reason, cells }) => (cells === undefined ? reason : "number"));
    // Windows of a quarter: the last ones still have their readings.
    expect(told.slice(0, 3)).toEqual(["number", "missing", "missing"]);
    expect(told.slice(-3)).toEqual(["number", "number", "number"]);
    const charged = [...bench.outbox.spanOf.values()].reduce((sum, { fromMs, toMs }) => sum + (toMs - fromMs) / WINDOW_MS, 0);
    expect(charged).toBe(told.filter((one) => one === "number").length);
    expect(bench.events.all.filter(({ type }) => type === "BalanceBroken")).toEqual([]);
    expect(bench.counters.balanced).toBe(true);
    expect(bench.counters.dropped.expired).toBeGreaterThan(0);
  });
});
