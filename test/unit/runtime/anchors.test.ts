import { expect, it } from "vitest";
import { MARK } from "../../../src/core/reading/record.ts";
import type { NoisedPolicy } from "../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../src/core/units/epsilon.ts";
import { CloserBench } from "../../support/closers.ts";
import { channelPlan, streamPlan } from "../../support/plans.ts";

const W = 60_000;
const dust = (): CloserBench => new CloserBench([streamPlan(channelPlan(), { windowMs: W, latenessMs: 10_000 })]);
const EPSILON = epsilonMicro(1_000_000);
const NOISED: NoisedPolicy = { is: "noised", epsilonMicro: EPSILON, accountMicro: EPSILON, bound: null };

it("never labels with an offset that was lost before it could be used", async () => {
  const bench = dust();
  bench.open();
  bench.intake.reading("pm25", 7, undefined, bench.clock.monotonicMs());
  bench.live.failing.set("relabel", "LIVE_IO");
  await bench.pass(2_000, () => bench.read(7));
  expect(await bench.anchors.labelWaiting()).toBe(false);
  bench.anchors.anchored(0, "lose");
  bench.live.failing.clear();
  expect(await bench.anchors.labelWaiting()).toBe(true);
  expect(bench.live.records().filter(({ window, marks }) => window === null && marks & MARK.sample).length).toBeGreaterThan(0);
});

it("does not count identifiers of a window in which time was lost: those that came meanwhile have no secret", async () => {
  const devices = channelPlan({
    name: "devices",
    quantity: "devices",
    kind: "identity",
    unit: "1",
    sensitivity: "identifying",
    resolution: 1,
  });
  const bench = new CloserBench([streamPlan(devices, { policy: NOISED, windowMs: 5 * W, latenessMs: 10_000 })]);
  bench.open(null);
  const see = () => bench.intake.identity("devices", Uint8Array.of(1, 2, 3), bench.clock.monotonicMs());
  await bench.pass(12 * W, see);
  const offsetMs = bench.clock.wallMs() - bench.clock.monotonicMs();
  bench.anchors.anchored(0, "lose");
  await bench.clock.advance(1_000);
  see();
  bench.anchors.anchored(offsetMs, "first");
  await bench.pass(10 * W, see);
  const reasons = bench.summaries().map(({ reason }) => reason ?? "number");
  // The first window began before the node did; the third is that in which time was lost.
  expect(reasons.slice(1)).toEqual(["number", "unavailable", "number"]);
});

it("labels nothing with a window that an earlier process closed, and counts it", async () => {
  const first = dust();
  first.open();
  await first.pass(10 * W + 30_000, () => first.read(7));
  const { clock, live, outbox } = first;
  const before = first.summaries().length;
  clock.stepWall(-5 * W);
  const second = new CloserBench([streamPlan(channelPlan(), { windowMs: W, latenessMs: 10_000 })], { clock, live, outbox });
  second.open();
  second.anchors.anchored(0, "lose");
  // Two minutes that wait, and then are of a time that is closed already.
  for (let elapsed = 0; elapsed < 120; elapsed++) {
    await clock.advance(1_000);
    second.read(8);
    second.ingest.tick(clock.monotonicMs());
  }
  second.anchors.anchored(clock.wallMs() - clock.monotonicMs(), "first");
  expect(await second.anchors.labelWaiting()).toBe(true);
  expect(second.counters.dropped.late).toBeGreaterThan(115);
  expect(second.counters.balanced).toBe(true);
  expect(second.summaries()).toHaveLength(before);
});

it("does not count among its own what an earlier process left and is late", async () => {
  const first = dust();
  first.open();
  await first.pass(10 * W + 30_000, () => first.read(7));
  const { clock, live, outbox } = first;
  clock.stepWall(-5 * W);
  first.anchors.anchored(0, "lose");
  for (let second = 0; second < 60; second++) {
    await clock.advance(1_000);
    first.read(8);
    first.ingest.tick(clock.monotonicMs());
  }
  const second = new CloserBench([streamPlan(channelPlan(), { windowMs: W, latenessMs: 10_000 })], { clock, live, outbox });
  second.open();
  second.anchors.anchored(clock.wallMs() - clock.monotonicMs(), "first");
  expect(await second.anchors.labelWaiting()).toBe(true);
  expect(live.records().filter(({ window }) => window === null)).toEqual([]);
  expect([second.counters.stored, second.counters.dropped.late]).toEqual([0, 0]);
});

it("drops and counts what waited and does not fit with its windows, and goes on", async () => {
  const bench = dust();
  bench.open();
  bench.anchors.anchored(0, "lose");
  for (let second = 0; second < 60; second++) {
    await bench.clock.advance(1_000);
    bench.read(second);
    bench.ingest.tick(bench.clock.monotonicMs());
  }
  const { emitted } = bench.counters;
  bench.live.roomless = 10;
  bench.anchors.anchored(bench.clock.wallMs() - bench.clock.monotonicMs(), "first");
  expect(await bench.anchors.labelWaiting()).toBe(true);
  expect(bench.live.records().filter(({ window }) => window === null)).toEqual([]);
  const samples = bench.live.records().filter(({ marks }) => marks & MARK.sample);
  expect(bench.counters).toMatchObject({ balanced: true, stored: samples.length });
  expect(bench.counters.dropped["store-full"]).toBe(emitted - samples.length);
  expect(bench.counters.dropped["store-full"]).toBeGreaterThanOrEqual(10);
});

it("comes back from a time that was too far ahead also when the live store fails then, and counts what was there once", async () => {
  const bench = dust();
  bench.open();
  await bench.pass(30_000, () => bench.read(7));
  const { stored } = bench.counters;
  bench.live.failing.set("purge", "LIVE_IO");
  bench.anchors.anchored(bench.clock.wallMs() - bench.clock.monotonicMs() - 60 * W, "return");
  expect(await bench.anchors.labelWaiting(), "no window is closed before it is done").toBe(false);
  expect(bench.counters.dropped.late).toBe(0);
  bench.live.failing.clear();
  expect(await bench.anchors.labelWaiting()).toBe(true);
  expect(bench.counters).toMatchObject({ balanced: true, stored: 0 });
  expect(bench.counters.dropped.late).toBe(stored);
  expect(bench.live.records()).toEqual([]);
});
