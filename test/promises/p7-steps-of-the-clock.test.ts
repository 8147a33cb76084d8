import { describe, expect, it } from "vitest";
import { openLiveStore } from "../../src/adapters/sqlite/live-store.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { createSystemCrypto } from "../../src/adapters/system-crypto.ts";
import { Node } from "../../src/runtime/node.ts";
import { FakeBrokerPort } from "../../src/testing/fake-broker-port.ts";
import { FakeSerialBus } from "../../src/testing/fake-serial-bus.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { driverOf, nodePlan, sensorPlan, streamPlan } from "../support/plans.ts";
import type { SummaryDocument } from "../support/summaries.ts";

const WINDOW_MS = 60_000;
/** To an instant at which no window is just being closed. */
const AFTER_MS = 10 * WINDOW_MS + 15_000;
const PATH = "/dev/air-1";

/** What came of a run in virtual time, on real SQL. */
interface Outcome {
  readonly summaries: readonly SummaryDocument[];
  /** Readings that the sensor gave. Number n says n tenths. */
  readonly emitted: number;
  readonly late: number;
  /** Readings of windows that are still open. */
  readonly held: number;
}

/** A node that counts, once a second, for `beforeMs`, then a step of its wall clock, and `afterMs` more. */
async function runWithStep(stepMs: number, beforeMs: number, afterMs: number): Promise<Outcome> {
  const clock = new VirtualClock();
  const crypto = createSystemCrypto();
  const serial = new FakeSerialBus({ defer: (task) => clock.after(0, task) });
  serial.plug(PATH);
  const broker = new FakeBrokerPort({ clock });
  const outbox = await openOutbox({ directory: null, randomBytes: (count) => crypto.randomBytes(count) });
  const live = openLiveStore({ path: null, instance: outbox.instance, bootId: clock.bootId, bytesMax: 64e6 });
  let emitted = 0;
  const driver = driverOf({
    handle(event, out) {
      if (event.type === "opened") out.expect(5_000);
      if (event.type === "timer") out.reading("pm25", ++emitted / 10);
      if (event.type === "opened" || event.type === "timer") out.timer("next", 1_000);
    },
  });
  const streams = [streamPlan(undefined, { windowMs: WINDOW_MS, latenessMs: 10_000 })];
  const none = { write: () => {}, signal: () => {}, close: () => {} };
  const world = {
    clock,
    crypto,
    events: { emit: () => {} },
    scheduler: { every: () => () => {} },
    serial,
    gpio: { probe: () => Promise.reject(new Error("no GPIO here")), watch: () => ({ ...none, ignoredEdges: () => 0 }), close: () => {} },
    files: { open: () => ({ ...none, request: () => undefined }) },
    replay: { open: () => none },
    live,
    outbox,
    broker,
    residentBytes: () => 0,
  };
  const identity = { version: "0.0.0", configRev: "00000000", bootId: clock.bootId, outboxHours: null };
  const node = await Node.start(nodePlan([sensorPlan({ driver, streams })]), world, { identity });
  await clock.advance(beforeMs);
  clock.stepWall(stepMs);
  await clock.advance(afterMs);
  expect(outbox.standing().pendingRows, "everything made is published").toBe(0);
  const rows = live.query("SELECT count(*) AS held FROM reading WHERE marks & 1 = 1") as readonly { readonly held: number }[];
  const { sensors } = node.status();
  const published = broker.received.filter(({ topic }) => topic.endsWith("/summary"));
  return {
    summaries: published.map(({ payload }) => JSON.parse(new TextDecoder().decode(payload)) as SummaryDocument),
    emitted,
    late: sensors["air-1"]?.counters?.dropped.late ?? 0,
    held: rows[0]?.held ?? 0,
  };
}

/** No reading is in two windows, no window is there twice, and what is in none is counted. */
function expectNothingLostOrDoubled({ summaries, emitted, late, held }: Outcome): void {
  let lastEnd = "";
  let lastReading = 0;
  let samples = 0;
  for (const { id, window, stats } of summaries) {
    expect(window.start >= lastEnd, `${id} overlaps the window before`).toBe(true);
    lastEnd = window.end;
    if (stats?.samples === undefined) continue;
    expect(Math.round((stats.min ?? 0) * 10), `${id} begins where the one before ended`).toBeGreaterThan(lastReading);
    lastReading = Math.round((stats.max ?? 0) * 10);
    samples += stats.samples;
  }
  expect(samples + late + held, "every reading is in a window, waits for its end, or was counted as late").toBe(emitted);
}

describe("P7: steps of the clock neither lose nor double a window", () => {
  it.each([
    ["20 s forwards", 20_000],
    ["20 s back", -20_000],
    ["59 s back", -59_000],
  ])("P7: a small step, %s: every reading is in one window, and the window of the step says so", async (_, stepMs) => {
    const outcome = await runWithStep(stepMs, 5.5 * WINDOW_MS, AFTER_MS);
    expectNothingLostOrDoubled(outcome);
    expect(outcome.late).toBe(0);
    // The window of the step keeps the old offset to its end, so the one after it has another length than its label says.
    const stepped = outcome.summaries.flatMap(({ flags }, index) => (flags.includes("stepped") ? [index] : []));
    expect(stepped).toEqual(stepped.length === 1 ? [5] : [5, 6]);
  });

  it.each([
    ["2 h forwards", 7_200_000, AFTER_MS],
    ["2 h back, until the clock has caught up", -7_200_000, 7_200_000 + AFTER_MS],
  ])("P7: a large step, %s", async (_, stepMs, afterMs) => {
    const outcome = await runWithStep(stepMs, 5.5 * WINDOW_MS, afterMs);
    expectNothingLostOrDoubled(outcome);
    expect(outcome.summaries.length).toBeGreaterThan(10);
  });
});
