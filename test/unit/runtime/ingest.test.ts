import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MARK } from "../../../src/core/reading/record.ts";
import { epochMs, HOUR_MS, MINUTE_MS, monotonicMs } from "../../../src/core/units/time.ts";
import { FLUSH_RECORDS } from "../../../src/runtime/ingest.ts";
import { IntakeBench } from "../../support/intakes.ts";
import { channelPlan, DOOR, PASSAGES, RAIN, SPEED, streamPlan, WINDOW_MS } from "../../support/plans.ts";

const DUST = channelPlan();
const dust = (changes: Parameters<typeof streamPlan>[1] = {}) => new IntakeBench([DUST], [streamPlan(DUST, changes)]);
const values = (bench: IntakeBench) => [...bench.readings().value].filter((_, index) => ((bench.readings().marks[index] ?? 0) & 1) !== 0);

describe("a reading that is not used is counted with its reason", () => {
  it.each<[string, (bench: IntakeBench) => void, object]>([
    ["null", (bench) => bench.read("pm25", null), { null: 1 }],
    ["not a number", (bench) => bench.read("pm25", Number.NaN), { "not-finite": 1 }],
    ["infinite", (bench) => bench.read("pm25", Number.POSITIVE_INFINITY), { "not-finite": 1 }],
    ["below the range", (bench) => bench.read("pm25", -0.1), { "out-of-range": 1 }],
    ["above the range", (bench) => bench.read("pm25", 1_000.1), { "out-of-range": 1 }],
    ["of a channel that nobody declared", (bench) => bench.read("pm99", 1), { "unknown-channel": 1 }],
    ["a passage of a channel that nobody declared", (bench) => bench.intake.passage("gate", {}, bench.nowMs), { "unknown-channel": 1 }],
    ["a total of a channel that nobody declared", (bench) => bench.total("rain", 1), { "unknown-channel": 1 }],
    ["a total of what is no counter", (bench) => bench.total("pm25", 1), { "wrong-kind": 1 }],
    ["a passage of what nobody passes", (bench) => bench.intake.passage("pm25", {}, bench.nowMs), { "wrong-kind": 1 }],
    ["an identifier", (bench) => bench.intake.identity("pm25", new Uint8Array(6), bench.nowMs), { "wrong-kind": 1 }],
    ["an identifier of nothing", (bench) => bench.intake.identity("mac", new Uint8Array(6), bench.nowMs), { "unknown-channel": 1 }],
  ])("%s", (_, act, dropped) => {
    const bench = dust();
    bench.open();
    act(bench);
    expect(bench.books()).toEqual({ emitted: 1, ...dropped });
    expect(bench.counters.balanced).toBe(true);
    expect(values(bench)).toEqual([]);
  });

  it("takes both ends of the range", () => {
    const bench = dust();
    bench.open();
    bench.read("pm25", 0);
    bench.read("pm25", 1_000);
    expect(bench.books()).toEqual({ emitted: 2, stored: 2 });
  });

  it("of a channel without a stream, or with a withheld one only", () => {
    const withheld = new IntakeBench([DUST], [streamPlan(DUST, { policy: { is: "withheld" } })]);
    for (const bench of [new IntakeBench([DUST], []), withheld]) {
      bench.open();
      bench.read("pm25", 1);
      expect(bench.books()).toEqual({ emitted: 1, "not-published": 1 });
      bench.ingest.flush();
      expect(bench.live.chunks).toEqual([]);
    }
  });

  it("of a window that is closed", () => {
    const bench = dust();
    bench.open();
    for (const lane of bench.ingest.lanes) lane.closedTo = epochMs(WINDOW_MS);
    bench.read("pm25", 1);
    expect(bench.books()).toEqual({ emitted: 1, late: 1 });
  });

  it("outside the declared cells, and its speed is used all the same", () => {
    const passages = channelPlan({ ...PASSAGES, cells: { directions: ["towards"] } });
    const bench = new IntakeBench([passages, SPEED], [streamPlan(passages), streamPlan(SPEED)]);
    bench.open();
    bench.intake.passage("passages", { direction: "away", speedKmh: 30 }, bench.nowMs);
    expect(bench.books()).toEqual({ emitted: 2, stored: 1, "outside-cells": 1 });
  });

  it("in a state that does not exist", () => {
    const bench = new IntakeBench([channelPlan({ ...DOOR, range: [0, 7] })], [streamPlan(channelPlan({ ...DOOR, range: [0, 7] }))]);
    bench.open();
    for (const value of [0.5, 2, 7]) bench.read("cabinet_door", value);
    expect(bench.books()).toEqual({ emitted: 3, "out-of-range": 3 });
  });

  it("once for each stream that it was meant for", () => {
    const streams = [streamPlan(DUST), streamPlan(DUST, { name: "pm25_1h", windowMs: 3_600_000 })];
    const bench = new IntakeBench([DUST], streams);
    bench.open();
    bench.read("pm25", null);
    bench.read("pm25", 5);
    expect(bench.books()).toEqual({ emitted: 4, stored: 2, null: 2 });
    expect(streams.map((stream) => bench.readings(stream).count)).toEqual([1, 1]);
  });

  it("when the live store is full, and it is said once until there is room again", () => {
    const bench = dust();
    bench.open();
    bench.live.failing.set("append", "LIVE_FULL");
    bench.read("pm25", 1);
    bench.read("pm25", 2, { quality: "suspect" });
    bench.pass(1_000);
    bench.read("pm25", 3);
    bench.ingest.flush();
    expect(bench.ingest.isFull).toBe(true);
    expect(bench.books()).toEqual({ emitted: 3, "store-full": 3 });
    bench.live.failing.clear();
    bench.read("pm25", 4);
    bench.ingest.flush();
    expect(bench.ingest.isFull).toBe(false);
    expect(bench.books()).toEqual({ emitted: 4, stored: 1, "store-full": 3 });
    expect(bench.events.all).toEqual([{ type: "LiveStoreFull" }]);
    expect(values(bench)).toEqual([4]);
  });

  it("when the live store cannot be written, which is not called full", () => {
    const bench = dust();
    bench.open();
    bench.live.failing.set("append", "LIVE_IO");
    bench.read("pm25", 1);
    bench.ingest.flush();
    expect([bench.ingest.isFull, bench.ingest.isFailing, bench.books()]).toEqual([false, true, { emitted: 1, "store-full": 1 }]);
    bench.live.failing.clear();
    bench.read("pm25", 2);
    bench.ingest.flush();
    expect(bench.ingest.isFailing).toBe(false);
    expect(bench.events.all).toEqual([{ type: "LiveStoreFailed" }]);
  });

  it.each(["with", "without"])("when the live store is full: of people that is said by the clock, %s somebody passing", (how) => {
    const bench = new IntakeBench([PASSAGES], [streamPlan(PASSAGES)]);
    const passes = (): void => {
      if (how === "with") bench.intake.passage("passages", { direction: "towards" }, bench.nowMs);
    };
    bench.open();
    bench.pass(250); // the first tick covers, and then one in four
    const seen = (): readonly unknown[] => [bench.ingest.isFull, bench.events.all.length];
    bench.live.failing.set("append", "LIVE_FULL");
    passes();
    bench.pass(750);
    expect(seen()).toEqual([false, 0]);
    bench.pass(250);
    expect(seen()).toEqual([true, 1]);
    bench.live.failing.clear();
    passes();
    bench.pass(750);
    expect(seen()).toEqual([true, 1]);
    bench.pass(250);
    expect(seen()).toEqual([false, 1]);
    expect(bench.counters.balanced).toBe(true);
  });

  it("when too much waits for the clock", () => {
    const bench = new IntakeBench([DUST], [streamPlan(DUST)], { isTrusted: false });
    bench.open();
    for (let second = 0; second < 10; second++) {
      bench.read("pm25", second);
      bench.pass(1_000);
    }
    bench.ingest.shedWaiting(monotonicMs(bench.nowMs), HOUR_MS, 40);
    expect(bench.books()).toEqual({ emitted: 10, stored: 10 });
    const held = bench.live.chunks.length;
    bench.ingest.shedWaiting(monotonicMs(bench.nowMs), HOUR_MS, held - 3);
    expect(bench.live.chunks).toHaveLength(held - 3);
    const samples = bench.live.records().filter(({ marks }) => marks & MARK.sample);
    expect(bench.books()).toEqual({ emitted: 10, stored: samples.length, "clock-untrusted": 10 - samples.length });
    expect(samples.length).toBeLessThan(10);
    expect(bench.counters.balanced).toBe(true);
  });

  it("when there is no room for what comes: what waited longest for the clock goes, and it is said until time is trusted", () => {
    const bench = new IntakeBench([DUST], [streamPlan(DUST)], { isTrusted: false });
    bench.open();
    const read = (count: number) => {
      for (let index = 0; index < count; index++) bench.read("pm25", index);
      bench.pass(1_000);
    };
    read(1_900);
    read(900);
    expect(bench.ingest.isFull).toBe(false);
    bench.live.bytesMax = bench.live.bytes();
    for (let second = 0; second < 60; second++) read(500);
    expect(bench.books()).toMatchObject({ emitted: 32_800, stored: expect.any(Number), "clock-untrusted": expect.any(Number) });
    expect(bench.books()["store-full"]).toBeUndefined();
    expect(bench.counters.balanced).toBe(true);
    const samples = bench.live.records().filter(({ marks }) => marks & MARK.sample);
    expect([samples.length, samples.at(-1)?.atMs]).toEqual([bench.counters.stored, bench.nowMs - 1_000]);
    expect([bench.ingest.isFull, bench.events.all]).toEqual([true, [{ type: "LiveStoreFull" }]]);
    bench.live.bytesMax = Number.POSITIVE_INFINITY;
    bench.ingest.anchor(0, bench.nowMs, "first");
    read(1);
    expect(bench.ingest.isFull).toBe(false);
  });

  it("when the live store fails while what waited too long is shed: once, when it is well again", () => {
    const bench = new IntakeBench([DUST], [streamPlan(DUST)], { isTrusted: false });
    bench.open();
    for (let second = 0; second < 10; second++) {
      bench.read("pm25", second);
      bench.pass(1_000);
    }
    const held = bench.live.chunks.length;
    for (const method of ["relabel", "purge"] as const) bench.live.failing.set(method, "LIVE_IO");
    bench.ingest.shedWaiting(bench.nowMs, 5_000);
    bench.ingest.shedWaiting(bench.nowMs, HOUR_MS, 3);
    expect(bench.events.of("CloseFailed")).toHaveLength(2);
    expect([bench.live.chunks.length, bench.books()]).toEqual([held, { emitted: 10, stored: 10 }]);
    bench.live.failing.clear();
    bench.ingest.shedWaiting(bench.nowMs, HOUR_MS, 0);
    expect(bench.books()).toEqual({ emitted: 10, "clock-untrusted": 10 });
  });

  it("when it waited too long for the clock, all of it that did", () => {
    const bench = new IntakeBench([DUST], [streamPlan(DUST)], { isTrusted: false });
    bench.open();
    for (let minute = 0; minute < 90; minute++) {
      bench.read("pm25", minute);
      bench.pass(60_000);
    }
    for (let second = 0; second < 200; second++) bench.ingest.shedWaiting(bench.nowMs, HOUR_MS);
    const samples = bench.live.records().filter(({ marks }) => marks & MARK.sample);
    expect(samples.map(({ value }) => value)).toEqual(Array.from({ length: 60 }, (_, index) => index + 30));
    expect(bench.books()).toEqual({ emitted: 90, stored: 60, "clock-untrusted": 30 });
  });
});

it("zeroes an identifier wherever it comes from", () => {
  const bench = dust();
  const bytes = Uint8Array.of(0xde, 0xad, 0xbe, 0xef);
  bench.intake.identity("pm25", bytes, bench.nowMs);
  expect([...bytes]).toEqual([0, 0, 0, 0]);
});

it("calibrates before it checks the range", () => {
  const channel = channelPlan({ range: [0, 100], calibration: { scale: 2, offset: -10 } });
  const bench = new IntakeBench([channel], [streamPlan(channel)]);
  bench.open();
  for (const raw of [4, 5, 50, 55, 56]) bench.read("pm25", raw);
  expect(bench.books()).toEqual({ emitted: 5, stored: 3, "out-of-range": 2 });
  expect(values(bench)).toEqual([0, 90, 100]);
});

describe("coverage of a sensor with a rhythm", () => {
  it("is whole while readings keep the rhythm", () => {
    const bench = dust();
    bench.open();
    bench.intake.expect(5_000);
    for (let at = 0; at < WINDOW_MS; at += 5_000) {
      bench.pass(5_000);
      bench.read("pm25", 1);
    }
    expect(bench.coverage()).toBe(1);
  });

  it("has a gap where the rhythm was broken, and stands for its part of a window from when the port was opened", () => {
    const bench = dust();
    bench.pass(100_000);
    bench.open();
    bench.intake.expect(5_000);
    for (let at = 100_000; at < WINDOW_MS; at += 5_000) {
      bench.pass(5_000);
      if (at < 400_000 || at >= 490_000) bench.read("pm25", 1);
    }
    expect(bench.coverage()).toBe(0.78); // 900 s less 100 s before it was opened, less 95 s of silence
  });

  it("is not made by readings that are set aside, which still are counted", () => {
    const bench = dust();
    bench.open();
    bench.intake.expect(60_000);
    for (let minute = 0; minute < 15; minute++) {
      bench.pass(60_000);
      bench.read("pm25", 900, { quality: minute < 5 ? "warming" : minute < 6 ? "suspect" : "ok" });
    }
    expect(bench.books()).toEqual({ emitted: 15, stored: 9, setAside: 6 });
    // Each good one stands for the minute since the one before it, and none for a minute that was set aside.
    expect(bench.coverage()).toBe(0.6);
    expect(bench.statistic()).toMatchObject({ samples: 8 });
  });

  it("of an instrument that averages by itself is what it says, and no more than the time since its last word", () => {
    const bench = dust();
    bench.open();
    bench.intake.expect(700_000);
    bench.pass(300_000);
    bench.read("pm25", 1, { coversMs: 600_000 });
    bench.pass(400_000);
    bench.read("pm25", 1, { coversMs: 60_000 });
    expect([...bench.readings().coversMs]).toEqual([300_000, 60_000]);
    expect([...bench.readings().marks].every((marks) => marks & MARK.deviceInterval)).toBe(true);
  });

  it("is never negative when the kernel's stamps are out of order", () => {
    const bench = dust();
    bench.open();
    bench.intake.expect(5_000);
    bench.pass(4_000);
    bench.read("pm25", 1);
    bench.intake.reading("pm25", 2, undefined, (bench.nowMs - 1_500) as typeof bench.nowMs);
    bench.pass(1_000);
    bench.read("pm25", 3);
    expect([...bench.readings().coversMs]).toEqual([4_000, 0, 1_000]);
  });

  it("is not given in advance while windows wait for a clock that jumped back, nor missing when it was put right", () => {
    const bench = dust();
    bench.open();
    bench.intake.expect(5_000);
    const readUntil = (ms: number): void => {
      while (bench.nowMs < ms) {
        bench.pass(5_000);
        bench.read("pm25", 1);
      }
    };
    readUntil(WINDOW_MS + 100_000);
    bench.ingest.anchor(-20 * MINUTE_MS, bench.nowMs, "jump");
    readUntil(WINDOW_MS + 200_000);
    bench.ingest.anchor(0, bench.nowMs, "jump");
    readUntil(3 * WINDOW_MS);
    // All but one interval of 5 s, at its beginning.
    expect(bench.coverage(undefined, 2 * WINDOW_MS)).toBe(0.99);
  });

  it("ends with the link and begins anew with it", () => {
    const bench = dust();
    bench.open();
    bench.intake.expect(5_000);
    bench.pass(4_000);
    bench.read("pm25", 1);
    bench.intake.closed(bench.nowMs);
    bench.pass(2_000);
    bench.open();
    bench.pass(1_000);
    bench.read("pm25", 2);
    expect([...bench.readings().coversMs]).toEqual([4_000, 1_000]);
  });
});

describe("coverage of a sensor that is heard when something happens", () => {
  const gate = () => new IntakeBench([PASSAGES, SPEED], [streamPlan(PASSAGES), streamPlan(SPEED)]);

  it("comes from the link, and not from passages", () => {
    const [quiet, busy] = [gate(), gate()];
    for (const bench of [quiet, busy]) bench.open();
    for (let second = 0; second < 900; second++) {
      for (let passage = 0; passage < 3; passage++) busy.intake.passage("passages", { direction: "away", speedKmh: 42 }, busy.nowMs);
      for (const bench of [quiet, busy]) bench.pass(1_000);
    }
    const covers = (bench: IntakeBench) => bench.live.records().filter(({ marks }) => marks === 0);
    expect(covers(busy)).toEqual(covers(quiet));
    expect([quiet.coverage(), busy.coverage()]).toEqual([1, 1]);
    expect(quiet.statistic()).toEqual({ kind: "passage", counts: [0, 0] });
    expect(busy.statistic()).toEqual({ kind: "passage", counts: [0, 2_700] });
    expect(busy.intake.lastLifeMs).toBe(quiet.intake.lastLifeMs);
  });

  it("ends when the link does", () => {
    const bench = gate();
    bench.open();
    bench.pass(300_000);
    bench.intake.closed(bench.nowMs);
    bench.pass(600_000);
    expect(bench.coverage()).toBe(0.33);
  });

  it("ends when the sensor shows no life within its rhythm: readings of people are none", () => {
    const bench = gate();
    bench.open();
    bench.intake.expect(60_000);
    for (let second = 0; second < 900; second++) {
      bench.intake.passage("passages", { direction: "towards" }, bench.nowMs);
      bench.pass(1_000);
    }
    expect(bench.coverage()).toBe(0.06);
  });

  it("has a gap where the sensor showed no life within its rhythm, also when it lives again", () => {
    const bench = gate();
    bench.open();
    bench.intake.expect(60_000);
    bench.pass(600_000);
    bench.intake.lastLifeMs = bench.nowMs;
    bench.pass(60_000);
    bench.intake.lastLifeMs = bench.nowMs;
    bench.pass(240_000);
    expect([0.19, 0.2]).toContain(bench.coverage());
  });

  it("has a gap where the process stood still, whoever passed before and after", () => {
    const bench = gate();
    bench.open();
    bench.pass(120_000);
    const before = bench.live.records().length;
    bench.nowMs = monotonicMs(bench.nowMs + 600_000);
    bench.intake.passage("passages", { direction: "away" }, bench.nowMs);
    bench.pass(180_000);
    expect(bench.coverage()).toBe(0.33);
    expect(bench.live.records().length).toBeGreaterThan(before);
  });

  it("has none where a busy machine was late by a few seconds", () => {
    const bench = gate();
    bench.open();
    for (let turn = 0; turn < 180; turn++) {
      bench.pass(1_000);
      bench.nowMs = monotonicMs(bench.nowMs + 3_900);
      bench.pass(100);
    }
    expect(bench.coverage()).toBe(1);
  });

  it("includes the last moments when the link closes", () => {
    const bench = gate();
    bench.open();
    bench.pass(1_000);
    bench.pass(900);
    bench.intake.closed(bench.nowMs);
    expect([...bench.readings().coversMs].reduce((a, b) => a + b, 0)).toBe(1_900);
  });
});

it("puts a passage into its cell and its speed into the one channel of speeds", () => {
  const passages = channelPlan({ ...PASSAGES, cells: { directions: ["towards", "away"], classes: ["bicycle", "car"] } });
  const streams = [streamPlan(passages), streamPlan(SPEED)];
  const bench = new IntakeBench([passages, SPEED], streams);
  bench.open();
  bench.intake.passage("passages", { direction: "towards", class: "car", speedKmh: 49 }, bench.nowMs);
  bench.intake.passage("passages", { direction: "away", class: "bicycle", speedKmh: 18 }, bench.nowMs);
  bench.intake.passage("passages", { direction: "away", class: "bicycle" }, bench.nowMs);
  bench.intake.passage("passages", { direction: "away", class: "car", speedKmh: 999 }, bench.nowMs);
  expect(bench.statistic(streams[0])).toEqual({ kind: "passage", counts: [0, 1, 2, 1] });
  expect(bench.statistic(streams[1])).toEqual({ kind: "speed", counts: [1, 1, 0, 0] });
  expect(bench.books()).toEqual({ emitted: 7, stored: 6, "out-of-range": 1 });
});

describe("a state", () => {
  const door = () => new IntakeBench([DOOR], [streamPlan(DOOR)]);

  it("is held from when it is known until it changes, over windows too", () => {
    const bench = door();
    bench.open();
    bench.pass(60_000);
    bench.read("cabinet_door", 0);
    bench.pass(600_000);
    bench.read("cabinet_door", 1);
    bench.pass(400_000);
    expect(bench.statistic()).toEqual({ kind: "state", samples: 2, heldMs: [600_000, 240_000], transitions: 1 });
    expect(bench.coverage()).toBe(0.93);
    expect(bench.statistic(undefined, WINDOW_MS)).toEqual({ kind: "state", samples: 0, heldMs: [0, 160_000], transitions: 0 });
  });

  it("was held for no time in which the process stood still, whether it changes first or the link is looked at", () => {
    for (const isFirst of [true, false]) {
      const bench = door();
      bench.open();
      bench.read("cabinet_door", 0);
      bench.pass(300_000);
      bench.nowMs = monotonicMs(bench.nowMs + 300_000);
      if (!isFirst) bench.pass(250);
      bench.read("cabinet_door", 1);
      bench.pass(bench.nowMs < 600_001 ? 300_000 : 299_750);
      expect([0.66, 0.67]).toContain(bench.coverage());
      const { heldMs } = bench.statistic() as { heldMs: readonly number[] };
      expect(heldMs.map((ms) => Math.round(ms / 10_000))).toEqual([30, 30]);
    }
  });

  it("is unknown after the link was gone, until the device says it again", () => {
    const bench = door();
    bench.open();
    bench.read("cabinet_door", 1);
    bench.pass(10_000);
    bench.intake.closed(bench.nowMs);
    bench.pass(10_000);
    bench.open();
    bench.pass(10_000);
    bench.read("cabinet_door", 0);
    bench.pass(10_000);
    expect(bench.statistic()).toMatchObject({ heldMs: [10_000, 10_000] });
  });

  it.each([
    ["as it was", 1, [0, 50_000]],
    ["as the device told it meanwhile", 0, [30_000, 20_000]],
    ["not at all, when the device lost it meanwhile", null, [0, 20_000]],
  ] as const)("is held again after maintenance: %s", (_how, meanwhile, heldMs) => {
    const bench = door();
    bench.open();
    bench.read("cabinet_door", 1);
    bench.pass(20_000);
    bench.intake.pause(true, bench.nowMs);
    bench.pass(50_000);
    if (meanwhile !== 1) bench.read("cabinet_door", meanwhile);
    bench.pass(50_000);
    bench.intake.pause(false, bench.nowMs);
    bench.pass(30_000);
    expect(bench.statistic()).toMatchObject({ kind: "state", heldMs });
  });

  it("is held on in a stream that takes the place of another, from then on", () => {
    const bench = door();
    bench.open();
    bench.read("cabinet_door", 1);
    bench.pass(20_000);
    const other = streamPlan(DOOR, { windowMs: 2 * WINDOW_MS });
    bench.ingest.rearrangeSensor(bench.intake, [DOOR], [other], bench.nowMs);
    bench.pass(30_000);
    expect(bench.statistic(other)).toMatchObject({ kind: "state", heldMs: [0, 30_000] });
  });

  it("does not change by a reading that is set aside", () => {
    const bench = door();
    bench.open();
    bench.read("cabinet_door", 0);
    bench.pass(10_000);
    bench.read("cabinet_door", 1, { quality: "suspect" });
    bench.pass(10_000);
    expect(bench.statistic()).toEqual({ kind: "state", samples: 1, heldMs: [20_000, 0], transitions: 0 });
  });
});

describe("a state that the device does not know any more", () => {
  const door = () => new IntakeBench([DOOR], [streamPlan(DOOR)]);

  it("is over, and nothing is covered until it says one again", () => {
    const bench = door();
    bench.open();
    bench.read("cabinet_door", 1);
    bench.pass(100_000);
    bench.read("cabinet_door", null);
    bench.pass(200_000);
    bench.read("cabinet_door", null);
    bench.pass(100_000);
    bench.read("cabinet_door", 0);
    bench.pass(400_000);
    expect(bench.statistic()).toEqual({ kind: "state", samples: 2, heldMs: [400_000, 100_000], transitions: 1 });
    expect(bench.coverage()).toBe(0.55);
    expect(bench.books()).toEqual({ emitted: 4, stored: 2, null: 2 });
  });

  it("has shares that sum to 1 over the time that it was known, whatever the device says when", () => {
    const step = fc.record({ state: fc.constantFrom(0, 1, null), ms: fc.integer({ min: 1, max: 60_000 }) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const bench = door();
        bench.open();
        const known = [0, 0];
        for (const { state, ms } of steps) {
          bench.read("cabinet_door", state);
          bench.pass(ms);
          if (state !== null) known[state] = (known[state] ?? 0) + ms;
        }
        const knownMs = (known[0] ?? 0) + (known[1] ?? 0);
        const found = bench.statistic();
        if (knownMs === 0) {
          expect(found).toBeNull();
          return;
        }
        expect(found).toMatchObject({ kind: "state", heldMs: known });
        const covered = bench.readings().coversMs.reduce((sum, ms) => sum + ms, 0);
        expect(covered).toBe(knownMs);
      }),
      { numRuns: 100 },
    );
  });
});

describe("hardware that warms up", () => {
  const warming = (channel: ReturnType<typeof channelPlan>) => {
    const plan = { ...channel, warmUpMs: 180_000 };
    const bench = new IntakeBench([plan], [streamPlan(plan)]);
    bench.open();
    return bench;
  };
  const marksBy = (bench: IntakeBench) => bench.readings().marks.reduce((all, marks) => all | marks, 0);

  it("is set aside until it is warm, and is not covered", () => {
    const bench = warming(DUST);
    bench.intake.expect(180_000);
    for (let minute = 1; minute < 15; minute++) {
      bench.pass(60_000);
      bench.read("pm25", minute);
    }
    bench.pass(59_000);
    expect(bench.books()).toEqual({ emitted: 14, stored: 12, setAside: 2 });
    expect(bench.statistic()).toMatchObject({ samples: 12, min: 3 });
    // From the third minute to the fourteenth.
    expect(bench.coverage()).toBe(0.73);
    expect(marksBy(bench) & MARK.warming).toBe(MARK.warming);
  });

  it("warms up again after each opening, and not during a pause of the link alone", () => {
    const bench = warming(DUST);
    bench.pass(180_000);
    bench.read("pm25", 1);
    bench.intake.closed(bench.nowMs);
    bench.pass(1_000);
    bench.open();
    bench.read("pm25", 2);
    expect(bench.books()).toEqual({ emitted: 2, stored: 1, setAside: 1 });
  });

  it("counts from when the driver says in so many words that it is warm", () => {
    const bench = warming(DUST);
    bench.intake.expect(60_000);
    bench.pass(30_000);
    bench.read("pm25", 1, { quality: "ok" });
    bench.pass(30_000);
    bench.read("pm25", 2);
    expect(bench.books()).toEqual({ emitted: 2, stored: 2 });
    expect([...bench.readings().coversMs].filter((ms) => ms > 0)).toEqual([30_000]);
  });

  it("of people is not vouched for by its link, and its windows say so by the clock", () => {
    const bench = warming(channelPlan(PASSAGES));
    bench.pass(100_000);
    bench.intake.passage("passages", { direction: "towards" }, bench.nowMs);
    bench.pass(800_000);
    expect(bench.coverage()).toBe(0.8);
    expect(bench.books()).toEqual({ emitted: 1, setAside: 1 });
    const { marks } = bench.readings();
    expect(marks.filter((own) => own === MARK.warming).length).toBeGreaterThanOrEqual(180);
  });

  it("holds the state that it told while it was cold once it is warm", () => {
    const bench = warming(DOOR);
    bench.read("cabinet_door", 1);
    bench.pass(300_000);
    expect(bench.statistic()).toMatchObject({ samples: 0, heldMs: [0, 120_000] });
    expect(bench.coverage()).toBe(0.13);
  });
});

describe("a running total", () => {
  const rain = (changes: object = {}) => {
    const channel = channelPlan({ ...RAIN, ...changes });
    const bench = new IntakeBench([channel], [streamPlan(channel)]);
    bench.open();
    return bench;
  };
  const totals = (bench: IntakeBench, modulus: number | undefined, ...all: readonly number[]) => {
    for (const value of all) bench.total("rainfall", value, modulus);
    return bench;
  };

  it("counts from its first value on", () => {
    const bench = totals(rain(), undefined, 1_000, 1_003, 1_003, 1_010);
    expect(values(bench)).toEqual([3, 0, 7]);
    expect(bench.books()).toEqual({ emitted: 3, stored: 3 });
  });

  it("rolls over where the device says that it does", () => {
    expect(values(totals(rain(), 256, 250, 255, 4, 4))).toEqual([5, 5, 0]);
  });

  it("that falls without a modulus, or by less than half of it, was reset and counts from there", () => {
    for (const modulus of [undefined, 256]) {
      const bench = totals(rain(), modulus, 120, 100, 107);
      expect(values(bench)).toEqual([7]);
      expect(bench.books()).toEqual({ emitted: 2, stored: 1, reset: 1 });
    }
  });

  it("keeps its base over a reopened port", () => {
    const bench = totals(rain(), undefined, 50);
    bench.intake.closed(bench.nowMs);
    bench.open();
    expect(values(totals(bench, undefined, 53))).toEqual([3]);
  });

  it("that leaps further than the hardware can count is out of range", () => {
    const bench = totals(rain({ range: [0, 20] }), undefined, 0, 1_000, 1_005);
    expect(values(bench)).toEqual([5]);
    expect(bench.books()).toEqual({ emitted: 2, stored: 1, "out-of-range": 1 });
  });

  it("is calibrated by its scale only: an offset cancels out in a difference", () => {
    const bench = totals(rain({ calibration: { scale: 0.5, offset: 3 } }), undefined, 10, 14, 14);
    expect(values(bench)).toEqual([2, 0]);
  });
});

it("flushes at the latest after a thousand records, whichever lane they are in", () => {
  const streams = [streamPlan(DUST), streamPlan(DUST, { name: "hourly", windowMs: 3_600_000 })];
  const bench = new IntakeBench([DUST], streams);
  bench.open();
  for (let count = 0; count < FLUSH_RECORDS / 2 - 1; count++) bench.read("pm25", 1);
  expect(bench.live.chunks).toHaveLength(0);
  bench.read("pm25", 1);
  expect(bench.live.chunks.map(({ data }) => data.length)).toEqual([16_000, 16_000]);
});

it("balances its books whatever a driver emits and the store takes", () => {
  const passages = channelPlan({ ...PASSAGES, cells: { directions: ["towards"] } });
  const channels = [DUST, RAIN, DOOR, passages, SPEED];
  const name = fc.constantFrom(...channels.map((channel) => channel.name), "nothing");
  const number = fc.oneof(fc.integer({ min: -1, max: 5 }), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 1e9));
  const quality = fc.constantFrom(undefined, { quality: "ok" as const }, { quality: "warming" as const }, { quality: "suspect" as const });
  const act = fc.oneof(
    fc.tuple(name, fc.oneof(number, fc.constant(null)), quality).map(
      ([channel, value, detail]) =>
        (bench: IntakeBench) =>
          bench.read(channel, value, detail),
    ),
    fc.tuple(name, number, fc.constantFrom(undefined, 4)).map(
      ([channel, value, modulus]) =>
        (bench: IntakeBench) =>
          bench.total(channel, value, modulus),
    ),
    fc.tuple(name, fc.constantFrom("towards" as const, "away" as const), fc.constantFrom(30, 999)).map(
      ([channel, direction, speedKmh]) =>
        (bench: IntakeBench) =>
          bench.intake.passage(channel, { direction, speedKmh }, bench.nowMs),
    ),
    name.map((channel) => (bench: IntakeBench) => bench.intake.identity(channel, new Uint8Array(2), bench.nowMs)),
    fc.integer({ min: 1, max: 9_000 }).map((ms) => (bench: IntakeBench) => bench.pass(ms)),
    fc.constant((bench: IntakeBench) => bench.open()),
    fc.constant((bench: IntakeBench) => bench.intake.closed(bench.nowMs)),
    fc.boolean().map((isFull) => (bench: IntakeBench) => {
      if (isFull) bench.live.failing.set("append", "LIVE_FULL");
      else bench.live.failing.clear();
    }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80, size: "max" }), (acts) => {
      const bench = new IntakeBench(
        channels,
        channels.map((channel) => streamPlan(channel, { windowMs: 10_000 })),
      );
      for (const one of acts) {
        one(bench);
        expect(bench.counters.balanced).toBe(true);
      }
      bench.ingest.flush();
      const samples = bench.live.records().filter(({ marks }) => marks & MARK.sample);
      expect(bench.counters.stored + bench.counters.setAside).toBe(samples.length);
    }),
    { numRuns: 60 },
  );
});
